// The engine in virtual time: crashes, torn writes, full and slow disks, lost answers, clocks that jump, from a seed.
//
//   SB_SIMULATION_SEEDS=100000 build/release/src/simulation/simulation_test --gtest_filter='Simulation.NoSeed*'
//   SB_SEED=17 ...             that seed again, with its history
#include "simulation/simulation.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/log.h"
#include "simulation/world.h"
#include "store/testing.h"

namespace sb::simulation {
namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr std::uint64_t kSeeds = 60;
#else
constexpr std::uint64_t kSeeds = 2'000;  // some 90 s of a core
#endif
#else
constexpr std::uint64_t kSeeds = 2'000;  // some 90 s of a core
#endif

std::uint64_t number_of(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

class Simulation : public ::testing::Test {
 protected:
  Simulation() {
    set_log_level(std::getenv("SB_SIMULATION_LOG") ? LogLevel::info : LogLevel::off);
    World::prepare(folder_.file("template"));
  }
  ~Simulation() override { set_log_level(level_); }

  Outcome outcome_of(std::uint64_t seed) {
    const std::string own = folder_.file("seed");
    std::filesystem::create_directories(own);
    Outcome outcome = simulate(seed, own, folder_.file("template"));
    std::filesystem::remove_all(own);
    return outcome;
  }

 private:
  const LogLevel level_ = log_level();
  const store::testing::TemporaryFolder folder_;
};

void print(const Outcome& outcome) {
  for (const std::string& line : outcome.history) std::printf("%s\n", line.c_str());
}

TEST_F(Simulation, NoSeedBreaksAPromise) {
  const bool alone = std::getenv("SB_SEED") != nullptr;
  const std::uint64_t first = number_of("SB_SEED", 1);
  const std::uint64_t count = number_of("SB_SIMULATION_SEEDS", alone ? 1 : kSeeds);
  std::size_t crashes = 0, steps = 0, calls = 0, runs = 0;
  double hours = 0;
  for (std::uint64_t seed = first; seed < first + count && !HasFailure(); ++seed) {
    const Outcome outcome = outcome_of(seed);
    if ((alone && count == 1) || !outcome.problems.empty()) print(outcome);
    for (const std::string& problem : outcome.problems) ADD_FAILURE() << problem;
    if (!outcome.problems.empty())
      std::printf(
          "again: SB_SEED=%llu build/release/src/simulation/simulation_test --gtest_filter='Simulation.NoSeed*'\n",
          static_cast<unsigned long long>(seed));
    crashes += outcome.crashes;
    steps += outcome.steps;
    calls += outcome.calls;
    runs += outcome.runs;
    hours += outcome.hours;
  }
  ASSERT_GT(count, 0U) << "SB_SIMULATION_SEEDS";
  if (!alone && !HasFailure()) {  // less than is usual
    EXPECT_GT(runs, 8 * count);
    EXPECT_GT(calls, 7 * count);
    EXPECT_GT(crashes, 2 * count / 5);
  }
  std::printf("%llu seeds: %zu runs, %zu calls of the provider, %zu crashes, %zu handlers in %.0f virtual hours\n",
              static_cast<unsigned long long>(count), runs, calls, crashes, steps, hours);
}

TEST_F(Simulation, ASeedIsTheSameHistoryEachTime) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Outcome once = outcome_of(seed);
    const Outcome again = outcome_of(seed);
    ASSERT_EQ(once.history, again.history) << "seed " << seed;
    ASSERT_EQ(once.hash, again.hash);
  }
}

}  // namespace
}  // namespace sb::simulation
