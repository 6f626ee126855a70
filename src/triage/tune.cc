#include "triage/tune.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include "triage/calibrate.h"

namespace sb::triage {
namespace {

// Two searches share the risk of a wrong promise (Bonferroni). The first failure ends a search, so where it begins
// matters. One begins at half of what could be scripted: many texts, so that a few wrong ones among the surest, which
// every labelled set has, are no failure. The other begins among the surest, four times the least that could pass or a
// tenth of the texts, for models of which half is too much. Both go on in steps, not text by text: 50, or a hundredth
// of the texts.
struct Search {
  double risk_share;
  std::size_t least_times;  // of least_samples
  std::size_t part;         // 1 / share of the texts that could be scripted
};
constexpr Search kSearches[] = {{0.8, 2, 2}, {0.2, 4, 10}};
constexpr std::size_t kStep = 50;
constexpr std::size_t kStepShare = 100;

struct TrafficCounts {
  std::size_t inside = 0;
  std::size_t outside = 0;
  std::size_t wrong = 0;  // of those inside
  std::size_t scriptable = 0;

  void add(const Tried& one) {
    ++(one.outside ? outside : inside);
    wrong += !one.outside && !one.right;
    scriptable += one.scriptable;
  }
  std::size_t right() const { return inside - wrong; }
};

TrafficCounts count(std::span<const Tried> tried) {
  TrafficCounts out;
  for (const auto& one : tried) out.add(one);
  return out;
}

// Wrong ones among the scripted where `share` of the traffic is out of scope, `inside` of what is in scope is scripted
// and `wrong` of that wrongly, and `outside` of what is not.
double mixed(double inside, double wrong, double outside, double share) {
  const double scripted = inside * (1 - share) + outside * share;
  return scripted > 0 ? (inside * (1 - share) * wrong + outside * share) / scripted : 0;
}

// As counted, in the target's mix.
double wrong_share(const TrafficCounts& scripted, const TrafficCounts& all, const TuneTarget& target) {
  if (target.out_of_scope <= 0) return part(scripted.wrong + scripted.outside, scripted.inside + scripted.outside);
  return mixed(part(scripted.inside, all.inside), part(scripted.wrong, scripted.inside),
               part(scripted.outside, all.outside), target.out_of_scope);
}

// Upper bound of the wrong share among the scripted. With the data's own mix one test does; another mix needs a bound
// for each part, and each gets half of the risk (Bonferroni).
double bound_of(const TrafficCounts& scripted, const TrafficCounts& all, const TuneTarget& target) {
  const double risk = 1 - target.confidence;
  if (target.out_of_scope <= 0) {
    return upper_bound(scripted.wrong + scripted.outside, scripted.inside + scripted.outside, 1 - risk);
  }
  if (all.outside == 0 || scripted.inside == 0) return 1;
  return mixed(part(scripted.inside, all.inside), upper_bound(scripted.wrong, scripted.inside, 1 - risk / 2),
               upper_bound(scripted.outside, all.outside, 1 - risk / 2), target.out_of_scope);
}

// How many texts like those at hand would make the promise: the same shares, in larger numbers.
class Needed {
 public:
  void look(const TrafficCounts& scripted, const TrafficCounts& all, const TuneTarget& target) {
    const double wrong = wrong_share(scripted, all, target);
    least_wrong_ = std::min(least_wrong_, wrong);
    if (wrong >= target.wrong_scripts || !enough(times_, scripted, all, target)) return;
    // More texts of the same kind lower the bound: bisect.
    for (double few = 1; times_ > few * kFiner;) {
      const double middle = std::sqrt(few * times_);
      (enough(middle, scripted, all, target) ? times_ : few) = middle;
    }
    found_ = true;
  }

  std::string sentence(std::size_t texts, const TrafficCounts& all, const TuneTarget& target) const {
    if (target.out_of_scope > 0 && all.outside == 0)
      return "none of them is out of scope, and the promise is for such, too";
    if (found_) return fmt::format("about {:.0f} like them could", std::ceil(static_cast<double>(texts) * times_));
    if (least_wrong_ <= 1 && least_wrong_ >= target.wrong_scripts) {
      return fmt::format("of the surest {} {:.2f} % are wrong, and more texts like them would not change that",
                         target.answers, least_wrong_ * 100);
    }
    return fmt::format("it takes at least {} {} without one wrong", least_samples(target), target.answers);
  }

 private:
  static constexpr double kFiner = 1.05;
  static constexpr double kMost = 100;

  static bool enough(double times, const TrafficCounts& scripted, const TrafficCounts& all, const TuneTarget& target) {
    return bound_of(scaled(scripted, times), scaled(all, times), target) <= target.wrong_scripts;
  }

  static TrafficCounts scaled(const TrafficCounts& counts, double times) {
    const auto up = [&](std::size_t n) { return static_cast<std::size_t>(std::ceil(static_cast<double>(n) * times)); };
    return {up(counts.inside), up(counts.outside), up(counts.wrong), up(counts.scriptable)};
  }

