/// What a mirror is made of (pure): sealed, compressed, chained objects.
///
///     segments/000000000042     changes of the groups of commits 118 to 131, as SQLite patchsets
///     keys/000000000042-700-731 the wrapped data keys of runs 700 to 731: rewritten when one of them is erased
///     snapshots/000000000131/0  the database after group 131, without data keys, in pieces; `manifest` is written last
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

struct RunKey {
  std::int64_t run = 0;  ///< its number in the database
  std::string subject;
  std::string wrapped;
};
std::string encode_keys(const std::vector<RunKey>& keys);
Result<std::vector<RunKey>> parse_keys(std::string_view bytes);

std::string segment_name(std::uint64_t number);
/// REQUIRES keys in order of runs, not empty.
std::string keys_name(std::string_view stem, const std::vector<RunKey>& keys);
struct KeyRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
};
std::optional<KeyRange> range_of_keys(std::string_view name);
std::string padded(std::uint64_t number);
/// The number at the end of `name`, after its last slash.
std::optional<std::uint64_t> number_at_end(std::string_view name);

}  // namespace sb::mirror
