/// Runs a set of detectors over a text: a table-driven pass finds the bytes worth a look, detectors judge the windows
/// around them. Linear in the text whatever it holds: every look reads a bounded window.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "policy/detector.h"

namespace sb::policy {

/// What is known about a text of which more may come.
struct ScanResult {
  Findings findings;             ///< sorted, not overlapping; all decided: what follows cannot change them
  std::size_t decided = 0;       ///< no later finding begins before this byte
  bool open_tail = false;        ///< the last finding goes on behind the text
  std::uint32_t tail_state = 0;  ///< for follow_tail, where it does
};

/// Where the open-ended candidate that ends at `at` truly ends, and whether that is known yet.
struct TailEnd {
  std::size_t end = 0;
  bool closed = false;
};

/// Follows a finding's tail through `text` from `at`, one byte class or the private key grammar, incrementally: `state`
/// starts as 0 and carries what is needed between calls. Bytes behind `end` are not part of the finding.
TailEnd follow_tail(Tail tail, std::string_view text, std::size_t at, bool complete, std::uint32_t& state);

/// Immutable and thread-safe.
class Scanner {
 public:
  /// REQUIRES: at most 16 detectors.
  explicit Scanner(std::vector<std::shared_ptr<const Detector>> detectors);

  /// Findings of `text` that begin at `from` or later. The bytes before `from` are context: detectors may read them.
  /// `complete`: nothing follows. `label`: the JSON key the text stood under. `out` is overwritten; its memory is
  /// reused. The leftmost finding wins an overlap; of two that begin together, the surer, then the longer. Throws what
  /// a detector throws.
  void scan(std::string_view text, std::size_t from, bool complete, std::string_view label, ScanResult& out) const;

  bool empty() const { return detectors_.empty(); }

 private:
  std::vector<std::shared_ptr<const Detector>> detectors_;
  std::array<std::uint16_t, 256> wake_{};  // bit n: detector n looks at this byte
};

}  // namespace sb::policy
