/// Runs a set of detectors over a text: it is folded, a vectorised pass finds the places worth a look, detectors judge
/// the windows around them. Linear in the text whatever it holds: every look reads a bounded window.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "policy/detector.h"

namespace sb::policy {

/// What is known about a text of which more may come; with memory that is used again from scan to scan.
struct ScanResult {
  Findings findings;        ///< sorted; all decided: what follows cannot change them. Those not `beside` are disjoint
  std::size_t decided = 0;  ///< no later finding begins before this byte
  bool open_tail = false;   ///< the last finding goes on behind the text
  std::uint32_t tail_state = 0;  ///< for follow_tail, where it does

  Fold fold;             ///< for the scanner
  ContextIndex context;  ///< for the scanner

  std::size_t offset = 0;  ///< set by the caller: where the text stands in its document
  NameMemory names;        ///< of the document; cleared by the caller where another begins
};

/// Immutable and thread-safe.
class Scanner {
 public:
  /// The least score at which somebody cares for a type; above 1: nobody does.
  using LeastScore = std::function<float(std::string_view type)>;
  enum class Overlaps : std::uint8_t {
    drop,  ///< one reading of each place
    keep,  ///< the others too, marked `beside`
  };

  /// REQUIRES: at most 64 detectors. Findings that `least_score` does not care for never shadow one that it does.
  explicit Scanner(std::vector<std::shared_ptr<const Detector>> detectors, const LeastScore& least_score = {},
                   Overlaps overlaps = Overlaps::drop);

  /// Findings of `text` that begin at `from` or later. The bytes before `from` are context: detectors may read them.
  /// `complete`: nothing follows. `label`: the JSON key the text stood under. `out` is overwritten; its memory is
  /// reused. The leftmost finding wins an overlap; of two that begin together, the surer, then the longer. Throws what
  /// a detector throws.
  void scan(std::string_view text, std::size_t from, bool complete, std::string_view label, ScanResult& out) const;

  bool empty() const { return detectors_.empty(); }

 private:
  struct Block;
  using Detectors = std::uint64_t;  // a set, bit n: detectors_[n]

  void add_literal(std::string_view literal, Detectors who);
  Detectors woken_by_word(std::uint32_t first_three) const;
  template <class Look>
  void visit_triggers(std::string_view text, Look look) const;
  bool cares(const Finding& finding) const;
  void settle(std::string_view raw, bool complete, ScanResult& out) const;

  std::vector<std::shared_ptr<const Detector>> detectors_;
  Overlaps overlaps_;

  std::array<Detectors, 256> at_byte_{};
  Detectors at_digit_ = 0;
  Detectors sweeping_ = 0;
  std::array<std::uint8_t, 16> rare_low_{};  // by low nibble: a set of high nibbles below 8
  bool rare_high_ = false;                   // some detector wakes at bytes from 0x80 on

  // Words by their first three bytes in lower case: a bitmap says no for most, a small hash table says who.
  struct Literal {
    std::uint32_t key = 0;
    Detectors who = 0;
  };
  std::vector<std::uint64_t> literal_bits_;
  std::vector<Literal> literals_;

  struct Wanted {
    const char* type = nullptr;
    float least = 0;
  };
  std::vector<Wanted> wanted_;  // open addressing by the type's address; empty: everything
};

}  // namespace sb::policy
