#include "policy/stream_guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "policy/tail.h"

namespace sb::policy {
namespace {

// What detectors look back at from a candidate, in bytes of folded text: the tagger's two sights are the longest, and a
// character before them, so that they do not look like the text's beginning.
constexpr std::size_t kContextBytes = 128 + 4;
static_assert(kContextBytes >= kLookBackBytes);
// Raw bytes of a candidate's window, to the end of the character that its border cuts.
constexpr std::size_t kLongestWindow = kWindowRawBytes + kMaxCharacterBytes;
// The context's first character is a whole one.
constexpr std::size_t kLongestContext = kContextBytes + 3;
static_assert(kLongestContext + kLongestWindow + kMaxCharacterBytes <= StreamGuard::kMaxHeldBytes);
static_assert(kLongestContext + kMaxKnownValueBytes + kLongestWindow + kMaxCharacterBytes <=
              StreamGuard::kMaxSwallowedBytes);
// More room than is used is not kept.
constexpr std::size_t kSpareBytes = 32;
// What the thread keeps between texts.
constexpr std::size_t kSpareBufferBytes = 64 << 10;

bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
}

bool is_address(const Finding& finding) {
  return finding.tail == Tail::url;
}

// What a scan works with, some KB, lent by the thread: one for each guard that works inside another.
class ScanLease {
 public:
  explicit ScanLease(NameMemory& names) : names_(names) {
    if (spare().empty()) spare().push_back(std::make_unique<ScanResult>());
    result_ = std::move(spare().back());
    spare().pop_back();
    std::swap(result_->names.known, names_);
  }
  ~ScanLease() {
    std::swap(result_->names.known, names_);
    if (result_->buffer.capacity() > kSpareBufferBytes) result_->buffer = {};
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

// An open value that is not settled comes out, or what stands for it, where it began.
std::size_t StreamGuard::decided() const {
  std::size_t end = offset_ + place_.done();
  for (const auto& open : open_) {
    if (!open.settled) end = std::min(end, open.finding.span.begin);
  }
  return end;
}

Result<> StreamGuard::feed(std::string_view piece, bool complete, GuardSink& out) {
  if (failed_) return {};
  const ScanLease lease(names_);
  scan_ = &lease.result();
  std::string_view text = piece;
  if (!kept_.empty()) {
    scan_->buffer.assign(kept_).append(piece);
    text = scan_->buffer;
  }
  const auto done = look(text, complete, out);
  failed_ = !done;
  if (failed_ || complete)
    std::string().swap(kept_), place_ = {};
  else
    keep(text);
  return done;
}

Result<> StreamGuard::look(std::string_view text, bool complete, GuardSink& out) {
  if (!open_.empty()) SB_CHECK(follow_open(text, complete, out));
  if (is_swallowing()) return {};
  return scan_once(text, complete, out);
}

bool StreamGuard::is_swallowing() const {
  return std::ranges::any_of(
      open_, [](const OpenFinding& open) { return open.finding.weight == Weight::acts && !is_address(open.finding); });
}

Result<> StreamGuard::scan_once(std::string_view text, bool complete, GuardSink& out) {
  scan_->going_on.clear();
  for (const OpenFinding& open : open_) {
    if (!is_address(open.finding)) continue;
    Finding& address = scan_->going_on.emplace_back(open.finding);
    address.span = {std::max(open.finding.span.begin, offset_) - offset_, open.finding.span.end - offset_};
  }
  try {
    policy_.scanner(context_.direction).scan(text, place_, complete, label_, weigh_by(policy_, context_), *scan_);
  } catch (...) {
    return fail(Errc::internal, fmt::format("policy {}: a detector failed; nothing passes", policy_.name()));
  }
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
    const bool is_open = open && open->index == i;
    if (i < scan_->resumed) {
      const auto is_it = [&](const OpenFinding& one) {
        return is_address(one.finding) && one.finding.weight == finding.weight;
      };
      const auto before = std::ranges::find_if(open_, is_it);
      before->finding.span.end = finding.span.end;
      if (acts && policy_.log_only()) pass_to(local.end);
      SB_CHECK(close_or_settle(static_cast<std::size_t>(before - open_.begin()), !is_open, text, out));
    } else if (is_open) {
      open_.push_back({finding, open->state});
      if (acts && policy_.log_only()) pass_to(local.end);
      SB_CHECK(settle_open(open_.back(), text, out));
    } else if (acts && policy_.log_only() && local.begin < at) {  // the rest of an address's window is out already
      TextSink unused;
      SB_CHECK(settle(finding, value, unused));
      pass_to(local.end);
    } else if (acts) {
      SB_CHECK(settle(finding, value, out));
    } else {
      record(finding, value);
    }
    if (acts) at = std::max(at, local.end);
  }
  place_ = scan_->place;
  pass_to(place_.done());
  return {};
}

Result<> StreamGuard::follow_open(std::string_view text, bool complete, GuardSink& out) {
  scan_->fold.assign(text, complete, place_.folded);
  place_.most = std::string_view::npos;
  const bool swallowing = is_swallowing();
  for (std::size_t i = 0; i < open_.size();) {
    OpenFinding& open = open_[i];
    if (is_address(open.finding)) {
      ++i;
      continue;
    }
    std::size_t& taken = place_.taken_by(open.finding.weight);
    const TailEnd tail = follow_tail(open.finding.tail, scan_->fold, taken, complete, open.tail_state);
    open.finding.span.end += tail.end - taken;
    const bool acts = open.finding.weight == Weight::acts;
    if (acts && policy_.log_only() && tail.end > taken) out.pass(text.substr(taken, tail.end - taken), offset_ + taken);
    taken = tail.end;
    // What began so long ago lies inside the finding, as far as its own window shows.
    if (acts && taken > kLongestWindow) {
      const std::size_t inside = scan_->fold.from_raw(taken - kLongestWindow);
      place_.decided = std::max(place_.decided, scan_->fold.raw_begin(inside));
    }
    SB_CHECK(close_or_settle(i, tail.closed, text, out));
    if (tail.closed) continue;
    place_.most = std::min(place_.most, tail.end);
    ++i;
  }
  return swallowing ? follow_addresses(text, complete, place_.taken_by(Weight::acts), out) : Result<>();
}

// Nobody looks at what is swallowed, so the addresses that go on there are followed to its end.
Result<> StreamGuard::follow_addresses(std::string_view text, bool complete, std::size_t behind, GuardSink& out) {
  for (std::size_t i = 0; i < open_.size();) {
    OpenFinding& open = open_[i];
    std::size_t& taken = place_.taken_by(open.finding.weight);
    bool closed = false;
    if (is_address(open.finding) && taken < behind) {
      const TailEnd tail = follow_tail(Tail::url, scan_->fold, taken, complete, open.tail_state, behind);
      open.finding.span.end += tail.end - taken;
      taken = tail.end;
      closed = tail.closed;
      SB_CHECK(close_or_settle(i, closed, text, out));
    }
    if (!closed) ++i;
  }
  return {};
}

// Of the open finding at `index`, whose end was moved.
Result<> StreamGuard::close_or_settle(std::size_t index, bool closed, std::string_view text, GuardSink& out) {
  SB_CHECK(settle_open(open_[index], text, out));
  if (!closed) return {};
  const OpenFinding known = open_[index];
  open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(index));
  return close(known, text, out);
}

// Of a value that is longer no more is known: what stands for it can go out, and its bytes need not be kept.
Result<> StreamGuard::settle_open(OpenFinding& open, std::string_view text, GuardSink& out) {
  if (open.settled || open.finding.span.size() < kMaxKnownValueBytes) return {};
  open.settled = true;
  return settle_value(open, text, out);
}

Result<> StreamGuard::settle_value(const OpenFinding& open, std::string_view text, GuardSink& out) {
  const Span span = open.finding.span;
  const auto value = text.substr(span.begin - offset_, std::min(span.size(), kMaxKnownValueBytes));
  if (open.finding.weight == Weight::acts) {
    TextSink unused;  // where nothing is touched it is recorded alone: its bytes are out already
    const std::size_t before = findings_.size();
    SB_CHECK(settle(open.finding, value, policy_.log_only() ? unused : out));
    put_in_order(before);
    return {};
  }
  record(open.finding, value);
  return {};
}

Result<> StreamGuard::close(const OpenFinding& open, std::string_view text, GuardSink& out) {
  if (open.finding.span.size() == 0) return {};  // nothing of the address was left behind a value
  if (!open.settled) return settle_value(open, text, out);
  const auto is_it = [&](const GuardedFinding& one) {
    return one.finding.span.begin == open.finding.span.begin && one.finding.rule == open.finding.rule &&
           one.finding.weight == open.finding.weight;
  };
  const auto recorded = std::ranges::find_if(findings_, is_it);
  if (recorded != findings_.end()) recorded->finding.span.end = open.finding.span.end;
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

// Others that began later, or less sure ones that began with it, may be recorded already where its end came late.
void StreamGuard::record(const Finding& finding, std::string_view value) {
  const std::size_t before = findings_.size();
  verdict_ = std::max(verdict_, record_untouched(policy_, context_, finding, value, findings_));
  put_in_order(before);
}

// The last, if it was recorded behind the first `recorded`.
void StreamGuard::put_in_order(std::size_t recorded) {
  if (findings_.size() == recorded) return;
  const auto order = [](const GuardedFinding& one) { return std::pair(one.finding.span.begin, one.finding.beside); };
  const auto place =
      std::ranges::upper_bound(findings_.begin(), findings_.end() - 1, order(findings_.back()), {}, order);
  std::rotate(place, findings_.end() - 1, findings_.end());
}

// What is decided, as folded, as far as it is looked back at; then, as it came, what is not.
void StreamGuard::keep(std::string_view text) {
  const Fold& fold = scan_->fold;
  std::size_t from = place_.decided;
  for (const auto& open : open_) {
    if (!open.settled) from = std::min(from, open.finding.span.begin - offset_);
  }
  const std::size_t index = fold.from_raw(from);
  const std::size_t decided = fold.from_raw(place_.decided) - index;
  const std::size_t count = kContextBytes - std::min(kContextBytes, decided);
  std::size_t first = index > count ? index - count : 0;
  while (first > 0 && index - first < kLongestContext && is_continuation(fold.text()[first])) --first;
  const auto context = fold.text().substr(first, index - first);
  const auto rest = text.substr(from);
  const std::size_t vanished = fold.raw_begin(index) - from;
  place_.folded = {static_cast<std::uint16_t>(context.size()),
                   static_cast<std::uint16_t>(fold.character_before(index) - vanished)};
  const std::size_t size = context.size() + rest.size();
  if (kept_.capacity() < size || kept_.capacity() > size + kSpareBytes) {
    std::string().swap(kept_);  // growing an old one would double it
    kept_.reserve(size);
  }
  kept_.assign(context).append(rest);
  const auto moved = [&](std::size_t at) { return std::max(at, from) - from + context.size(); };
  place_.decided = moved(place_.decided);
  for (auto& taken : place_.taken) taken = moved(taken);
  if (place_.most != std::string_view::npos) place_.most = moved(place_.most);
  offset_ += from - context.size();
}

}  // namespace sb::policy
