#include "policy/stream_guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <span>

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
static_assert(kLongestContext + kLongestWindow + kMaxCharacterBytes <= TextStream::kMaxHeldBytes);
static_assert(kLongestContext + kMaxKnownValueBytes + kLongestWindow + kMaxCharacterBytes <=
              TextStream::kMaxSwallowedBytes);
// As allocators make it: none is asked for while the text that is kept grows or shrinks by a few bytes.
constexpr std::size_t kRoomBytes = 16;
// What the thread keeps between texts.
constexpr std::size_t kSpareBufferBytes = 64 << 10;

std::size_t room_for(std::size_t bytes) {
  return bytes == 0 ? 0 : (bytes + kRoomBytes / 2 - 1) / kRoomBytes * kRoomBytes + kRoomBytes / 2;
}

std::uint16_t short_place(std::size_t place) {
  SB_ASSERT(place < 0xffff);
  return static_cast<std::uint16_t>(place);
}

bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
}

// What vanished behind an end may be decided, and so out of the text that is kept, before it is known to lie inside.
void move_end(Finding& finding, bool goes_on, std::size_t end) {
  if (goes_on) finding.span.end = end;
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

struct TextStream::Look {
  const StreamLoan& loan;
  ScanResult& scan;       // the thread's
  ScanPlace place;        // in the text
  std::string_view text;  // what is kept, and the piece
  bool complete;
};

TextStream::KeptPlace::KeptPlace(const ScanPlace& place) : acting_score(place.acting_score), folded(place.folded) {
  std::ranges::transform(place.taken, taken.begin(), short_place);
  decided = short_place(place.decided);
  most = place.most == std::string_view::npos ? kUnbounded : short_place(place.most);
}

ScanPlace TextStream::KeptPlace::whole() const {
  ScanPlace place{.decided = decided, .acting_score = acting_score, .folded = folded};
  std::ranges::copy(taken, place.taken.begin());
  if (most != kUnbounded) place.most = most;
  return place;
}

std::size_t TextStream::KeptPlace::done() const {
  return whole().done();
}

// An open value that is not settled comes out, or what stands for it, where it began.
std::size_t TextStream::decided() const {
  std::size_t end = offset_ + place_.done();
  for (const auto& open : open_) {
    if (!open.settled) end = std::min(end, open.finding.span.begin);
  }
  return end;
}

Result<> TextStream::feed(const StreamLoan& loan, std::string_view piece, bool complete) {
  if (failed_) return {};
  const ScanLease lease(names_);
  ScanResult& scan = lease.result();
  Look now{loan, scan, place_.whole(), piece, complete};
  if (kept_size_ > 0) {
    scan.buffer.assign(kept()).append(piece);
    now.text = scan.buffer;
  }
  const auto done = look(now);
  failed_ = !done;
  if (failed_ || complete)
    forget();
  else
    keep(now);
  return done;
}

Result<> TextStream::look(Look& now) {
  if (!open_.empty()) SB_CHECK(follow_open(now));
  if (is_swallowing()) return {};
  return scan_once(now);
}

bool TextStream::is_swallowing() const {
  return std::ranges::any_of(
      open_, [](const OpenFinding& open) { return open.finding.weight == Weight::acts && !is_address(open.finding); });
}

Result<> TextStream::scan_once(Look& now) {
  now.scan.going_on.clear();
  for (const OpenFinding& open : open_) {
    if (!is_address(open.finding)) continue;
    Finding& address = now.scan.going_on.emplace_back(open.finding);
    address.span = {std::max(open.finding.span.begin, offset_) - offset_, open.finding.span.end - offset_};
  }
  try {
    now.loan.policy.scanner(now.loan.context.direction)
        .scan(now.text, now.place, now.complete, now.loan.label, weigh_by(now.loan.policy, now.loan.context), now.scan);
  } catch (...) {
    return fail(Errc::internal, fmt::format("policy {}: a detector failed; nothing passes", now.loan.policy.name()));
  }
  std::size_t at = now.place.done();
  const auto pass_to = [&](std::size_t end) {
    if (end > at) now.loan.out.pass(now.text.substr(at, end - at), offset_ + at);
    at = std::max(at, end);
  };
  for (std::size_t i = 0; i < now.scan.findings.size(); ++i) {
    Finding finding = now.scan.findings[i];
    const Span local = finding.span;
    const auto value = now.text.substr(local.begin, local.size());
    const bool acts = finding.weight == Weight::acts && !finding.beside;
    finding.span = {offset_ + local.begin, offset_ + local.end};
    if (acts) pass_to(local.begin);
    const auto& open = now.scan.open_tails[static_cast<std::size_t>(finding.weight)];
    const bool is_open = open && open->index == i;
    if (i < now.scan.resumed) {
      const auto is_it = [&](const OpenFinding& one) {
        return is_address(one.finding) && one.finding.weight == finding.weight;
      };
      const auto before = std::ranges::find_if(open_, is_it);
      before->finding.span.end = finding.span.end;
      if (acts && now.loan.policy.log_only()) pass_to(local.end);
      SB_CHECK(close_or_settle(now, static_cast<std::size_t>(before - open_.begin()), !is_open));
    } else if (is_open) {
      open_.push_back({finding, open->state});
      if (acts && now.loan.policy.log_only()) pass_to(local.end);
      SB_CHECK(settle_open(now, open_.back()));
    } else if (acts && now.loan.policy.log_only() &&
               local.begin < at) {  // the rest of an address's window is out already
      TextSink unused;
      SB_CHECK(settle(now, finding, value, unused));
      pass_to(local.end);
    } else if (acts) {
      SB_CHECK(settle(now, finding, value, now.loan.out));
    } else {
      record(now, finding, value);
    }
    if (acts) at = std::max(at, local.end);
  }
  now.place = now.scan.place;
  pass_to(now.place.done());
  return {};
}

Result<> TextStream::follow_open(Look& now) {
  now.scan.fold.assign(now.text, now.complete, now.place.folded);
  now.place.most = std::string_view::npos;
  const bool swallowing = is_swallowing();
  for (std::size_t i = 0; i < open_.size();) {
    OpenFinding& open = open_[i];
    if (is_address(open.finding)) {
      ++i;
      continue;
    }
    std::size_t& taken = now.place.taken_by(open.finding.weight);
    const TailEnd tail = follow_tail(open.finding.tail, now.scan.fold, taken, now.complete, open.tail_state);
    move_end(open.finding, tail.end > taken, offset_ + tail.end);
    const bool acts = open.finding.weight == Weight::acts;
    if (acts && now.loan.policy.log_only() && tail.end > taken)
      now.loan.out.pass(now.text.substr(taken, tail.end - taken), offset_ + taken);
    taken = tail.end;
    // What began so long ago lies inside the finding, as far as its own window shows.
    if (acts && taken > kLongestWindow) {
      const std::size_t inside = now.scan.fold.from_raw(taken - kLongestWindow);
      now.place.decided = std::max(now.place.decided, now.scan.fold.raw_begin(inside));
    }
    SB_CHECK(close_or_settle(now, i, tail.closed));
    if (tail.closed) continue;
    now.place.most = std::min(now.place.most, tail.end);
    ++i;
  }
  return swallowing ? follow_addresses(now, now.place.taken_by(Weight::acts)) : Result<>();
}

// Nobody looks at what is swallowed, so the addresses that go on there are followed to its end.
Result<> TextStream::follow_addresses(Look& now, std::size_t behind) {
  for (std::size_t i = 0; i < open_.size();) {
    OpenFinding& open = open_[i];
    std::size_t& taken = now.place.taken_by(open.finding.weight);
    bool closed = false;
    if (is_address(open.finding) && taken < behind) {
      const TailEnd tail = follow_tail(Tail::url, now.scan.fold, taken, now.complete, open.tail_state, behind);
      move_end(open.finding, tail.end > taken, offset_ + tail.end);
      taken = tail.end;
      closed = tail.closed;
      SB_CHECK(close_or_settle(now, i, closed));
    }
    if (!closed) ++i;
  }
  return {};
}

// Of the open finding at `index`, whose end was moved.
Result<> TextStream::close_or_settle(Look& now, std::size_t index, bool closed) {
  SB_CHECK(settle_open(now, open_[index]));
  if (!closed) return {};
  const OpenFinding known = open_[index];
  open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(index));
  return close(now, known);
}

