// A desk's traffic, simulated: its scores are drawn, so that the truth is known exactly.
#include "triage/promise_guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <stdexcept>

namespace sb::triage {
namespace {

using ::testing::HasSubstr;

constexpr double kBudget = 0.01;
constexpr double kUsualShare = 0.03;

/// Draws queries: most in scope, and for scripts; one in a thousand of these has a wrong intent and looks sure all the
/// same. What is out of scope mostly looks so, and one in sixteen gets a score above 0.9, the
/// rarer the higher.
class Desk {
 public:
  explicit Desk(std::uint64_t seed) : random_(seed) {}

  Watched draw(bool outside) {
    Watched out;
    out.tried.outside = outside;
    if (outside) {
      out.out_of_scope = beta(4, 2);
      out.tried.score = chance(1.0 / 16) ? 1 - (0.1 * std::sqrt(unit())) : 0.8 * unit();
      return out;
    }
    out.out_of_scope = beta(1, 15);
    out.tried.scriptable = chance(0.8);
    out.tried.right = out.tried.scriptable && !chance(0.001);
    out.tried.score = out.tried.scriptable ? 1 - (0.5 * unit() * unit() * unit()) : 0.6 * unit();
    return out;
  }
  Watched next(double share_outside) { return draw(chance(share_outside)); }

  std::vector<Watched> labelled(std::size_t inside, std::size_t outside) {
    std::vector<Watched> out;
    for (std::size_t i = 0; i < inside + outside; ++i) out.push_back(draw(i >= inside));
    return out;
  }

