/// What a mirror is made of (pure): sealed, compressed, chained objects.
///
///     segments/000000000042               changes of the groups of commits 118 to 131, as SQLite patchsets; or none,
///                                         and it only says whose the mirror is now, or which snapshot counts
///     keys/000000000042-9f3a12bc-700-731  lists (key_lists.h)
///     tokens/...
///     snapshots/000000000131-9f3a12bc/0   the database after group 131, without those, in pieces; and `manifest`
///     secrets                             the data directory's keys/
///     audit/...                           the published log
///
/// "9f3a12bc" is the tag of a lineage: of whoever wrote it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/errors.h"
#include "store/store.h"

namespace sb::mirror {

using store::SealedKind;

/// Compressed, then AES-256-GCM under the mirror's key; bound to its name, so that no object stands in for another.
std::string seal_object(std::string_view key, std::string_view name, std::string_view plain, Entropy& entropy);
/// Errors: corrupt (another key, a changed or exchanged object), unsupported (an older version wrote it).
Result<std::string> open_object(std::string_view key, std::string_view name, std::string_view sealed);

/// The first digits of a lineage, for names.
std::string tag_of(std::string_view lineage);

struct SnapshotId {
  std::uint64_t group = 0;  ///< of commits: the newest one in it
  std::string tag;          ///< of the lineage that made it; empty: there is none
  bool none() const { return tag.empty(); }
  bool operator==(const SnapshotId&) const = default;
};

/// What was erased: its key, or the value behind a placeholder, is in no list any more once its segment is followed by
/// another one.
struct Erased {
  SealedKind kind = SealedKind::data_key;
  std::int64_t no = 0;
  bool operator==(const Erased&) const = default;
};

/// A list (key_lists.h) that came with a segment or a snapshot, by the numbers in it. Whoever reads what it came with
/// knows that it must be there; what is in it changes, where something is erased.
struct ListSpan {
  SealedKind kind = SealedKind::data_key;
  std::int64_t first = 0;
  std::int64_t last = 0;
  bool operator==(const ListSpan&) const = default;
};

/// The newest tree head that was in the mirror's published log before a segment: none of it may be older afterwards.
struct PublishedTree {
  std::uint64_t leaves = 0;  ///< 0: none yet
  Digest root{};
  bool operator==(const PublishedTree&) const = default;
};

/// A link of the chain that says what of the mirror counts. Whoever writes the next link has the mirror: only one can.
struct Segment {
  std::uint64_t number = 0;       ///< from 1, without gaps
  std::uint64_t first_group = 0;  ///< groups of commits it holds; where it holds none, both: the newest one before it
  std::uint64_t last_group = 0;
  Digest previous{};      ///< SHA-256 of the sealed segment before it; zero: the first
  std::string lineage;    ///< of the database (store/sqlite/group_sink.h)
  SnapshotId snapshot;    ///< the one that a restore begins with
  bool resealed = false;  ///< since then, keys were sealed anew: older lists have them as they were
  PublishedTree published;
  std::vector<ListSpan> lists;
  std::vector<Erased> erased;
  std::vector<std::string> patchsets;
};
std::string encode_segment(const Segment& segment);
/// Errors: corrupt (not exactly what encode_segment() writes).
Result<Segment> parse_segment(std::string_view bytes);

std::string segment_name(std::uint64_t number);
std::string padded(std::uint64_t number);
/// The whole of `text` as a number.
std::optional<std::uint64_t> number_of(std::string_view text);
/// The number at the end of `name`, after its last slash.
std::optional<std::uint64_t> number_at_end(std::string_view name);

}  // namespace sb::mirror
