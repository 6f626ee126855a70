/// The contract between the scanner, which finds places worth a look, and the detectors, which look.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "policy/detect/byte_masks.h"
#include "policy/detect/byte_set.h"
#include "policy/detect/context.h"
#include "policy/detect/fold.h"
#include "policy/finding.h"
#include "policy/name_memory.h"

namespace sb::policy {

/// A candidate is decided by at most this many characters from its start, an escape and what vanishes being one each,
/// as far as they begin within kWindowRawBytes, and by at most kLookBackBytes of folded text before it. Both together
/// are what makes a stream's result independent of how it was cut, with a bounded hold-back.
inline constexpr std::size_t kWindowBytes = 64;
inline constexpr std::size_t kLookBackBytes = 96;

/// The text under a detector's eyes, folded (detect/fold.h). Reading forward goes through `at`, which notices when a
/// decision depends on bytes that have not arrived yet; such a candidate is held back and looked at again.
class ScanWindow {
 public:
  static constexpr int kEnd = -1;

  /// `complete`: nothing follows `fold`'s text.
  ScanWindow(const Fold& fold, bool complete, ContextIndex& context)
      : text_(fold.text()), fold_(fold), context_(context), complete_(complete) {
    if (fold.is_ascii()) plain_end_ = std::string_view::npos;
  }

  std::string_view text() const { return text_; }

  /// Declares where the candidate begins; call before the first `at`. Several candidates of one trigger: the first.
  void begin(std::size_t start) {
    if (start < start_) rebase(start);
  }

  /// From here on the candidate that begins at `start` is judged, wherever the trigger stands.
  void rebase(std::size_t start) {
    if (start >= plain_begin_ && start + kWindowBytes <= plain_end_) [[likely]] {
      limit_ = start + kWindowBytes;
      stop_ = std::min(limit_, text_.size());
    } else if (start != start_) {
      limit_ = stop_ = 0;
    }
    start_ = start;
  }

  /// The byte at `index`, kEnd behind the text or behind the candidate's window.
  int at(std::size_t index) { return index < stop_ ? static_cast<unsigned char>(text_[index]) : at_border(index); }

  /// First byte behind what this candidate may be decided by.
  std::size_t limit() {
    if (limit_ == 0) measure();
    return limit_;
  }
  /// First byte that `at` does not give: the limit, or the text's end before it.
  std::size_t stop() {
    if (limit_ == 0) measure();
    return stop_;
  }

  /// The first of the `count` bytes before `index`; of all that what begins there may be decided by.
  static std::size_t first(std::size_t index, std::size_t count = kLookBackBytes) {
    return index > count ? index - count : 0;
  }
  /// The bytes from there to `index`.
  std::string_view before(std::size_t index) const {
    const std::size_t begin = first(index);
    return text_.substr(begin, index - begin);
  }

  std::string_view label() const { return context_.label(); }

  /// What the words before `start` and the text's label say.
  Context context(std::size_t start) { return context_.before(start, start - first(start)); }

  /// Behind the `count` characters from the one at `start` on: Fold::skip_characters.
  std::size_t behind(std::size_t start, std::size_t count) {
    return is_plain(start, count) ? start + count : fold_.skip_characters(start, count);
  }

  /// For the scanner: prepares the window for the next trigger at `index`.
  void reset(std::size_t index) { rebase(index); }
  /// For the scanner: the first candidate that was not decided; the text's size where all were.
  std::size_t undecided() const { return std::min(undecided_, text_.size()); }

 private:
  // Most triggers are dismissed by what stands before them: other windows are measured when somebody looks into them.
  void measure() {
    limit_ = behind(start_, kWindowBytes);
    stop_ = std::min(limit_, text_.size());
  }

  // Whether the `count` characters from `start` on are bytes that stand so in the raw text, one behind the other: most
  // do, also where the text has others.
  bool is_plain(std::size_t start, std::size_t count) {
    constexpr std::size_t kAhead = 8 * kWindowBytes;  // enough for the windows behind it, too
    if (fold_.is_ascii()) return true;
    if (start < plain_begin_ || start >= plain_end_ || (start + count > plain_end_ && plain_goes_on_)) {
      plain_begin_ = start;
      const std::size_t ahead = std::min(text_.size(), start + kAhead);
      plain_end_ = fold_.next_crowded(start, next_wide(text_, start, ahead));
      plain_goes_on_ = plain_end_ == ahead;
    }
    return start + count <= plain_end_;
  }

  int at_border(std::size_t index) {
    if (limit_ == 0) {
      measure();
      if (index < stop_) return static_cast<unsigned char>(text_[index]);
    }
    if (index < limit_ && !complete_) undecided_ = std::min(undecided_, start_);
    return kEnd;
  }

