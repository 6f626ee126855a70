/// The database as a mirror has it: a snapshot, the segments after it, and the lists of what must be able to go.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.h"
#include "base/errors.h"
#include "mirror/key_lists.h"
#include "mirror/segment.h"
#include "mirror/snapshot.h"
#include "mirror/target.h"
#include "store/sqlite/sql.h"

namespace sb::mirror {

/// Where keys and values behind placeholders go: into the file, as in a database that a server opens; or apart, into
/// tables that have no name on disk and end with the connection, so that whatever is killed leaves none of them.
enum class KeysGo { into_the_file, apart };

struct Rebuilt {
  store::sqlite::Database database;
  Snapshot snapshot;
  std::uint64_t groups = 0;    ///< of commits it has
  std::uint64_t segments = 0;  ///< applied, of those that hold groups
  std::uint64_t newest = 0;    ///< number of the last segment, and its hash
  Digest hash{};
  PublishedTree published;  ///< as the last segment says
  std::vector<Erased> erased;
  struct List {
    SealedKind kind = SealedKind::data_key;
    ListName name;
  };
  std::vector<List> lists;          ///< that came with all of this, the newest last: it has the last word
  std::vector<std::string> losses;  ///< what is missing or damaged: the database is what is left without it
};

/// Makes the file `path`, no newer than after `groups_max`. A server may be at work on the mirror. Lists that are
/// missing, and segments after the first that does not continue the chain, are in `losses`. Errors: not_found (no
/// mirror there), corrupt (another key; the end of the chain, or the snapshot that it names, is changed or incomplete),
/// unavailable (the mirror does not stand still), disk_full.
Result<Rebuilt> rebuild(Target& target, std::string_view key, const std::string& path, std::uint64_t groups_max,
                        KeysGo keys);

}  // namespace sb::mirror
