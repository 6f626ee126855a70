/// guard_text for a text that arrives in pieces.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "policy/guard.h"
#include "policy/guard_sink.h"

namespace sb::policy {

/// What the guard of a text is lent for a call; a text inside another is lent the same, but for its label and sink.
struct StreamLoan {
  const Policy& policy;
  GuardContext& context;
  std::string_view label;                 ///< the JSON key the text stands under
  std::vector<GuardedFinding>& findings;  ///< of the outermost text; those of one inside stand together, the last
  GuardSink& out;

  StreamLoan under(std::string_view other) const { return {policy, context, other, findings, out}; }
  StreamLoan into(GuardSink& other) const { return {policy, context, label, findings, other}; }
};

/// Feeds pieces, gets back what may be seen. The pieces put together are byte for byte what guard_text makes of the
/// whole text, however it was cut, also inside a UTF-8 sequence. What is returned never ends inside one if the input
/// does not.
///
/// Held back: the last word while it may still grow into something, and a candidate until it is decided; never more
/// than kWindowBytes characters, an escape or an invisible one being one, and what has come of the next (an open-ended
/// key or private key block is swallowed as it comes). Beside it stays what detectors look back at, as folded, and of
/// an open-ended value as much as may be restored. What a scan works with belongs to the thread. Outbound, placeholders
/// are restored on the way.
///
/// A server keeps one for each text that streams: it has what must be kept between two pieces and no more. REQUIRES:
/// policy, context, label and findings of a loan are those of the first; but for this guard nobody adds findings.
///
/// Not thread-safe. After an error nothing more comes out. A `block` or `human` verdict does not end the text, which
/// would leave JSON around it broken off: who sends it on does.
class TextStream {
 public:
  /// Of text that is kept: while a value is swallowed, else in the worst case of escapes. stream_state_test.cc measures
  /// all that a stream holds.
  static constexpr std::size_t kMaxSwallowedBytes = 1024;
  static constexpr std::size_t kMaxHeldBytes = 512;

  /// `first_finding`: how many findings there are before its own.
  explicit TextStream(std::size_t first_finding = 0) : first_finding_(static_cast<std::uint16_t>(first_finding)) {}

  /// `complete`: nothing follows `piece`. Errors: internal (a detector failed), too_large (the vault is full). Both end
  /// the stream.
  Result<> feed(const StreamLoan& loan, std::string_view piece, bool complete);

  Verdict verdict() const { return verdict_; }
  std::size_t held_bytes() const { return kept_size_ - place_.done(); }
  /// Offset in the stream: nothing that stands before it will come out any more.
  std::size_t decided() const;
  /// With the context before.
  std::size_t kept_bytes() const { return kept_size_; }
  /// The end of what is decided, as folded, as far as it is looked back at.
  std::string_view context() const { return kept().substr(0, place_.folded.bytes); }

 private:
  // A finding that is longer than its window, while its end has not come. What an address (Tail::url) holds is looked
  // at on the way; what other tails hold is not.
  struct OpenFinding {
    Finding finding;  // its span in stream offsets
    std::uint32_t tail_state = 0;
    bool settled = false;  // longer than kMaxKnownValueBytes: all but its end is recorded and sent on
  };
  // Where the scan goes on in what is kept, in less room.
  struct KeptPlace {
    explicit KeptPlace(const ScanPlace& place);
    KeptPlace() = default;
    ScanPlace whole() const;
    std::size_t done() const;

    float acting_score = 0;
    std::array<std::uint16_t, kWeights> taken{};
    std::uint16_t decided = 0;
    std::uint16_t most = kUnbounded;
    FoldedBefore folded{};
    static constexpr std::uint16_t kUnbounded = 0xffff;
  };
  // While a piece is looked at.
  struct Look;

  Result<> look(Look& now);
  Result<> scan_once(Look& now);
  Result<> follow_open(Look& now);
  Result<> follow_addresses(Look& now, std::size_t behind);
  Result<> close_or_settle(Look& now, std::size_t index, bool closed);
  Result<> close(Look& now, const OpenFinding& open);
  Result<> settle(Look& now, const Finding& finding, std::string_view value, GuardSink& out);
  Result<> settle_open(Look& now, OpenFinding& open);
  Result<> settle_value(Look& now, const OpenFinding& open);
  void record(Look& now, const Finding& finding, std::string_view value);
  void put_in_order(Look& now, std::size_t recorded) const;
  bool is_swallowing() const;
  std::string_view kept() const { return {kept_.get(), kept_size_}; }
  void keep(Look& now);
  void forget();

  std::unique_ptr<char[]> kept_;   // context that detectors may look back at, folded, then what is held back
  std::size_t offset_ = 0;         // in the stream, of what is held back less what stands before it in kept_
  std::vector<OpenFinding> open_;  // at most one of a weight
  NameMemory names_;               // of the document
  KeptPlace place_;                // in kept_
  std::uint16_t kept_size_ = 0;
  std::uint16_t first_finding_;
  Verdict verdict_ = Verdict::allow;
  bool failed_ = false;
};

/// One text with all that its guard needs. Borrows policy and context.
template <class Text>
class StreamGuardOf {
 public:
  /// `label`: the JSON key the text stands under; it outlives the guard.
  StreamGuardOf(const Policy& policy, GuardContext& context, std::string_view label = {})
      : policy_(policy), context_(context), label_(label) {}

  /// Errors: as those of the text.
  Result<std::string> feed(std::string_view piece) { return fed(piece, false); }
  /// The text is complete: everything held back is decided. Errors: as feed.
  Result<std::string> finish() { return fed({}, true); }
  /// The same into a sink; `complete`: nothing follows `piece`.
  Result<> feed(std::string_view piece, bool complete, GuardSink& out) {
    return text_.feed({policy_, context_, label_, findings_, out}, piece, complete);
  }

  Verdict verdict() const { return text_.verdict(); }
  /// So far; spans are byte offsets into the text before the change; in JSON into the unescaped leaf.
  const std::vector<GuardedFinding>& findings() const { return findings_; }
  const Text& text() const { return text_; }

 private:
  Result<std::string> fed(std::string_view piece, bool complete) {
    TextSink out;
    SB_CHECK(feed(piece, complete, out));
    return std::move(out.text);
  }

  const Policy& policy_;
  GuardContext& context_;
  std::string_view label_;
  std::vector<GuardedFinding> findings_;
  Text text_{};
};

class StreamGuard : public StreamGuardOf<TextStream> {
 public:
  using StreamGuardOf::StreamGuardOf;
  std::size_t held_bytes() const { return text().held_bytes(); }
  std::size_t kept_bytes() const { return text().kept_bytes(); }
  static constexpr std::size_t kMaxSwallowedBytes = TextStream::kMaxSwallowedBytes;
  static constexpr std::size_t kMaxHeldBytes = TextStream::kMaxHeldBytes;
};

}  // namespace sb::policy
