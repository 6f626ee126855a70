/// What a mirror is made of (pure): sealed, compressed, chained objects.
///
///     segments/000000000042     changes of the groups of commits 118 to 131, as SQLite patchsets
///     keys/000000000042-700-731 the wrapped data keys of runs 700 to 731: rewritten when one of them is erased; of two
///                               lists that have the same run the later one by name counts; `42s`: of a snapshot
///     tokens/000000000042-8-9   the same for the values behind tenants' placeholders 8 to 9
///     snapshots/000000000131/0  the database after group 131, without those, in pieces; `manifest` is written last
///     secrets                   the data directory's keys/
///     audit/...                 the published log
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

/// Compressed, then AES-256-GCM under the mirror's key; bound to its name, so that no object stands in for another.
std::string seal_object(std::string_view key, std::string_view name, std::string_view plain, Entropy& entropy);
/// Errors: corrupt (another key, a changed or exchanged object).
Result<std::string> open_object(std::string_view key, std::string_view name, std::string_view sealed);

struct Segment {
  std::uint64_t number = 0;       ///< from 1, without gaps
  std::uint64_t first_group = 0;  ///< groups of commits it holds
  std::uint64_t last_group = 0;
  Digest previous{};  ///< SHA-256 of the sealed segment before it; zero: the first
  std::vector<std::string> patchsets;
};
std::string encode_segment(const Segment& segment);
Result<Segment> parse_segment(std::string_view bytes);

/// What must be able to go lies in lists, and in no object that cannot be changed.
struct ListEntry {
  std::int64_t no = 0;  ///< the run's or the placeholder's number in the database
  std::string subject;
  std::string sealed;  ///< empty: erased
  std::string tenant;  ///< of a placeholder, as `token`
  std::string token;
};
using store::SealedKind;
std::string encode_list(SealedKind kind, const std::vector<ListEntry>& entries);
Result<std::vector<ListEntry>> parse_list(SealedKind kind, std::string_view bytes);
/// What names of such lists begin with.
std::string list_prefix(SealedKind kind);

std::string segment_name(std::uint64_t number);
/// REQUIRES entries in order of their numbers, not empty.
std::string list_name(SealedKind kind, std::string_view stem, const std::vector<ListEntry>& entries);
struct ListRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
};
std::optional<ListRange> range_of_list(std::string_view name);
std::string padded(std::uint64_t number);
/// The number at the end of `name`, after its last slash.
std::optional<std::uint64_t> number_at_end(std::string_view name);

}  // namespace sb::mirror
