#include "policy/overlaps.h"

#include <algorithm>

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

// Of sorted findings: marks all readings of the same bytes but the surest.
void mark_less_sure(Findings& findings) {
  for (std::size_t i = 1; i < findings.size(); ++i) {
    for (std::size_t n = i; n-- > 0 && findings[n].span.begin == findings[i].span.begin;) {
      if (findings[n].span.end == findings[i].span.end) findings[i].beside = true;
    }
  }
}

class Settling {
 public:
  Settling(bool complete, Scanner::Overlaps overlaps, ScanResult& out)
      : complete_(complete), overlaps_(overlaps), out_(out) {
    began_.fill(kNowhere);
  }

  // Whether `finding` stays; `index`: which of those that stay it would be.
  bool stays(Finding& finding, std::size_t index) {
    const std::size_t begin = finding.span.begin;
    if (begin >= out_.place.decided) return false;
    if (stops_inside(finding)) return true;
    if (finding.beside) return begin == last_begin_ && stays_beside(finding);
    for (std::size_t w = index_of(finding.weight) + 1; w < kWeights; ++w) {
      if (begin >= out_.place.taken[w]) continue;
      if (finding.span.end <= out_.place.taken[w]) return begin == began_[w] && stays_beside(finding);
      if (out_.open_tails[w]) return is_undecided(begin);
    }
    auto& taken = out_.place.taken_by(finding.weight);
    auto& began = began_[index_of(finding.weight)];
    if (begin < taken) {
      if (begin == began) return finding.span.end <= taken && stays_beside(finding);
      if (finding.weight != Weight::acts || finding.span.end <= taken || finding.resumes) return false;
      if (out_.open_tails[index_of(Weight::acts)]) return is_undecided(begin);
      finding.span.begin = taken;
    }
    began = last_begin_ = begin;
    if (finding.weight == Weight::acts)
      out_.place.acting_score = finding.tail == Tail::none && !finding.stops ? finding.score : kSurerThanAll;
    if (finding.tail != Tail::none) follow(finding, index);
    taken = finding.span.end;
    return true;
  }

 private:
  static std::size_t index_of(Weight weight) { return static_cast<std::size_t>(weight); }

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

  void follow(Finding& finding, std::size_t index) {
    std::uint32_t state = 0;
    const TailEnd tail = follow_tail(finding.tail, out_.fold, finding.span.end, complete_, state);
    finding.span.end = tail.end;
    if (tail.closed) return;
    out_.open_tails[index_of(finding.weight)] = ScanResult::OpenTail{index, state};
    out_.place.most = std::min(out_.place.most, tail.end);
    out_.place.decided = std::min(out_.place.decided, tail.end);
  }

  bool complete_;
  Scanner::Overlaps overlaps_;
  ScanResult& out_;
  std::array<std::size_t, kWeights> began_;  // by weight: where the last that stays began
  std::size_t last_begin_ = kNowhere;
};

}  // namespace

void settle_overlaps(bool complete, Scanner::Overlaps overlaps, ScanResult& out) {
  auto& findings = out.findings;
  if (!std::ranges::is_sorted(findings, before)) std::ranges::sort(findings, before);
  mark_less_sure(findings);
  Settling settling(complete, overlaps, out);
  std::size_t kept = 0;
  for (auto& finding : findings) {
    if (settling.stays(finding, kept)) findings[kept++] = finding;
  }
  findings.resize(kept);
  // One that was cut begins later than it did.
  const auto begin_of = [](const Finding& finding) { return finding.span.begin; };
  if (complete && !std::ranges::is_sorted(findings, {}, begin_of)) std::ranges::stable_sort(findings, {}, begin_of);
}

}  // namespace sb::policy
