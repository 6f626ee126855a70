/// guard_text for a text that arrives in pieces.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "policy/guard.h"
#include "policy/guard_sink.h"

namespace sb::policy {

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
/// Borrows policy and context. Not thread-safe. After an error nothing more comes out. A `block` or `human` verdict
/// does not end the text, which would leave JSON around it broken off: who sends it on does.
class StreamGuard {
 public:
  /// Of text that is kept: while a value is swallowed, else in the worst case of escapes. stream_state_test.cc measures
  /// all that a stream holds.
  static constexpr std::size_t kMaxSwallowedBytes = 1024;
  static constexpr std::size_t kMaxHeldBytes = 512;

  /// `label`: the JSON key the text stands under; it outlives the guard.
  StreamGuard(const Policy& policy, GuardContext& context, std::string_view label = {});

  /// Errors: internal (a detector failed), too_large (the vault is full). Both end the stream.
  Result<std::string> feed(std::string_view piece);
  /// The text is complete: everything held back is decided. Errors: as feed.
  Result<std::string> finish();
  /// The same into a sink; `complete`: nothing follows `piece`.
  Result<> feed(std::string_view piece, bool complete, GuardSink& out);

  Verdict verdict() const { return verdict_; }
  /// So far; spans are byte offsets into the stream before the change.
  const std::vector<GuardedFinding>& findings() const { return findings_; }
  std::size_t held_bytes() const { return kept_.size() - place_.done(); }
  /// Offset in the stream: nothing that stands before it will come out any more.
  std::size_t decided() const;
  /// With the context before.
  std::size_t kept_bytes() const { return kept_.size(); }

 private:
  // A finding that is longer than its window, while its end has not come. What an address (Tail::url) holds is looked
  // at on the way; what other tails hold is not.
  struct OpenFinding {
    Finding finding;  // its span in stream offsets
    std::uint32_t tail_state = 0;
    bool settled = false;  // longer than kMaxKnownValueBytes: all but its end is recorded and sent on
  };

  // `text`: what is kept, and the piece.
  Result<> look(std::string_view text, bool complete, GuardSink& out);
  Result<> scan_once(std::string_view text, bool complete, GuardSink& out);
  Result<> follow_open(std::string_view text, bool complete, GuardSink& out);
  Result<> follow_addresses(std::string_view text, bool complete, std::size_t behind, GuardSink& out);
  Result<> close_or_settle(std::size_t index, bool closed, std::string_view text, GuardSink& out);
  void put_in_order(std::size_t recorded);
  Result<> close(const OpenFinding& open, std::string_view text, GuardSink& out);
  Result<> settle(const Finding& finding, std::string_view value, GuardSink& out);
  Result<> settle_open(OpenFinding& open, std::string_view text, GuardSink& out);
  Result<> settle_value(const OpenFinding& open, std::string_view text, GuardSink& out);
  void record(const Finding& finding, std::string_view value);
  bool is_swallowing() const;
  void keep(std::string_view text);

  const Policy& policy_;
  GuardContext& context_;
  std::string_view label_;
  std::string kept_;               // context that detectors may look back at, folded, then what is held back
  ScanPlace place_;                // in kept_
  std::size_t offset_ = 0;         // in the stream, of what is held back less what stands before it in kept_
  std::vector<OpenFinding> open_;  // at most one of a weight
  bool failed_ = false;
  Verdict verdict_ = Verdict::allow;
  std::vector<GuardedFinding> findings_;
  NameMemory names_;            // of the document
  ScanResult* scan_ = nullptr;  // the thread's, while a piece is looked at
};

}  // namespace sb::policy
