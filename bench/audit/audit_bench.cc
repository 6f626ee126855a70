// Entries of 400 bytes through the real store: durable when the commit returns. One figure a line: NAME VALUE.
//
//   bench_audit FOLDER ENTRIES SINGLES
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <filesystem>
#include <thread>

#include "audit/log.h"
#include "audit/verify_log.h"
#include "store/sqlite/sqlite_store.h"
#include "store/testing.h"

namespace {

using namespace sb;
using Steady = std::chrono::steady_clock;

double seconds_since(Steady::time_point begin) {
  return std::chrono::duration<double>(Steady::now() - begin).count();
}

struct Log {
  std::unique_ptr<audit::AuditLog> log;
  std::unique_ptr<store::Store> store;
};

Log open(const std::string& folder) {
  std::filesystem::create_directories(folder);
  Log opened;
  opened.log = *audit::AuditLog::create(std::string(32, 's'), {.origin = {}, .folder = folder + "/audit"});
  store::SqliteOptions options;
  options.path = folder + "/log.db";
  opened.store = *store::open_sqlite_store(std::move(options), *opened.log);
  return opened;
}

store::Commit entry() {
  store::Commit commit;
  store::LeafDraft& leaf = commit.leaves.emplace_back();
  leaf.kind = "bench";
  leaf.summary = "{\"text\":\"" + std::string(330, 'x') + "\"}";
  leaf.time_us = system_clock().now_us();
  return commit;
}

// How far the shown tree head stays behind the commits, looked at every 200 us while they go on.
class LagWatch {
 public:
  explicit LagWatch(const Log& log) : thread_([this, &log](const std::stop_token& stop) { watch(log, stop); }) {}
  /// Waits until everything is shown. The longest time between a commit and a tree head over it, in ms.
  double longest_ms(std::uint64_t leaves) {
    wanted_ = leaves;
    thread_.request_stop();
    thread_.join();
    return longest_ * 1000;
  }

 private:
  void watch(const Log& log, const std::stop_token& stop) {
    std::deque<std::pair<std::uint64_t, Steady::time_point>> committed;  // sizes of the log that are not shown yet
    std::uint64_t seen = 0;
    while (!stop.stop_requested() || seen < wanted_ || !committed.empty()) {
      const std::uint64_t leaves = log.store->stats().leaves;
      if (leaves > seen) committed.emplace_back(seen = leaves, Steady::now());
      for (const std::uint64_t shown = log.log->shown(); !committed.empty() && committed.front().first <= shown;) {
        longest_ = std::max(longest_, seconds_since(committed.front().second));
        committed.pop_front();
      }
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }

  std::atomic<std::uint64_t> wanted_{0};
  double longest_ = 0;
  std::jthread thread_;
};

Task<> add_some(store::Store& store, int count) {
  for (int i = 0; i < count; ++i) SB_ASSERT((co_await store.commit(entry())).has_value());
}

void batch(const std::string& folder, int count) {
  constexpr int kWorkers = 4096;
  Log log = open(folder);
  asio::io_context& context = store::testing::lasting_context();
  LagWatch watch(log);
  const auto begin = Steady::now();
  for (int i = 0; i < kWorkers; ++i) asio::co_spawn(context, add_some(*log.store, count / kWorkers), asio::detached);
  context.run();
  const double took = seconds_since(begin);
  const auto all = static_cast<std::uint64_t>(count / kWorkers * kWorkers);
  fmt::print("batch_per_s {:.0f}\ncheckpoint_ms {:.1f}\n", static_cast<double>(all) / took, watch.longest_ms(all));
  const std::clock_t cpu = std::clock();  // of this thread alone: the others have nothing to do
  const auto report = audit::verify_log(*audit::open_log_folder(folder + "/audit"), log.log->verifier(), {});
  SB_ASSERT(report && report->ok() && report->checked == all);
  fmt::print("verify_per_s {:.0f}\nverify_per_cpu_s {:.0f}\n",
             static_cast<double>(report->checked) * 1e6 / static_cast<double>(report->elapsed_us),
             static_cast<double>(report->checked) * CLOCKS_PER_SEC / static_cast<double>(std::clock() - cpu));
}

void single(const std::string& folder, int count) {
  Log log = open(folder);
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    const auto begin = Steady::now();
    SB_ASSERT(store::testing::wait_for(log.store->commit(entry())).has_value());
    times.push_back(seconds_since(begin) * 1000);
  }
  std::ranges::sort(times);
  fmt::print("single_p50_ms {:.3f}\nsingle_p99_ms {:.3f}\n", times[times.size() / 2], times[times.size() * 99 / 100]);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string folder = argv[1];
  batch(folder + "/batch", std::atoi(argv[2]));
  single(folder + "/single", std::atoi(argv[3]));
  return 0;
}
