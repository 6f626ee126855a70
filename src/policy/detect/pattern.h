/// Small patterns for custom detectors, matched in linear time: no back-tracking, no unbounded memory, and no reading
/// ahead of what the answer needs, so that a stream is held back no longer than necessary.
///
///   abc  \.            literals; a backslash makes a special character plain
///   .  [A-F0-9]  [^-]  one byte of a class; \d \w \s (and \D \W \S)
///   (ab|cd)            alternatives
///   x?  x*  x+  x{3}  x{2,5}
///   (?i)abc            from here to the end of the group letters of ASCII in either case
///
/// There are no anchors, look-arounds, captures or back-references: a custom detector matches whole words anyway.
#pragma once

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "policy/detector.h"

namespace sb::policy {

/// A compiled pattern: Glushkov's automaton, one state a character position. Immutable.
class Pattern {
 public:
  static constexpr std::size_t kMaxPositions = 192;

  /// Errors: invalid_argument, with the place in the pattern and what is wrong there.
  static Result<Pattern> compile(std::string_view source);

  /// The longest match that begins at `start` and that `accepts(end)` agrees to; 0 where there is none. Bytes are read
  /// through `window.at` (a ScanWindow's, or any other) only as long as a longer match is possible.
  template <class Window, class Accepts>
  std::size_t match(Window& window, std::size_t start, Accepts accepts) const {
    std::size_t best = 0;
    States states = first_;
    for (std::size_t i = start;; ++i) {
      const int byte = window.at(i);
      if (byte < 0) return best;
      states &= by_byte_[static_cast<unsigned>(byte)];
      if (states.none()) return best;
      if ((states & last_).any() && accepts(i + 1)) best = i + 1;
      states = follow_of(states);
    }
  }

  /// How much work the worst text is for each of its bytes: places of the pattern that are tried, and for `checked`, a
  /// detector with check digits, what is read for them. A bound, found by following all that may match at once.
  std::size_t cost(bool checked) const;

  /// How a match goes on that fills its window: by the narrowest tail that has all that may follow; none where it ends.
  Tail tail_behind(std::string_view match) const;

  /// Every byte a match can begin with.
  std::string first_bytes() const;

 private:
  using States = std::bitset<kMaxPositions>;
  class Compiler;

  States follow_of(const States& states) const;
  std::size_t cost_among(const std::bitset<256>& bytes, std::size_t steps, bool checked) const;

  States first_, last_;
  std::vector<States> follow_;   // by position
  std::vector<States> by_byte_;  // 256: positions that accept this byte
};

}  // namespace sb::policy
