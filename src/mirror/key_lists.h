/// What must be able to go lies in lists of its own, and in no object that cannot be changed (pure):
///
///     keys/000000000042-9f3a12bc-700-731   the wrapped data keys of runs 700 to 731, which came with segment 42
///     keys/s000000000131-9f3a12bc-1-10000  those that the snapshot of group 131 has
///     tokens/...                           the same for the values behind tenants' placeholders
///
/// A list is rewritten when one of its entries is erased. A list counts if what it came with counts; of two that have
/// the same number the later one does, and a snapshot's comes first.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "mirror/segment.h"

namespace sb::mirror {

struct ListEntry {
  std::int64_t no = 0;  ///< the run's or the placeholder's number in the database
  std::string subject;
  std::string sealed;  ///< empty: erased
  std::string tenant;  ///< of a placeholder, as `token`
  std::string token;
};
std::string encode_list(SealedKind kind, const std::vector<ListEntry>& entries);
Result<std::vector<ListEntry>> parse_list(SealedKind kind, std::string_view bytes);
/// Takes out what was erased. Of a data key its number stays: a restored database knows that the run was erased.
/// Whether something went.
bool take_out(SealedKind kind, std::vector<ListEntry>& entries, const std::set<std::int64_t>& erased);

/// Ordered as lists have the last word.
struct ListName {
  bool of_segment = true;    ///< else of a snapshot
  std::uint64_t number = 0;  ///< of the segment, or the snapshot's group
  std::string tag;           ///< of the lineage
  std::int64_t first = 0;
  std::int64_t last = 0;
  auto operator<=>(const ListName&) const = default;
};
/// Of a list that came with a segment, or with a snapshot.
ListName name_of(const ListSpan& list, const Segment& segment);
ListName name_of(const ListSpan& list, const SnapshotId& snapshot);
/// What names of such lists begin with.
std::string list_prefix(SealedKind kind);
std::string text_of(SealedKind kind, const ListName& name);
std::optional<ListName> parse_list_name(std::string_view text);

}  // namespace sb::mirror
