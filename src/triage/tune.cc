#include "triage/tune.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include "triage/calibrate.h"

namespace sb::triage {
namespace {

// The first failure ends the search: it begins where a handful of wrong ones is no failure yet (four times the least
// that could pass, a tenth of the texts), and goes on in steps, not text by text.
constexpr std::size_t kFirst = 4;
constexpr std::size_t kFirstShare = 10;
constexpr std::size_t kStep = 50;

struct Counts {
  std::size_t inside = 0;
  std::size_t outside = 0;
};

// Upper bound of the wrong share among the scripted when `share` of the traffic is out of scope. With the data's own
// mix one test does; another mix needs a bound for each part, and each gets half of the risk (Bonferroni).
double bound_of(const Counts& scripted, std::size_t wrong_inside, const Counts& all, const TuneTarget& target) {
  const double risk = 1 - target.confidence;
  if (target.out_of_scope <= 0) {
    return upper_bound(wrong_inside + scripted.outside, scripted.inside + scripted.outside, 1 - risk);
  }
  if (all.outside == 0 || scripted.inside == 0) return 1;
  const double wrong = upper_bound(wrong_inside, scripted.inside, 1 - risk / 2);
  const double outside = upper_bound(scripted.outside, all.outside, 1 - risk / 2) * target.out_of_scope;
  const double inside =
      static_cast<double>(scripted.inside) / static_cast<double>(all.inside) * (1 - target.out_of_scope);
  return (inside * wrong + outside) / (inside + outside);
}

}  // namespace

std::size_t least_samples(const TuneTarget& target) {
  const double risk = (1 - target.confidence) / (target.out_of_scope > 0 ? 2 : 1);
  return static_cast<std::size_t>(std::ceil(std::log(risk) / std::log1p(-target.wrong_scripts)));
}

Result<Tuned> tune(std::span<const Tried> tried, const TuneTarget& target) {
  std::vector<Tried> order(tried.begin(), tried.end());
  std::ranges::sort(order, std::greater(), &Tried::score);
  Counts all;
  std::size_t scriptable = 0;
  for (const auto& one : order) {
    ++(one.outside ? all.outside : all.inside);
    scriptable += one.scriptable;
  }
  Tuned best;
  Counts scripted;
  std::size_t wrong = 0;
  std::size_t next_test = std::max(kFirst * least_samples(target), order.size() / kFirstShare);
  for (std::size_t i = 0; i < order.size() && order[i].score > 0; ++i) {
    ++(order[i].outside ? scripted.outside : scripted.inside);
    wrong += !order[i].outside && !order[i].right;
    const std::size_t count = i + 1;
    if (count < next_test || (count < order.size() && order[count].score == order[i].score)) continue;
    next_test = count + kStep;
    const double bound = bound_of(scripted, wrong, all, target);
    if (bound > target.wrong_scripts) break;
    const std::size_t right = scripted.inside - wrong;
    best = {order[i].score, count, wrong + scripted.outside, bound,
            static_cast<double>(right) / static_cast<double>(std::max<std::size_t>(scriptable, 1))};
  }
  if (best.scripted > 0) return best;
  return fail(
      Errc::invalid_argument,
      fmt::format("{} texts ({} out of scope) cannot promise {:.2f} % wrong scripts with {:.0f} % confidence: it "
                  "takes at least {} scripted texts without one wrong{}",
                  order.size(), all.outside, target.wrong_scripts * 100, target.confidence * 100, least_samples(target),
                  target.out_of_scope > 0 ? ", and out-of-scope texts enough to bound their share" : ""));
}

std::vector<double> rehearse_tuning(std::span<const Tried> tried, const TuneTarget& target, std::size_t times,
                                    std::uint64_t seed) {
  std::mt19937_64 rng(seed);
  std::vector<Tried> order(tried.begin(), tried.end());
  std::vector<double> out;
  const std::size_t half = order.size() / 2;
  for (std::size_t time = 0; time < times; ++time) {
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng() % i]);
    const auto tuned = tune(std::span(order).first(half), target);
    std::size_t scripted = 0;
    std::size_t wrong = 0;
    for (const auto& one : std::span(order).subspan(half)) {
      if (!tuned || one.score < tuned->threshold) continue;
      ++scripted;
      wrong += one.outside || !one.right;
    }
    const double share = scripted > 0 ? static_cast<double>(wrong) / static_cast<double>(scripted) : 0;
    out.push_back(tuned ? share : -1);
  }
  return out;
}

}  // namespace sb::triage