// Of a value that is longer no more is known: what stands for it can go out, and its bytes need not be kept.
Result<> TextStream::settle_open(Look& now, OpenFinding& open) {
  if (open.settled || open.finding.span.size() < kMaxKnownValueBytes) return {};
  open.settled = true;
  return settle_value(now, open);
}

Result<> TextStream::settle_value(Look& now, const OpenFinding& open) {
  const Span span = open.finding.span;
  const auto value = now.text.substr(span.begin - offset_, std::min(span.size(), kMaxKnownValueBytes));
  if (open.finding.weight == Weight::acts) {
    TextSink unused;  // where nothing is touched it is recorded alone: its bytes are out already
    const std::size_t before = now.loan.findings.size();
    SB_CHECK(settle(now, open.finding, value, now.loan.policy.log_only() ? unused : now.loan.out));
    put_in_order(now, before);
    return {};
  }
  record(now, open.finding, value);
  return {};
}

Result<> TextStream::close(Look& now, const OpenFinding& open) {
  if (open.finding.span.size() == 0) return {};  // nothing of the address was left behind a value
  if (!open.settled) return settle_value(now, open);
  const auto is_it = [&](const GuardedFinding& one) {
    return one.finding.span.begin == open.finding.span.begin && one.finding.rule == open.finding.rule &&
           one.finding.weight == open.finding.weight;
  };
  const auto own = std::span(now.loan.findings).subspan(first_finding_);
  const auto recorded = std::ranges::find_if(own, is_it);
  if (recorded != own.end()) recorded->finding.span.end = open.finding.span.end;
  return {};
}

