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
/// than kWindowBytes (an open-ended key or private key block is swallowed as it comes). Below 1 KB of state besides the
/// recorded findings. Outbound, placeholders are restored on the way.
///
/// Borrows policy and context. Not thread-safe. After a `block` or `human` verdict, or an error, nothing more comes
/// out.
class StreamGuard {
 public:
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
  std::size_t held_bytes() const { return buffer_.size() - from_; }

 private:
  Result<> scan_once(bool complete, GuardSink& out);
  Result<> swallow(bool complete, GuardSink& out);
  Result<> settle(Finding finding, std::string_view value, GuardSink& out);
  bool passes_through(const Finding& finding) const;
  void forget_context();
  bool stopped() const { return failed_ || verdict_ >= Verdict::human; }

  const Policy& policy_;
  GuardContext& context_;
  std::string_view label_;
  std::string buffer_;      // context that detectors may look back at, then what is held back
  std::size_t from_ = 0;    // where the latter begins
  std::size_t offset_ = 0;  // of buffer_ in the stream
  bool in_tail_ = false;    // an open-ended finding is being swallowed
  Finding open_;            // that finding; its span in stream offsets
  std::uint32_t tail_state_ = 0;
  std::string open_value_;  // at most kMaxKnownValueBytes of it
  bool failed_ = false;
  Verdict verdict_ = Verdict::allow;
  std::vector<GuardedFinding> findings_;
  ScanResult scan_;
};

}  // namespace sb::policy
