// Entries of 400 bytes through the real store: durable when the commit returns.
//
//   bench_audit FOLDER ENTRIES SINGLES
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <cstdlib>
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

Task<> add_some(store::Store& store, int count) {
  for (int i = 0; i < count; ++i) SB_ASSERT((co_await store.commit(entry())).has_value());
}

void batch(const std::string& folder, int count) {
  constexpr int kWorkers = 4096;
  Log log = open(folder);
  asio::io_context& context = store::testing::lasting_context();
  const auto begin = Steady::now();
  for (int i = 0; i < kWorkers; ++i) asio::co_spawn(context, add_some(*log.store, count / kWorkers), asio::detached);
  context.run();
  const double took = seconds_since(begin);
  const auto all = static_cast<std::uint64_t>(count / kWorkers * kWorkers);
  const auto committed = Steady::now();
  while (log.log->shown() < all) std::this_thread::sleep_for(std::chrono::microseconds(200));
  fmt::print("signalbox batch {:.0f} entries/s, checkpoint {:.1f} ms behind the last commit\n",
             static_cast<double>(all) / took, seconds_since(committed) * 1000);
  const auto report = audit::verify_log(*audit::open_log_folder(folder + "/audit"), log.log->verifier(), {});
  SB_ASSERT(report && report->ok() && report->checked == all);
  fmt::print("signalbox verify {:.0f} leaves/s\n",
             static_cast<double>(report->checked) * 1e6 / static_cast<double>(report->elapsed_us));
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
  fmt::print("signalbox single p50 {:.2f} ms p99 {:.2f} ms\n", times[times.size() / 2], times[times.size() * 99 / 100]);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string folder = argv[1];
  batch(folder + "/batch", std::atoi(argv[2]));
  single(folder + "/single", std::atoi(argv[3]));
  return 0;
}