Result<> TextStream::settle(Look& now, const Finding& finding, std::string_view value, GuardSink& out) {
  std::string replacement;
  SB_TRY(const Verdict one,
         apply_finding(now.loan.policy, now.loan.context, finding, value, replacement, now.loan.findings));
  verdict_ = std::max(verdict_, one);
  if (one == Verdict::allow)
    out.pass(replacement, finding.span.begin);
  else
    out.put(replacement);
  return {};
}

// Others that began later, or less sure ones that began with it, may be recorded already where its end came late.
void TextStream::record(Look& now, const Finding& finding, std::string_view value) {
  const std::size_t before = now.loan.findings.size();
  verdict_ = std::max(verdict_, record_untouched(now.loan.policy, now.loan.context, finding, value, now.loan.findings));
  put_in_order(now, before);
}

// The last, if it was recorded behind the first `recorded`.
void TextStream::put_in_order(Look& now, std::size_t recorded) const {
  const auto own = std::span(now.loan.findings).subspan(first_finding_);
  if (first_finding_ + own.size() == recorded) return;
  const auto order = [](const GuardedFinding& one) { return std::pair(one.finding.span.begin, one.finding.beside); };
  const auto place = std::ranges::upper_bound(own.begin(), own.end() - 1, order(own.back()), {}, order);
  std::rotate(place, own.end() - 1, own.end());
}

// What is decided, as folded, as far as it is looked back at; then, as it came, what is not.
void TextStream::keep(Look& now) {
  const Fold& fold = now.scan.fold;
  std::size_t from = now.place.decided;
  for (const auto& open : open_) {
    if (!open.settled) from = std::min(from, open.finding.span.begin - offset_);
  }
  const std::size_t index = fold.from_raw(from);
  const std::size_t decided = fold.from_raw(now.place.decided) - index;
  const std::size_t count = kContextBytes - std::min(kContextBytes, decided);
  std::size_t first = index > count ? index - count : 0;
  while (first > 0 && index - first < kLongestContext && is_continuation(fold.text()[first])) --first;
  const auto context = fold.text().substr(first, index - first);
  const auto rest = now.text.substr(from);
  const std::size_t vanished = fold.raw_begin(index) - from;
  now.place.folded = {static_cast<std::uint16_t>(context.size()),
                      static_cast<std::uint16_t>(fold.character_before(index) - vanished)};
  const std::size_t size = context.size() + rest.size();
  if (room_for(size) != room_for(kept_size_)) {
    kept_.reset();
    kept_ = std::make_unique_for_overwrite<char[]>(room_for(size));
  }
  kept_size_ = short_place(size);
  std::ranges::copy(rest, std::ranges::copy(context, kept_.get()).out);
  const auto moved = [&](std::size_t place) { return std::max(place, from) - from + context.size(); };
  now.place.decided = moved(now.place.decided);
  for (auto& taken : now.place.taken) taken = moved(taken);
  if (now.place.most != std::string_view::npos) now.place.most = moved(now.place.most);
  offset_ += from - context.size();
  place_ = KeptPlace(now.place);
}

void TextStream::forget() {
  kept_.reset();
  kept_size_ = 0;
  place_ = {};
}

}  // namespace sb::policy
