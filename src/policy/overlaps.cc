#include "policy/overlaps.h"

#include <algorithm>
#include <optional>

#include "policy/detect/builtin.h"
#include "policy/tagger/tagger_detector.h"
#include "policy/tail.h"

namespace sb::policy {
namespace {

constexpr std::size_t kNowhere = std::string_view::npos;
constexpr float kSurerThanAll = 100;

bool before(const Finding& a, const Finding& b) {
  if (a.span.begin != b.span.begin) return a.span.begin < b.span.begin;
  if (a.score != b.score) return a.score > b.score;
  if (a.weight != b.weight) return a.weight > b.weight;
  if (a.span.end != b.span.end) return a.span.end > b.span.end;
  return a.type < b.type;
}

// They come nearly in order, but for what the tagger adds at the end.
void sort_findings(Findings& findings) {
  constexpr std::size_t kNear = 8;  // places
  for (std::size_t i = 1; i < findings.size(); ++i) {
    std::size_t place = i;
    while (place > 0 && before(findings[i], findings[place - 1])) {
      if (i - --place <= kNear) continue;
      std::ranges::sort(findings, before);
      return;
    }
    const auto at = [&](std::size_t index) { return findings.begin() + static_cast<std::ptrdiff_t>(index); };
    if (place < i) std::rotate(at(place), at(i), at(i + 1));
  }
}

// Of sorted findings: marks all readings of the same bytes but the surest.
void mark_less_sure(Findings& findings) {
  for (std::size_t i = 1; i < findings.size(); ++i) {
    for (std::size_t n = i; n-- > 0 && findings[n].span.begin == findings[i].span.begin;) {
      if (findings[n].span.end == findings[i].span.end) findings[i].beside = true;
    }
  }
}

// Of sorted findings: a name at the beginning of an address ("anna.nowak [at] example.org") is a part of it, however
// sure, where the address is treated no more mildly.
void join_addresses(Findings& findings) {
  const auto is_part = [&](const Finding& name) {
    if (name.detector != kTaggerName) return false;
    const auto begin_of = [](const Finding& finding) { return finding.span.begin; };
    return std::ranges::any_of(
        std::ranges::equal_range(findings, name.span.begin, {}, begin_of), [&](const Finding& address) {
          return address.type == kEmailType && address.span.end > name.span.end && address.weight >= name.weight;
        });
  };
  // Marked first: what is erased moves those that are looked at.
  for (Finding& finding : findings) finding.beside = is_part(finding);
  std::erase_if(findings, [](const Finding& finding) { return finding.beside; });
}

class Settling {
 public:
  Settling(bool complete, Scanner::Overlaps overlaps, ScanResult& out)
      : complete_(complete), overlaps_(overlaps), out_(out) {
    began_.fill(kNowhere);
    out_.settled.clear();
    for (const Finding& address : out_.going_on) {
      addresses_[index_of(address.weight)] = Address{address, out_.place.taken_by(address.weight), out_.settled.size()};
      out_.settled.push_back(address);
    }
    out_.resumed = out_.going_on.size();
    out_.going_on.clear();
  }

  void add(Finding& finding) {
    if (finding.span.begin >= out_.place.decided) return;
    for (auto& address : addresses_) {
      if (address) follow(*address, finding.span.begin);
    }
    if (stays(finding)) out_.settled.push_back(finding);
  }

  void finish() {
    const std::size_t size = out_.fold.raw().size();
    for (auto& address : addresses_) {
      if (!address) continue;
      follow(*address, complete_ ? size : out_.place.decided);
      if (address->closed || complete_) continue;
      if (address->index == kNowhere) begin_anew(*address);
      // What vanished behind its end lies inside where it goes on.
      if (address->finding.weight == Weight::acts) out_.place.decided = std::min(out_.place.decided, address->end());
      out_.open_tails[index_of(address->finding.weight)] = ScanResult::OpenTail{address->index, 0};
    }
    out_.findings.swap(out_.settled);
  }

 private:
  // An address that goes on behind its window, as far as it was followed.
  struct Address {
    Finding finding;
    std::size_t hard_end;  // what ends before it is a part of it
    std::size_t index;     // among those that stay; kNowhere: what is left behind another, and nothing of it seen yet
    bool closed = false;   // its end is known

    std::size_t end() const { return finding.span.end; }
    // Whether what begins there begins inside of it, and not with it.
    bool holds(std::size_t begin) const {
      return !closed && (begin > finding.span.begin || (begin == hard_end && begin == finding.span.begin));
    }
  };

  static std::size_t index_of(Weight weight) { return static_cast<std::size_t>(weight); }

