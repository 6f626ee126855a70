#include "policy/stream_guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "policy/tail.h"

namespace sb::policy {
namespace {

// What detectors look back at from a candidate, in bytes of folded text: the tagger's is the longest.
constexpr std::size_t kContextBytes = 128;
static_assert(kContextBytes >= kLookBackBytes);
// What is done with is forgotten so many bytes at a time: moving the rest costs more than keeping them.
constexpr std::size_t kForgetBytes = 192;
static_assert((kContextBytes + kWindowBytes + 4) * kMaxCharacterBytes + kForgetBytes <= StreamGuard::kMaxHeldBytes);
// Raw bytes of a candidate's window, to the end of the character that its border cuts.
constexpr std::size_t kLongestWindow = kWindowRawBytes + kMaxCharacterBytes;

// What a scan works with, some KB, lent by the thread: one for each guard that works inside another.
class ScanLease {
 public:
  explicit ScanLease(NameMemory& names) : names_(names) {
    if (spare().empty()) spare().push_back(std::make_unique<ScanResult>());
    result_ = std::move(spare().back());
    spare().pop_back();
    std::swap(result_->names, names_);
  }
  ~ScanLease() {
    std::swap(result_->names, names_);
    spare().push_back(std::move(result_));
  }
  ScanLease(const ScanLease&) = delete;
  ScanLease& operator=(const ScanLease&) = delete;

  ScanResult& result() const { return *result_; }

 private:
  static std::vector<std::unique_ptr<ScanResult>>& spare() {
    thread_local std::vector<std::unique_ptr<ScanResult>> results;
    return results;
  }

  NameMemory& names_;
  std::unique_ptr<ScanResult> result_;
};

}  // namespace

StreamGuard::StreamGuard(const Policy& policy, GuardContext& context, std::string_view label)
    : policy_(policy), context_(context), label_(label), weigh_(weigh_by(policy, context)) {}

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
  if (failed_) return {};
  const ScanLease lease(names_);
  scan_ = &lease.result();
  buffer_ += piece;
  const auto done = look(complete, out);
  failed_ = !done;
  if (failed_) buffer_.clear(), place_ = {};
  forget_context();
  return done;
}

Result<> StreamGuard::look(bool complete, GuardSink& out) {
  if (!open_.empty()) SB_CHECK(follow_open(complete, out));
  if (is_swallowing()) return {};
  return scan_once(complete, out);
}

bool StreamGuard::is_swallowing() const {
  return std::ranges::any_of(open_, [](const OpenFinding& open) { return open.finding.weight == Weight::acts; });
}

Result<> StreamGuard::scan_once(bool complete, GuardSink& out) {
  scan_->offset = offset_;
  try {
    policy_.scanner(context_.direction).scan(buffer_, place_, complete, label_, weigh_, *scan_);
  } catch (...) {
    return fail(Errc::internal, fmt::format("policy {}: a detector failed; nothing passes", policy_.name()));
  }
  const std::string_view text = buffer_;
  std::size_t at = place_.done();
  const auto pass_to = [&](std::size_t end) {
    if (end > at) out.pass(text.substr(at, end - at), offset_ + at);
    at = std::max(at, end);
  };
  for (std::size_t i = 0; i < scan_->findings.size(); ++i) {
    Finding finding = scan_->findings[i];
    const Span local = finding.span;
    const auto value = text.substr(local.begin, local.size());
    const bool acts = finding.weight == Weight::acts && !finding.beside;
    finding.span = {offset_ + local.begin, offset_ + local.end};
    if (acts) pass_to(local.begin);
    const auto& open = scan_->open_tails[static_cast<std::size_t>(finding.weight)];
    if (open && open->index == i) {
      open_.push_back({finding, open->state, std::string(value.substr(0, kMaxKnownValueBytes))});
      if (acts && policy_.log_only()) pass_to(local.end);
    } else if (acts) {
      SB_CHECK(settle(finding, value, out));
    } else {
      record(finding, value);
    }
    if (acts) at = local.end;
  }
  place_ = scan_->place;
  pass_to(place_.done());
  return {};
}

Result<> StreamGuard::follow_open(bool complete, GuardSink& out) {
  const std::string_view text = buffer_;
  scan_->fold.assign(text, complete);
  place_.most = std::string_view::npos;
  for (std::size_t i = 0; i < open_.size();) {
    OpenFinding& open = open_[i];
    std::size_t& taken = place_.taken_by(open.finding.weight);
    const TailEnd tail = follow_tail(open.finding.tail, scan_->fold, taken, complete, open.tail_state);
    const auto more = text.substr(taken, tail.end - taken);
    open.value += more.substr(0, kMaxKnownValueBytes - open.value.size());
    open.finding.span.end += more.size();
    const bool acts = open.finding.weight == Weight::acts;
    if (acts && policy_.log_only() && !more.empty()) out.pass(more, offset_ + taken);
    taken = tail.end;
    // What began so long ago lies inside the finding, as far as its own window shows.
    if (acts && taken > kLongestWindow) place_.decided = std::max(place_.decided, taken - kLongestWindow);
    if (!tail.closed) {
      place_.most = std::min(place_.most, tail.end);
      ++i;
      continue;
    }
    const OpenFinding closed = std::move(open);
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(i));
    SB_CHECK(close(closed, out));
  }
  return {};
}

Result<> StreamGuard::close(const OpenFinding& open, GuardSink& out) {
  if (open.finding.weight == Weight::acts) {
    TextSink unused;  // where nothing is touched it is recorded alone: its bytes are out already
    return settle(open.finding, open.value, policy_.log_only() ? unused : out);
  }
  record(open.finding, open.value);
  return {};
}

Result<> StreamGuard::settle(const Finding& finding, std::string_view value, GuardSink& out) {
  std::string replacement;
  SB_TRY(const Verdict one, apply_finding(policy_, context_, finding, value, replacement, findings_));
  verdict_ = std::max(verdict_, one);
  if (one == Verdict::allow)
    out.pass(replacement, finding.span.begin);
  else
    out.put(replacement);
  return {};
}

// Others that began later may be recorded already where its end came late.
void StreamGuard::record(const Finding& finding, std::string_view value) {
  const std::size_t before = findings_.size();
  verdict_ = std::max(verdict_, record_untouched(policy_, context_, finding, value, findings_));
  if (findings_.size() == before) return;
  const auto begin_of = [](const GuardedFinding& one) { return one.finding.span.begin; };
  const auto place = std::ranges::upper_bound(findings_.begin(), findings_.end() - 1, finding.span.begin, {}, begin_of);
  std::rotate(place, findings_.end() - 1, findings_.end());
}

void StreamGuard::forget_context() {
  if (place_.decided <= kForgetBytes) return;
  const std::size_t drop = scan_->fold.context_start(place_.decided, kContextBytes);
  if (drop < kForgetBytes) return;
  buffer_.erase(0, drop);
  offset_ += drop;
  place_.decided -= drop;
  for (auto& taken : place_.taken) taken -= std::min(taken, drop);
  if (place_.most != std::string_view::npos) place_.most -= drop;
}

}  // namespace sb::policy
