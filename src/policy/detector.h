/// The contract between the scanner, which finds places worth a look, and the detectors, which look.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "policy/finding.h"

namespace sb::policy {

/// A candidate is decided by at most this many bytes from its start, and by at most as many before it. Both together
/// are what makes a stream's result independent of how it was cut, with a bounded hold-back.
inline constexpr std::size_t kWindowBytes = 64;

/// The text under a detector's eyes. Reading forward goes through `at`, which notices when a decision depends on bytes
/// that have not arrived yet; such a candidate is held back and looked at again.
class ScanWindow {
 public:
  static constexpr int kEnd = -1;

  /// `complete`: nothing follows `text`. `label`: the JSON key the text stood under, read as words before it.
  ScanWindow(std::string_view text, bool complete, std::string_view label = {})
      : text_(text), label_(label), complete_(complete) {}

  std::string_view text() const { return text_; }
  std::string_view label() const { return label_; }

  /// Declares where the candidate begins; call before the first `at`. Several candidates of one trigger: the first.
  void begin(std::size_t start) {
    start_ = std::min(start_, start);
    limit_ = start_ + kWindowBytes;
  }

  /// The byte at `index`, kEnd behind the text or behind the candidate's window.
  int at(std::size_t index) {
    if (index >= limit_) return kEnd;
    if (index < text_.size()) return static_cast<unsigned char>(text_[index]);
    touched_ = !complete_;
    return kEnd;
  }

  /// First byte behind what this candidate may be decided by.
  std::size_t limit() const { return limit_; }

  /// The bytes before `index`, at most kWindowBytes of them.
  std::string_view before(std::size_t index) const {
    const std::size_t size = std::min(index, kWindowBytes);
    return text_.substr(index - size, size);
  }

  /// The nearest telling word before the last place that was asked about (detect/context.cc): candidates come left to
  /// right, so that each word is looked up once.
  struct HintMemo {
    std::size_t asked = std::string_view::npos;
    std::size_t word = 0;   ///< where the word begins
    std::uint8_t hint = 0;  ///< 0: there was none
  };
  HintMemo hint_memo;

  /// For the scanner: prepares the window for the next trigger at `index`.
  void reset(std::size_t index) {
    start_ = index;
    limit_ = index + kWindowBytes;
    touched_ = false;
  }
  bool touched() const { return touched_; }
  std::size_t start() const { return start_; }

 private:
  std::string_view text_;
  std::string_view label_;
  std::size_t start_ = 0;
  std::size_t limit_ = kWindowBytes;
  bool complete_;
  bool touched_ = false;
};

/// Finds one family of personal data or secrets. Immutable and thread-safe; no I/O, no clock, no allocation besides the
/// findings. The scanner calls `verify` at every byte of `wake_bytes`. An exception stops the whole guard with an
/// error: nothing passes unseen.
class Detector {
 public:
  virtual ~Detector() = default;

  virtual std::string_view name() const = 0;

  /// Whether it can report `type`; a policy wakes only the detectors its rules need.
  virtual bool reports(std::string_view type) const = 0;

  /// The bytes at which a look is worth its time. Rare bytes make a fast scan.
  virtual std::string_view wake_bytes() const = 0;

  /// Looks around `at`, where one of `wake_bytes` stands, and appends what it found.
  /// REQUIRES: a finding's start and everything read for it lie in [start - kWindowBytes, start + kWindowBytes),
  /// forward reads go through `window.at`, and `window.begin(start)` was called first. A candidate whose wake byte is
  /// not its first byte must consist, up to there, of bytes that `is_word_byte` accepts or of an opening '(' or '+':
  /// the scanner holds back such a trailing run; or else override `pending_start`.
  virtual void verify(ScanWindow& window, std::size_t at, Findings& out) const = 0;

  /// Where a candidate may have begun whose wake byte has not arrived yet; the text's size where there is none.
  virtual std::size_t pending_start(std::string_view text) const { return text.size(); }
};

}  // namespace sb::policy
