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
constexpr double kManyTimes = 3;   // so many times the promised share of wrong scripts is to be noticed
constexpr double kLeastTimes = 2;  // ... and so many times it is at least where it was noticed
constexpr double kMostErrs = 0.99;

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
  const auto outside = static_cast<std::uint64_t>(std::ranges::count(guard.tried_, true, &Tried::outside));
  const bool told = options.target.out_of_scope > 0;
  guard.first_ = {tuned.threshold, told ? options.target.out_of_scope : share_of(outside, labelled.size()),
                  options.target.wrong_scripts, 0};
  guard.now_ = guard.first_;
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

double PromiseGuard::evidence_of_rise(bool flagged, double share) const {
  const double before = flagged_at(share);
  const double after = flagged_at(std::min(1.0, share + options_.rise));
  return flagged ? std::log(after / before) : std::log((1 - after) / (1 - before));
}

bool PromiseGuard::observe(double out_of_scope) {
  ++observed_;
  ++since_change_;
  const bool flagged = out_of_scope > cut_;
  if (!too_many_flagged(flagged)) return calm_again(flagged);
  now_.tuned_for = share_at_most();
  tighten();
  return true;
}

bool PromiseGuard::too_many_flagged(bool flagged) {
  if (now_.threshold > 1) return false;  // there is nothing to tighten any more
  sum_ += evidence_of_rise(flagged, now_.tuned_for);
  ++since_;
  flagged_ += flagged;
  if (sum_ <= 0) start_again();
  return sum_ >= -std::log(options_.false_alarms);
}

bool PromiseGuard::calm_again(bool flagged) {
  if (options_.relax_after == 0 || now_.wrong_scripts < first_.wrong_scripts || !tightened()) return false;
  calm_ = std::max(0.0, calm_ - evidence_of_rise(flagged, first_.tuned_for));
  if (since_change_ < options_.relax_after || calm_ < -std::log(options_.false_alarms) || suspicion_ > 0) return false;
  const auto changes = now_.changes + 1;
  now_ = first_;
  now_.changes = changes;
  changed();
  return true;
}

bool PromiseGuard::judged(bool wrong, double errs) {
  if (now_.threshold > 1) return false;
  // What is to be noticed: three times as many wrong ones as were promised.
  const double before = errs + options_.target.wrong_scripts;
  const double after = std::min(kMostErrs, errs + (kManyTimes * options_.target.wrong_scripts));
  if (after <= before) return false;
  suspicion_ += wrong ? std::log(after / before) : std::log((1 - after) / (1 - before));
  ++verdicts_;
  wrong_ += wrong;
  if (suspicion_ <= 0) forget_verdicts();
  if (suspicion_ < -std::log(options_.false_verdict_alarms)) return false;
  // The labelled texts promise less than the traffic shows by this factor; at least they are off by half.
  const double shown = std::max(kLeastTimes * options_.target.wrong_scripts, share_of(wrong_, verdicts_) - errs);
  now_.wrong_scripts *= options_.target.wrong_scripts / shown;
  proved_ = {verdicts_, wrong_};
  tighten();
  return true;
}

void PromiseGuard::resume(const PromiseState& state) {
  now_ = state;
  changed();
}

double PromiseGuard::share_at_most() const {
  const double most = upper_bound(flagged_, since_, options_.target.confidence);
  const double share = (most - flagged_inside_least_) / (flagged_outside_ - flagged_inside_least_);
  return std::clamp(share, std::min(1.0, now_.tuned_for + options_.rise), 1.0);
}

void PromiseGuard::tighten() {
  TuneTarget target = options_.target;
  target.wrong_scripts = now_.wrong_scripts;
  target.out_of_scope = now_.tuned_for;
  const auto tuned = tune(tried_, target);
  now_.threshold = tuned ? std::max(now_.threshold, tuned->threshold) : kNothing;
  ++now_.changes;
  changed();
}

void PromiseGuard::start_again() {
  sum_ = 0;
  since_ = 0;
  flagged_ = 0;
}

void PromiseGuard::forget_verdicts() {
  suspicion_ = 0;
  verdicts_ = 0;
  wrong_ = 0;
}

// What was seen so far speaks of the state before.
void PromiseGuard::changed() {
  start_again();
  forget_verdicts();
  calm_ = 0;
  since_change_ = 0;
}

}  // namespace sb::triage
