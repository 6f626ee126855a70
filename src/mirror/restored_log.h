/// The log of a database that was made again: held against every tree head that is known of it, and published as files.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "audit/checkpoint_note.h"
#include "audit/tile_files.h"
#include "base/errors.h"
#include "mirror/segment.h"
#include "mirror/target.h"

namespace sb::mirror {

/// A tree head that somebody may come back with.
struct KnownHead {
  enum class Holder { mirror, chain, database, folder };
  Holder holder = Holder::mirror;
  std::string where;      ///< for people
  std::string note = {};  ///< as it was signed; empty: only its size and root are known
  audit::TreeHead head = {};
};

/// A tree head of a log with this key, whatever its name is. Errors: corrupt (torn, changed, another key's).
Result<audit::TreeHead> open_head(std::string_view note, std::string_view public_key);

struct WalkedLog {
  std::uint64_t leaves = 0;
  std::vector<bool> led;  ///< to each of the heads
};
/// Reads all leaves of a database. With `files`: writes the tiles under the newest signed head that they lead to; the
/// head itself is the caller's. Errors: as RecordReader's and TileFiles'.
Result<WalkedLog> walk_log(const std::string& database, const std::vector<KnownHead>& heads, audit::TileFiles* files);

/// What is known of a log that is made again.
struct LogKnowledge {
  std::string public_key;
  std::string database;     ///< with its leaves
  std::string folder;       ///< the log's, where the data directory is to be: it may be left of the one that was lost
  PublishedTree published;  ///< as the end of the mirror's chain said, before anything else of it was read
  std::string checkpoint;   ///< notes in the mirror, read before its leaves; empty: they are not there
  std::string witnessed;
  std::vector<Object> stamps;  ///< by their names below the log
};

struct RestoredLog {
  std::uint64_t leaves = 0;
  std::uint64_t signed_leaves = 0;  ///< under the tree head that is shown; 0: none
  std::vector<std::string> losses;  ///< of what the mirror had
};

/// Publishes the log in `made`, with what its folder keeps of witnesses and time stamps. Errors: conflict (the folder
/// holds a tree head that the leaves do not lead to), corrupt (so does the database).
Result<RestoredLog> restore_log(const LogKnowledge& known, const std::string& made);

}  // namespace sb::mirror
