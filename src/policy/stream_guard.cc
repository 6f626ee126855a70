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

StreamGuard::StreamGuard(const Policy& policy, GuardContext& context, Escape escape)
    : policy_(policy), context_(context), escape_(escape) {}

Result<std::string> StreamGuard::feed(std::string_view piece) {
  if (stopped()) return std::string();
  buffer_ += piece;
  return advance(false);
}

Result<std::string> StreamGuard::finish() {
  if (stopped()) return std::string();
  return advance(true);
}

Result<std::string> StreamGuard::advance(bool complete) {
  std::string out;
  Result<> done;
  do {
    done = in_tail_ ? swallow(complete, out) : scan_once(complete, out);
    // A tail that has ended leaves text behind it that nobody looked at yet.
  } while (done && !stopped() && !in_tail_ && scan_.open_tail);
  if (!done) {
    failed_ = true;
    return std::unexpected(std::move(done).error());
  }
  if (stopped()) buffer_.clear(), from_ = 0;
  forget_context();
  return out;
}

Result<> StreamGuard::scan_once(bool complete, std::string& out) {
  try {
    policy_.scanner(context_.direction).scan(buffer_, from_, complete, {}, scan_);
  } catch (...) {
    return fail(Errc::internal, fmt::format("policy {}: a detector failed; nothing passes", policy_.name()));
  }
  const std::string_view text = buffer_;
  for (std::size_t i = 0; i < scan_.findings.size(); ++i) {
    Finding finding = scan_.findings[i];
    const Span local = finding.span;
    if (finding.beside) {
      finding.span = {offset_ + local.begin, offset_ + local.end};
      record_beside(policy_, context_, finding, text.substr(local.begin, local.size()), findings_);
      continue;
    }
    out += text.substr(from_, local.begin - from_);
    finding.span = {offset_ + local.begin, offset_ + local.end};
    from_ = local.end;
    const auto value = text.substr(local.begin, local.size());
    if (scan_.open_tail && i + 1 == scan_.findings.size()) {
      in_tail_ = true;
      open_ = finding;
      tail_state_ = scan_.tail_state;
      open_value_ = value.substr(0, kMaxKnownValueBytes);
      if (passes_through(open_)) out += value;
      return {};
    }
    SB_CHECK(settle(finding, value, out));
    if (stopped()) return {};
  }
  if (scan_.decided > from_) {
    out += text.substr(from_, scan_.decided - from_);
    from_ = scan_.decided;
  }
  return {};
}

Result<> StreamGuard::swallow(bool complete, std::string& out) {
  const std::string_view text = buffer_;
  const TailEnd tail = follow_tail(open_.tail, text, from_, complete, tail_state_);
  const auto more = text.substr(from_, tail.end - from_);
  if (open_value_.size() < kMaxKnownValueBytes) open_value_ += more.substr(0, kMaxKnownValueBytes - open_value_.size());
  const bool through = passes_through(open_);
  if (through) out += more;
  open_.span.end += more.size();
  from_ = tail.end;
  if (!tail.closed) return {};
  in_tail_ = false;
  std::string unused;  // a finding that passes through is recorded, its bytes are out already
  return settle(open_, open_value_, through ? unused : out);
}

Result<> StreamGuard::settle(Finding finding, std::string_view value, std::string& out) {
  std::string replacement;
  SB_TRY(const Verdict one, apply_finding(policy_, context_, finding, value, replacement, findings_));
  verdict_ = std::max(verdict_, one);
  if (escape_ == Escape::json_string && one != Verdict::allow)
    append_json_escaped(out, replacement);
  else
    out += replacement;
  return {};
}

bool StreamGuard::passes_through(const Finding& finding) const {
  const Rule* rule = policy_.rule_for(context_.direction, finding);
  return !rule || rule->action == Action::allow;
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