  std::string_view text_;
  const Fold& fold_;
  ContextIndex& context_;
  std::size_t start_ = std::string_view::npos;
  std::size_t limit_ = 0;  // 0: not measured yet
  std::size_t stop_ = 0;
  std::size_t plain_begin_ = 0;  // from here to plain_end_ the text is as `is_plain` says
  std::size_t plain_end_ = 0;
  bool plain_goes_on_ = false;  // maybe: nobody has looked further
  std::size_t undecided_ = std::string_view::npos;
  bool complete_;
};

/// What a sweeping detector is given: the same text that `verify` sees, all at once.
struct Sweep {
  std::string_view text;         ///< context, then what is new; a stream's beginning may be cut off
  std::size_t from = 0;          ///< findings before it were reported earlier and are dropped
  bool complete = true;          ///< nothing follows `text`
  std::string_view label;        ///< the JSON key the text stood under
  const Fold* fold = nullptr;    ///< of `text`
  NamesInText* names = nullptr;  ///< of the document; nullptr: none are kept
};

/// A wake byte that is worth no look where another byte than these stands before or behind it.
struct Beside {
  char byte;
  ByteSet before;
  ByteSet behind;
};

/// Finds one family of personal data or secrets. Immutable and thread-safe; no I/O, no clock, no allocation besides the
/// findings. An exception stops the whole guard with an error: nothing passes unseen.
///
/// There are two ways to be woken, and a detector pays only for the one it asks for:
/// - at places: `wake_bytes`, `wake_literals`, `wakes_at_digits`; the scanner calls `verify` there. For everything that
///   announces itself by a rare byte, a literal at the beginning of a word, or a digit.
/// - by the whole text, once a scan: `sweeps`; the scanner calls `sweep`, and the detector walks the words itself, with
///   whatever state it likes from word to word (a tagger). Texts that no policy asks it for never reach it.
///
/// How a sweep stays independent of a stream's cuts: it is called anew for each piece, with context before `from`. What
/// it says of a word must follow from the bytes [word - kWindowBytes, word + kWindowBytes) alone, so that it says the
/// same in the next call. Whatever it carries from left to right (the tags before, an open quotation) is therefore
/// recomputed from a place that every call sees: start reading at a word that begins at or before `from` -
/// kWindowBytes, with empty state, and let no state reach further than kWindowBytes. (But for `names`, of which the
/// scanner keeps those that are decided.) Forward it sees no further than Fold::skip_characters. It returns the first
/// byte of what it could not decide yet (`text.size()` where it decided all): the first word whose tag may still change
/// with bytes to come, at most kWindowBytes before the end. Findings that begin there or later are dropped and found
/// again.
class Detector {
 public:
  virtual ~Detector() = default;

  virtual std::string_view name() const = 0;

  /// Whether it can report `type`; a policy wakes only the detectors its rules need.
  virtual bool reports(std::string_view type) const = 0;

  /// The types it can report, as they stand in its findings (the same bytes in memory); empty: it does not tell.
  virtual std::vector<std::string_view> types() const { return {}; }

  /// What a policy's author makes each byte of the worst text cost (Pattern::cost); of what is shipped, nothing.
  virtual std::size_t cost() const { return 0; }

  /// The bytes at which a look is worth its time. Rare bytes make a fast scan.
  virtual std::string_view wake_bytes() const { return {}; }

  /// Of wake bytes: what must stand beside them, as far as something stands there. A look into a table instead of a
  /// call for most full stops and colons.
  virtual std::vector<Beside> wakes_beside() const { return {}; }

  /// Whether the first digit of each group of ASCII digits wakes it, too.
  virtual bool wakes_at_digits() const { return false; }

  /// Looks around `at`, where it was woken, and appends what it found.
  /// REQUIRES: everything read for a finding lies in [start - kLookBackBytes, start + kWindowBytes), forward reads go
  /// through `window.at`, and `window.begin(start)` was called first. A candidate whose wake byte is not its first byte
  /// must consist, up to there, of bytes that `is_word_byte` accepts or of an opening '(' or '+': the scanner holds
  /// back such a trailing run; or else override `pending_start`.
  virtual void verify(ScanWindow&, std::size_t /*at*/, Findings&) const {}

  /// Whether a label alone wakes it: `verify_labelled` looks at the beginning of a text that stands under one.
  virtual bool wakes_at_labels() const { return false; }
  virtual void verify_labelled(ScanWindow&, Findings&) const {}

  /// Words and prefixes of words, of 3 bytes at least, that wake it where a word begins, in any ASCII letter case.
  virtual std::vector<std::string_view> wake_literals() const { return {}; }

  /// Whether `sweep` is to be called.
  virtual bool sweeps() const { return false; }

  /// Appends what it found in the whole text, in any order; returns where its undecided tail begins.
  virtual std::size_t sweep(const Sweep& in, Findings&) const { return in.text.size(); }

  /// Where a candidate may have begun whose wake byte has not arrived yet; the text's size where there is none.
  virtual std::size_t pending_start(std::string_view text) const { return text.size(); }
};

}  // namespace sb::policy
