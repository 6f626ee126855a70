#include "triage/promise_guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "triage/calibrate.h"

namespace sb::triage {
namespace {

constexpr std::size_t kFewest = 50;  // labelled texts of each kind
constexpr double kNothing = 1.1;     // threshold above every score
constexpr double kTellsLittle = 0.2;

double share_of(std::uint64_t some, std::uint64_t all) {
  return all > 0 ? static_cast<double>(some) / static_cast<double>(all) : 0;
}

}  // namespace

Result<PromiseGuard> PromiseGuard::create(std::vector<Watched> labelled, const PromiseGuardOptions& options) {
  std::vector<Tried> tried;
  for (const auto& one : labelled) tried.push_back(one.tried);
  PromiseGuard guard(std::move(tried), options);
  SB_CHECK(guard.learn_flag(labelled));
  SB_TRY(const auto tuned, tune(guard.tried_, options.target));
  guard.threshold_ = tuned.threshold;
  const auto outside = static_cast<std::uint64_t>(std::ranges::count(guard.tried_, true, &Tried::outside));
  const bool told = options.target.out_of_scope > 0;
  guard.tuned_for_ = told ? options.target.out_of_scope : share_of(outside, labelled.size());
  return guard;
}

Result<> PromiseGuard::learn_flag(const std::vector<Watched>& labelled) {
  std::vector<double> inside, outside;
  for (const auto& one : labelled) (one.tried.outside ? outside : inside).push_back(one.out_of_scope);
  if (inside.size() < kFewest || outside.size() < kFewest) {
    return fail(
        Errc::invalid_argument,
        fmt::format("{} labelled texts in scope and {} out of it: it takes {} of each to know what a shift looks like",
                    inside.size(), outside.size(), kFewest));
  }
  std::ranges::sort(inside);
  const auto at = static_cast<std::size_t>(static_cast<double>(inside.size()) * (1 - options_.flagged_inside));
  cut_ = inside[std::min(at, inside.size() - 1)];
  const auto above = [&](const std::vector<double>& scores) {
    return static_cast<std::uint64_t>(std::ranges::count_if(scores, [&](double score) { return score > cut_; }));
  };
  flagged_inside_ = upper_bound(above(inside), inside.size(), 0.9);
  flagged_inside_least_ = 1 - upper_bound(inside.size() - above(inside), inside.size(), 0.9);
  flagged_outside_ = 1 - upper_bound(outside.size() - above(outside), outside.size(), 0.9);
  if (flagged_outside_ - flagged_inside_ >= kTellsLittle) return {};
  return fail(
      Errc::invalid_argument,
      fmt::format("the out-of-scope probability flags {:.0f} % of the texts in scope and {:.0f} % of the others: a "
                  "shift would not show",
                  100 * flagged_inside_, 100 * flagged_outside_));
}

double PromiseGuard::flagged_at(double share) const {
  return ((1 - share) * flagged_inside_) + (share * flagged_outside_);
}

bool PromiseGuard::observe(double out_of_scope) {
  ++observed_;
  if (threshold_ > 1) return false;  // there is nothing to tighten any more
  const bool flagged = out_of_scope > cut_;
  const double before = flagged_at(tuned_for_);
  const double after = flagged_at(std::min(1.0, tuned_for_ + options_.rise));
  sum_ += flagged ? std::log(after / before) : std::log((1 - after) / (1 - before));
  ++since_;
  flagged_ += flagged;
  if (sum_ <= 0) start_again();
  if (sum_ < -std::log(options_.false_alarms)) return false;
  tighten();
  return true;
}

double PromiseGuard::share_at_most() const {
  const double most = upper_bound(flagged_, since_, options_.target.confidence);
  const double share = (most - flagged_inside_least_) / (flagged_outside_ - flagged_inside_least_);
  return std::clamp(share, std::min(1.0, tuned_for_ + options_.rise), 1.0);
}

void PromiseGuard::tighten() {
  tuned_for_ = share_at_most();
  TuneTarget target = options_.target;
  target.out_of_scope = tuned_for_;
  const auto tuned = tune(tried_, target);
  threshold_ = tuned ? std::max(threshold_, tuned->threshold) : kNothing;
  start_again();
}

void PromiseGuard::start_again() {
  sum_ = 0;
  since_ = 0;
  flagged_ = 0;
}

}  // namespace sb::triage
