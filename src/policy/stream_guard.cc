#include "policy/stream_guard.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/tail.h"

namespace sb::policy {
namespace {

// A detector looks back kLookBackBytes of folded text from a candidate; folding shrinks escapes, and needs a few bytes
// to find its footing. Kept before what is held back, so together with it well below 1 KB.
constexpr std::size_t kContextBytes = 256;
static_assert(kContextBytes >= 2 * kLookBackBytes + 4 * kMaxFoldBytes);

}  // namespace

StreamGuard::StreamGuard(const Policy& policy, GuardContext& context, std::string_view label)
    : policy_(policy), context_(context), label_(label) {}

Result<std::string> StreamGuard::feed(std::string_view piece) {
  TextSink out;
  SB_CHECK(feed(piece, false, out));
  return std::move(out.text);
}

Result<std::string> StreamGuard::finish() {
  TextSink out;
  SB_CHECK(feed({}, true, out));
  return std::move(out.text);
}

Result<> StreamGuard::feed(std::string_view piece, bool complete, GuardSink& out) {
  if (stopped()) return {};
  buffer_ += piece;
  Result<> done;
  do {
    done = in_tail_ ? swallow(complete, out) : scan_once(complete, out);
    // A tail that has ended leaves text behind it that nobody looked at yet.
  } while (done && !stopped() && !in_tail_ && scan_.open_tail);
  failed_ = !done;
  if (!done || stopped()) buffer_.clear(), from_ = 0;
  forget_context();
  return done;
}

Result<> StreamGuard::scan_once(bool complete, GuardSink& out) {
  scan_.offset = offset_;
  try {
    policy_.scanner(context_.direction).scan(buffer_, from_, complete, label_, scan_);
  } catch (...) {
    return fail(Errc::internal, fmt::format("policy {}: a detector failed; nothing passes", policy_.name()));
  }
  const std::string_view text = buffer_;
  const auto pass = [&](std::size_t begin, std::size_t end) {
    if (end > begin) out.pass(text.substr(begin, end - begin), offset_ + begin);
  };
  for (std::size_t i = 0; i < scan_.findings.size(); ++i) {
    Finding finding = scan_.findings[i];
    const Span local = finding.span;
    if (finding.beside) {
      finding.span = {offset_ + local.begin, offset_ + local.end};
      record_beside(policy_, context_, finding, text.substr(local.begin, local.size()), findings_);
      continue;
    }
    pass(from_, local.begin);
    finding.span = {offset_ + local.begin, offset_ + local.end};
    from_ = local.end;
    const auto value = text.substr(local.begin, local.size());
    if (scan_.open_tail && i + 1 == scan_.findings.size()) {
      in_tail_ = true;
      open_ = finding;
      tail_state_ = scan_.tail_state;
      open_value_ = value.substr(0, kMaxKnownValueBytes);
      if (passes_through(open_)) pass(local.begin, local.end);
      return {};
    }
    SB_CHECK(settle(finding, value, out));
    if (stopped()) return {};
  }
  if (scan_.decided > from_) {
    pass(from_, scan_.decided);
    from_ = scan_.decided;
  }
  return {};
}

Result<> StreamGuard::swallow(bool complete, GuardSink& out) {
  const std::string_view text = buffer_;
  const TailEnd tail = follow_tail(open_.tail, text, from_, complete, tail_state_);
  const auto more = text.substr(from_, tail.end - from_);
  if (open_value_.size() < kMaxKnownValueBytes) open_value_ += more.substr(0, kMaxKnownValueBytes - open_value_.size());
  const bool through = passes_through(open_);
  if (through && !more.empty()) out.pass(more, offset_ + from_);
  open_.span.end += more.size();
  from_ = tail.end;
  if (!tail.closed) return {};
  in_tail_ = false;
  TextSink unused;  // a finding that passes through is recorded, its bytes are out already
  return settle(open_, open_value_, through ? unused : out);
}

Result<> StreamGuard::settle(Finding finding, std::string_view value, GuardSink& out) {
  std::string replacement;
  SB_TRY(const Verdict one, apply_finding(policy_, context_, finding, value, replacement, findings_));
  verdict_ = std::max(verdict_, one);
  if (one == Verdict::allow)
    out.pass(replacement, finding.span.begin);
  else
    out.put(replacement);
  return {};
}

bool StreamGuard::passes_through(const Finding& finding) const {
  return policy_.leaves_alone(policy_.rule_for(context_.direction, finding, context_.rules));
}

void StreamGuard::forget_context() {
  if (from_ <= kContextBytes + kWindowBytes * 2)
    return;  // not at every piece: moving the bytes costs more than keeping them
  const std::size_t drop = from_ - kContextBytes;
  buffer_.erase(0, drop);
  offset_ += drop;
  from_ -= drop;
}

}  // namespace sb::policy