  // Whether `finding` stays.
  bool stays(Finding& finding) {
    const std::size_t begin = finding.span.begin;
    if (stops_inside(finding)) return true;
    if (finding.beside) return begin == last_begin_ && stays_beside(finding);
    for (std::size_t w = index_of(finding.weight) + 1; w < kWeights; ++w) {
      if (is_in_address(w, finding)) return begin == began_[w] && stays_beside(finding);
      if (begin >= out_.place.taken[w]) continue;
      if (finding.span.end <= out_.place.taken[w]) return begin == began_[w] && stays_beside(finding);
      if (out_.open_tails[w]) return is_undecided(begin);
    }
    auto& address = addresses_[index_of(finding.weight)];
    bool in_address = address && address->holds(begin);
    if (in_address && !cut(*address, finding)) {
      if (is_in_address(index_of(finding.weight), finding)) return false;
      follow(*address, finding.span.end);
      in_address = false;
    }
    auto& taken = out_.place.taken_by(finding.weight);
    auto& began = began_[index_of(finding.weight)];
    if (!in_address && begin < taken) {
      if (begin == began) return finding.span.end <= taken && stays_beside(finding);
      if (finding.weight != Weight::acts || finding.span.end <= taken || finding.resumes) return false;
      if (out_.open_tails[index_of(Weight::acts)]) return is_undecided(begin);
      finding.span.begin = taken;
      // What is left of an address may begin there, too: it begins behind this one, as behind the one before.
      if (address && address->holds(taken)) cut(*address, finding);
    }
    began = last_begin_ = begin;
    const bool is_open = finding.tail != Tail::none && finding.tail != Tail::url;
    if (finding.weight == Weight::acts)
      out_.place.acting_score = !is_open && !finding.stops ? finding.score : kSurerThanAll;
    if (is_open) follow(finding);
    taken = finding.span.end;
    if (finding.tail == Tail::url) address = Address{finding, taken, out_.settled.size()};
    return true;
  }

  // What stops the text is not undone by what covers it, where that is not surer. What is open-ended hides it: of what
  // it holds a stream keeps nothing.
  bool stops_inside(Finding& finding) const {
    if (!finding.stops || finding.span.end > out_.place.taken_by(Weight::acts) ||
        finding.score < out_.place.acting_score)
      return false;
    finding.beside = true;
    return true;
  }

  // Only readings that begin together are kept beside each other: what begins later may not be decided yet.
  bool stays_beside(Finding& finding) const {
    finding.beside = true;
    return overlaps_ == Scanner::Overlaps::keep && finding.tail == Tail::none;
  }

  // It goes on behind a tail that may yet grow over it.
  bool is_undecided(std::size_t begin) {
    out_.place.decided = std::min(out_.place.decided, begin);
    return false;
  }

  void follow(Finding& finding) {
    std::uint32_t state = 0;
    const TailEnd tail = follow_tail(finding.tail, out_.fold, finding.span.end, complete_, state);
    finding.span.end = tail.end;
    if (tail.closed) return;
    out_.open_tails[index_of(finding.weight)] = ScanResult::OpenTail{out_.settled.size(), state};
    out_.place.most = std::min(out_.place.most, tail.end);
    out_.place.decided = std::min(out_.place.decided, tail.end);
  }

  // Up to `stop`.
  void follow(Address& address, std::size_t stop) {
    if (address.closed || stop <= address.end()) return;
    std::uint32_t state = 0;
    const TailEnd tail = follow_tail(Tail::url, out_.fold, address.end(), complete_, state, stop);
    address.closed = tail.closed;
    if (tail.end == address.end()) return;
    if (address.index == kNowhere) begin_anew(address);
    set_end(address, tail.end);
    out_.place.taken_by(address.finding.weight) = tail.end;
  }

  void set_end(Address& address, std::size_t end) {
    address.finding.span.end = end;
    if (address.index != kNowhere) out_.settled[address.index].span.end = end;
  }

  void begin_anew(Address& address) {
    address.index = out_.settled.size();
    out_.settled.push_back(address.finding);
  }

  // Whether the address of that weight covers all of `finding`.
  bool is_in_address(std::size_t weight, const Finding& finding) const {
    const auto& address = addresses_[weight];
    if (!address || address->closed || finding.span.begin < address->finding.span.begin) return false;
    if (finding.span.end <= address->end()) return true;
    std::uint32_t state = 0;
    const std::size_t from = std::max(address->end(), finding.span.begin);
    return follow_tail(Tail::url, out_.fold, from, complete_, state, finding.span.end).end >= finding.span.end;
  }

  // Ends the address before a value in its far part; what is left of it begins behind that. False: it is a part of it.
  bool cut(Address& address, const Finding& value) {
    const bool is_value = value.span.end > address.hard_end && value.type != address.finding.type &&
                          (value.tail == Tail::none || value.stops) && (!value.resumes || value.stops);
    if (!is_value) return false;
    set_end(address, value.span.begin);
    address.finding.span = {value.span.end, value.span.end};
    address.hard_end = value.span.end;
    address.index = kNowhere;
    address.closed = value.tail != Tail::none;  // a key without end, which stops the text
    return true;
  }

  bool complete_;
  Scanner::Overlaps overlaps_;
  ScanResult& out_;
  std::array<std::size_t, kWeights> began_;  // by weight: where the last that stays began
  std::size_t last_begin_ = kNowhere;
  std::array<std::optional<Address>, kWeights> addresses_;  // by weight: the last
};

}  // namespace

void settle_overlaps(bool complete, Scanner::Overlaps overlaps, ScanResult& out) {
  auto& findings = out.findings;
  sort_findings(findings);
  join_addresses(findings);
  mark_less_sure(findings);
  Settling settling(complete, overlaps, out);
  for (auto& finding : findings) settling.add(finding);
  settling.finish();
  // One that was cut begins later than it did.
  const auto begin_of = [](const Finding& finding) { return finding.span.begin; };
  if (complete && !std::ranges::is_sorted(findings, {}, begin_of)) std::ranges::stable_sort(findings, {}, begin_of);
}

}  // namespace sb::policy
