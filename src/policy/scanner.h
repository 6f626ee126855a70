/// Runs a set of detectors over a text: it is folded, a vectorised pass finds the places worth a look, detectors judge
/// the windows around them. Linear in the text whatever it holds: every look reads a bounded window.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/detector.h"

namespace sb::policy {

/// How far a text was read by earlier scans; bytes of the text that is scanned now. Nothing was: all zero.
struct ScanPlace {
  std::size_t decided = 0;  ///< findings that begin before this byte were reported
  /// By weight: where the last finding of it ends. One that begins before is a part of that, as far as it goes.
  std::array<std::size_t, kWeights> taken{};
  /// Score of the last that acts, below which nothing inside it stops the text.
  float acting_score = 0;
  std::size_t most = std::string_view::npos;  ///< nothing that begins here or later is decided yet
  FoldedBefore folded{};                      ///< so the text begins

  std::size_t& taken_by(Weight weight) { return taken[static_cast<std::size_t>(weight)]; }
  std::size_t taken_by(Weight weight) const { return taken[static_cast<std::size_t>(weight)]; }
  /// Bytes before it were decided on, or belong to a finding that changes them.
  std::size_t done() const { return std::max(decided, taken_by(Weight::acts)); }
};

/// What is known about a text of which more may come; with memory that is used again from scan to scan.
struct ScanResult {
  Findings findings;  ///< sorted by where they began; all decided: what follows cannot change them
  ScanPlace place;    ///< where the next scan goes on

  struct OpenTail {
    std::size_t index;    ///< of its finding
    std::uint32_t state;  ///< for follow_tail
  };
  /// By weight: a finding that goes on behind the text; no other of that weight is behind it.
  std::array<std::optional<OpenTail>, kWeights> open_tails;

  /// Put in by a caller whose text comes in pieces, taken out by the scan: addresses (Tail::url) that went on behind
  /// the last piece, one of a weight at most. They are then the first of `findings`, so many as `resumed`, and end
  /// where another begins or where they are known to go.
  Findings going_on;
  std::size_t resumed = 0;
  Findings settled;  ///< for the scanner

  Fold fold;             ///< for the scanner
  ContextIndex context;  ///< for the scanner

  NamesInText names;   ///< of the document; `known` is cleared by the caller where another begins
  std::string buffer;  ///< for a caller whose text comes in pieces
};

/// Immutable and thread-safe.
class Scanner {
 public:
  /// The least score at which somebody cares for a type; above 1: nobody does.
  using LeastScore = std::function<float(std::string_view type)>;
  struct Weighed {
    Weight weight = Weight::looks;
    bool stops = false;
  };
  /// What is made of a finding with this value here and now; nothing where no rule speaks of it.
  using Weigh = std::function<std::optional<Weighed>(const Finding& finding, std::string_view value)>;
  enum class Overlaps : std::uint8_t {
    drop,  ///< one reading of each place
    keep,  ///< the others too, marked `beside`
  };

  /// REQUIRES: at most 64 detectors. Findings that `least_score` does not care for never shadow one that it does.
  explicit Scanner(std::vector<std::shared_ptr<const Detector>> detectors, const LeastScore& least_score = {},
                   Overlaps overlaps = Overlaps::drop);

  /// Findings of `text` that begin at `from.decided` or later. The bytes before are context: detectors may read them.
  /// `complete`: nothing follows. `label`: the JSON key the text stood under. `weigh`: empty: every finding looks.
  /// `out` is overwritten; its memory is reused. Throws what a detector throws.
  ///
  /// Findings of one weight share no byte. Of two readings of the same bytes the surer stays, whatever it weighs. Else
  /// a finding stays beside all that weigh less, and of two that weigh the same the leftmost wins, of two that begin
  /// together the surer, then the longer. Where one that acts begins inside another that does, what lies behind that
  /// one is a finding too. In an address that is longer than its window one that acts ends it, and what is left behind
  /// is a finding of its own. What lies inside a finding that weighs more is dropped. What stops the text inside one
  /// that only changes it stays beside that, unless it is less sure or the other is open-ended.
  void scan(std::string_view text, const ScanPlace& from, bool complete, std::string_view label, const Weigh& weigh,
            ScanResult& out) const;

  /// The same of a whole text, where no rule weighs.
  void scan(std::string_view text, std::string_view label, ScanResult& out) const {
    scan(text, {}, true, label, {}, out);
  }

  bool empty() const { return detectors_.empty(); }
  /// What a policy's author makes each byte of the worst text cost (Detector::cost), all together.
  std::size_t cost() const;

 private:
  struct Block;
  using Detectors = std::uint64_t;  // a set, bit n: detectors_[n]

  void add_neighbours();
  void add_literal(std::string_view literal, Detectors who);
  std::uint32_t may_wake(std::uint32_t first_three) const;
  Detectors woken_by_word(std::uint32_t first_three) const;
  Detectors woken_by_byte(std::string_view text, std::size_t at) const;
  template <class Look>
  void visit_triggers(std::string_view text, Look look) const;
  bool cares(const Finding& finding) const;

  std::vector<std::shared_ptr<const Detector>> detectors_;
  Overlaps overlaps_;

  std::array<Detectors, 256> at_byte_{};
  Detectors at_digit_ = 0;
  Detectors at_label_ = 0;
  Detectors sweeping_ = 0;
  std::array<std::uint8_t, 16> rare_low_{};  // by low nibble: a set of high nibbles below 8
  bool rare_high_ = false;                   // some detector wakes at bytes from 0x80 on

  // What stands beside a wake byte rules most of its detectors out.
  struct Neighbour {
    Detectors before = ~Detectors{0};  // who is not ruled out where it stands before the byte
    Detectors behind = ~Detectors{0};
  };
  std::array<std::uint8_t, 256> row_{};   // of a wake byte, in neighbours_; 0: whatever stands beside it
  std::array<std::uint8_t, 256> kind_{};  // of a neighbour: those that nobody tells apart; 0: nothing stands there
  std::size_t kinds_ = 1;
  std::vector<Neighbour> neighbours_;  // [row][kind]

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