  double times_ = kMost;
  bool found_ = false;
  double least_wrong_ = 2;
};

}  // namespace

std::size_t least_samples(const TuneTarget& target) {
  const double risk = (1 - target.confidence) / (target.out_of_scope > 0 ? 2 : 1);
  return static_cast<std::size_t>(std::ceil(std::log(risk) / std::log1p(-target.wrong_scripts)));
}

namespace {

std::vector<Tried> surest_first(std::span<const Tried> tried) {
  std::vector<Tried> order(tried.begin(), tried.end());
  std::ranges::sort(order, std::greater(), &Tried::score);
  return order;
}

TuneTarget part_of_risk(TuneTarget target, const Search& search) {
  target.confidence = 1 - (1 - target.confidence) * search.risk_share;
  return target;
}

std::size_t first_test(std::span<const Tried> order, const TuneTarget& target, const Search& search) {
  const auto candidates = std::ranges::lower_bound(order, 0.0, std::greater(), &Tried::score) - order.begin();
  return std::max(search.least_times * least_samples(target), static_cast<std::size_t>(candidates) / search.part);
}

// Calls `visit(threshold, scripted)` for the thresholds to test, from that of the `first` texts down, until it answers
// false.
template <class Visit>
void each_threshold(std::span<const Tried> order, std::size_t first, Visit visit) {
  TrafficCounts scripted;
  for (std::size_t i = 0; i < order.size() && order[i].score > 0; ++i) {
    scripted.add(order[i]);
    const std::size_t tested = i + 1;
    if (tested < first || (tested < order.size() && order[tested].score == order[i].score)) continue;
    first = tested + std::max(kStep, order.size() / kStepShare);
    if (!visit(order[i].score, scripted)) return;
  }
}

Tuned search_down(std::span<const Tried> order, const TrafficCounts& all, const TuneTarget& target, std::size_t first) {
  Tuned best;
  each_threshold(order, first, [&](double threshold, const TrafficCounts& scripted) {
    if (wrong_share(scripted, all, target) > target.wrong_scripts) return false;  // and so is its bound
    const double bound = bound_of(scripted, all, target);
    if (bound > target.wrong_scripts) return false;
    best = {threshold, scripted.inside + scripted.outside, scripted.wrong + scripted.outside, bound,
            part(scripted.right(), all.scriptable)};
    return true;
  });
  return best;
}

// Nothing scripted: the data supports none.
Tuned lowest_threshold(std::span<const Tried> order, const TrafficCounts& all, const TuneTarget& target) {
  Tuned best;
  for (const auto& search : kSearches) {
    const auto stricter = part_of_risk(target, search);
    const auto found = search_down(order, all, stricter, first_test(order, stricter, search));
    if (found.scripted > best.scripted) best = found;
  }
  return best;
}

}  // namespace

Result<Tuned> tune(std::span<const Tried> tried, const TuneTarget& target, std::vector<TuneStep>* steps) {
  const auto order = surest_first(tried);
  const auto all = count(order);
  if (steps) {
    const auto stricter = part_of_risk(target, kSearches[0]);
    each_threshold(order, least_samples(target), [&](double threshold, const TrafficCounts& scripted) {
      steps->push_back({threshold, part(scripted.right(), all.scriptable), wrong_share(scripted, all, target),
                        bound_of(scripted, all, stricter)});
      return true;
    });
  }
  const auto best = lowest_threshold(order, all, target);
  if (best.scripted > 0) return best;
  Needed needed;
  for (const auto& search : kSearches) {
    const auto stricter = part_of_risk(target, search);
    each_threshold(order, first_test(order, stricter, search), [&](double, const TrafficCounts& scripted) {
      needed.look(scripted, all, stricter);
      return false;  // where the first test passes, the search finds something
    });
  }
  return fail(Errc::invalid_argument,
              fmt::format("{} texts ({} out of scope) cannot promise {:.2f} % wrong {} with {:.0f} % confidence: {}",
                          order.size(), all.outside, target.wrong_scripts * 100, target.answers,
                          target.confidence * 100, needed.sentence(order.size(), all, target)));
}

Rehearsals rehearse_tuning(std::span<const Tried> tried, const TuneTarget& target, std::size_t texts, std::size_t times,
                           std::uint64_t seed) {
  std::mt19937_64 rng(seed);
  const auto all = count(tried);
  Rehearsals out{.texts = texts, .times = times};
  if (tried.empty()) return out;
  std::vector<Tried> sample(texts);
  for (std::size_t time = 0; time < times; ++time) {
    for (auto& one : sample) one = tried[rng() % tried.size()];
    const auto order = surest_first(sample);
    const auto tuned = lowest_threshold(order, count(order), target);
    if (tuned.scripted == 0) continue;
    TrafficCounts scripted;
    for (const auto& one : tried) {
      if (one.score >= tuned.threshold) scripted.add(one);
    }
    out.wrong.push_back(wrong_share(scripted, all, target));
    out.scripted.push_back(part(scripted.right(), all.scriptable));
  }
  return out;
}

RehearsalSummary summary_of(const Rehearsals& rehearsals, double target) {
  const auto broken =
      static_cast<std::size_t>(std::ranges::count_if(rehearsals.wrong, [&](double share) { return share > target; }));
  const std::size_t promised = rehearsals.wrong.size();
  double scripted = 0;
  for (const double share : rehearsals.scripted) scripted += share;
  return {.promised = part(promised, rehearsals.times),
          .kept = part(rehearsals.times - broken, rehearsals.times),
          .kept_promises = part(promised - broken, promised),
          .scripted_share = promised > 0 ? scripted / static_cast<double>(promised) : 0};
}

std::vector<HistogramBar> histogram_of(const Rehearsals& rehearsals, double target) {
  constexpr std::size_t kWithin = 8;
  constexpr std::size_t kBars = 12;
  std::vector<HistogramBar> out;
  for (std::size_t bar = 0; bar < kBars; ++bar) out.push_back({target * static_cast<double>(bar) / kWithin, 0});
  for (const double share : rehearsals.wrong) {
    ++out[std::min(static_cast<std::size_t>(share / target * kWithin), kBars - 1)].count;
  }
  return out;
}

}  // namespace sb::triage