 private:
  bool chance(double p) { return unit() < p; }
  double unit() { return std::uniform_real_distribution<double>()(random_); }
  double beta(double a, double b) {
    const double x = std::gamma_distribution<double>(a)(random_), y = std::gamma_distribution<double>(b)(random_);
    return x / (x + y);
  }
  std::mt19937_64 random_;
};

PromiseGuard guard_of(Desk& desk, std::size_t outside = 1'500) {
  auto guard = PromiseGuard::create(desk.labelled(8'000, outside),
                                    {.target = {.wrong_scripts = kBudget, .out_of_scope = kUsualShare}});
  if (!guard) throw std::runtime_error(guard.error().detail);
  return *std::move(guard);
}

/// Of scripted queries of such traffic, by the very distributions above. For thresholds from 0.8 on.
double wrong_scripts(double threshold, double share) {
  if (threshold > 1) return 0;
  const double inside = (1 - share) * 0.8 * std::min(1.0, std::cbrt((1 - threshold) / 0.5));
  const double outside = share / 16 * std::pow(std::min(1.0, (1 - threshold) / 0.1), 2);
  return (inside * 0.001 + outside) / (inside + outside);
}

TEST(PromiseGuard, IsQuietWhileTheTrafficIsWhatItWasTunedFor) {
  int alarms = 0;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Desk desk(seed);
    auto guard = guard_of(desk);
    for (int i = 0; i < 5'000; ++i) alarms += guard.observe(desk.next(kUsualShare).out_of_scope);
    EXPECT_LE(wrong_scripts(guard.threshold(), kUsualShare), kBudget) << "seed " << seed;
  }
  EXPECT_LE(alarms, 2) << "of 250,000 queries";
}

/// The goal: a fifth of the traffic turns to a new intent; noticed and tightened within 500 queries, and the error is
/// inside the budget again.
TEST(PromiseGuard, AFifthOfTheTrafficThatIsNewIsNoticedWithin500Queries) {
  constexpr double kShifted = 0.2 + (0.8 * kUsualShare);
  int in_time = 0, inside_again = 0, broken_before = 0, scripts_on = 0;
  std::vector<int> delays;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Desk desk(seed);
    auto guard = guard_of(desk, 6'000);
    for (int i = 0; i < 1'000; ++i) (void)guard.observe(desk.next(kUsualShare).out_of_scope);
    broken_before += wrong_scripts(guard.threshold(), kShifted) > kBudget;
    int noticed = 0;
    for (int i = 1; i <= 500; ++i) {
      if (guard.observe(desk.next(kShifted).out_of_scope) && noticed == 0) noticed = i;
    }
    in_time += noticed > 0;
    delays.push_back(noticed);
    scripts_on += guard.threshold() <= 1;
    inside_again += wrong_scripts(guard.threshold(), kShifted) <= kBudget;
  }
  EXPECT_GE(broken_before, 190) << "else the shift does no harm, and nothing is shown";
  EXPECT_EQ(in_time, 200);
  EXPECT_GE(inside_again, 190) << "of 200 seeds: the promise has 95 % confidence";
  EXPECT_GE(scripts_on, 120) << "to script nothing any more would be no art";
  std::ranges::sort(delays);
  EXPECT_LE(delays[delays.size() / 2], 200);
  RecordProperty("noticed_after_median", delays[delays.size() / 2]);
  RecordProperty("noticed_after_most", delays.back());
  RecordProperty("inside_again_of_200", inside_again);
  RecordProperty("scripts_on_of_200", scripts_on);
  RecordProperty("broken_before_of_200", broken_before);
}

TEST(PromiseGuard, WhereTheLabelledTextsSupportNoThresholdNothingIsScripted) {
  Desk desk(7);
  auto guard = guard_of(desk, 500);
  for (int i = 0; i < 2'000 && guard.threshold() <= 1; ++i) (void)guard.observe(desk.next(0.9).out_of_scope);
  EXPECT_GT(guard.threshold(), 1);
  EXPECT_FALSE(guard.observe(1)) << "it is as tight as can be";
  EXPECT_FALSE(guard.judged(true));
}

TEST(PromiseGuard, ItNeverLoosensWhereNoRuleSaysSo) {
  int tightened = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Desk desk(seed);
    auto guard = guard_of(desk, 6'000);
    const double first = guard.threshold();
    double last = first;
    for (int i = 0; i < 4'000; ++i) {
      (void)guard.observe(desk.next(i < 300 ? 0.25 : 0).out_of_scope);
      EXPECT_GE(guard.threshold(), last);
      last = guard.threshold();
    }
    tightened += last > first && last <= 1;
    EXPECT_EQ(guard.observed(), 4'000U);
  }
  EXPECT_GE(tightened, 3) << "else it had nothing to loosen";
}

TEST(PromiseGuard, OnceTheTrafficIsAgainWhatItWasTunedForTheFirstThresholdComesBack) {
  int tightened = 0, back = 0, back_too_early = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Desk desk(seed);
    auto guard = *PromiseGuard::create(
        desk.labelled(8'000, 6'000),
        {.target = {.wrong_scripts = kBudget, .out_of_scope = kUsualShare}, .relax_after = 2'000});
    const auto first = guard.state();
    for (int i = 0; i < 6'000; ++i) (void)guard.observe(desk.next(0.25).out_of_scope);
    tightened += guard.tightened();
    back_too_early += guard.state().changes > 0 && !guard.tightened();
    for (int i = 0; i < 6'000; ++i) (void)guard.observe(desk.next(kUsualShare).out_of_scope);
    back += guard.threshold() == first.threshold && guard.tuned_for() == first.tuned_for;
  }
  EXPECT_EQ(tightened, 30);
  EXPECT_EQ(back_too_early, 0) << "the traffic was not what it was tuned for";
  EXPECT_GE(back, 28);
}

TEST(PromiseGuard, VerdictsTightenWhereTheLabelledTextsAreNoMeasureAnyMore) {
  int noticed = 0, alarms = 0;
  std::vector<int> delays;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    std::mt19937_64 random(seed);
    const auto one_in = [&](double share) { return std::uniform_real_distribution<double>()(random) < share; };
    Desk desk(seed);
    auto guard = guard_of(desk);
    for (int i = 0; i < 2'000; ++i) alarms += guard.judged(one_in(kBudget + 0.05), 0.05);
    const double before = guard.threshold();
    int after = 0;
    for (int i = 1; i <= 1'000 && after == 0; ++i) after = guard.judged(one_in(0.15 + 0.05), 0.05) ? i : 0;
    noticed += after > 0 && guard.threshold() > before;
    delays.push_back(after);
    EXPECT_LT(guard.state().wrong_scripts, kBudget);
  }
  EXPECT_LE(alarms, 1) << "of 100,000 verdicts that were as promised";
  EXPECT_EQ(noticed, 50);
  std::ranges::sort(delays);
  RecordProperty("noticed_after_median_verdicts", delays[delays.size() / 2]);
}

TEST(PromiseGuard, WhatVerdictsTightenedComesBackByNoRule) {
  Desk desk(3);
  auto guard =
      *PromiseGuard::create(desk.labelled(8'000, 1'500),
                            {.target = {.wrong_scripts = kBudget, .out_of_scope = kUsualShare}, .relax_after = 10});
  for (int i = 0; i < 20 && !guard.tightened(); ++i) (void)guard.judged(true);
  const auto tightened = guard.state();
  ASSERT_TRUE(guard.tightened());
  for (int i = 0; i < 10'000; ++i) (void)guard.observe(desk.next(kUsualShare).out_of_scope);
  EXPECT_EQ(guard.state(), tightened);
}

TEST(PromiseGuard, TooLittleToKnowAShiftByIsSaid) {
  Desk desk(5);
  const PromiseGuardOptions options{.target = {.wrong_scripts = kBudget}};
  const auto few = PromiseGuard::create(desk.labelled(4'000, 10), options);
  ASSERT_FALSE(few);
  EXPECT_THAT(few.error().detail, HasSubstr("4000 labelled texts in scope and 10 out of it"));
  auto blind = desk.labelled(4'000, 400);
  for (auto& one : blind) one.out_of_scope = 0.5;
  const auto none = PromiseGuard::create(std::move(blind), options);
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().detail, HasSubstr("a shift would not show"));
}

}  // namespace
}  // namespace sb::triage
