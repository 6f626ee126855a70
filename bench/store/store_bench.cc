// What durable commits cost, beside the limits of the same disk in the same run.
//
//   store_bench [FOLDER] [SECONDS per row]
//
// (a) appending one block and fdatasync, one at a time: no store that commits singly can do better;
// (b) plain SQLite, append-only rows of the size of a chat run, 1 and 64 rows a transaction;
// (c) our store with the audit log: chat runs (a run, 4 steps, 5 leaves; about 4 KB) from N coroutines, sync and async.
// CPU is of the whole process: caller, writer, checkpoints.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "audit/leaf.h"
#include "audit/log.h"
#include "audit/merkle.h"
#include "audit/verify.h"
#include "measure.h"
#include "store/sqlite/sqlite_store.h"
#include "store/testing.h"

namespace sb {
namespace {

using bench::bench_sqlite;
using bench::cpu_us;
using bench::Row;
using bench::seconds_since;
using bench::set_percentiles;
using bench::Steady;

std::size_t resident_kib() {
  std::ifstream file("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) / 1024;
}

void print(const Row& row, double limit) {
  fmt::print("{:<38} {:>9.0f}/s  {:>6.2f} x limit  p50 {:>7.0f} us  p99 {:>7.0f} us  CPU {:>6.1f} us  group {:>5.1f}\n",
             row.name, row.per_second, row.per_second / limit, row.p50_us, row.p99_us, row.cpu_us, row.group);
  std::fflush(stdout);
}

Row bench_fdatasync(const std::string& path, double seconds, std::size_t bytes) {
  Row row{fmt::format("fdatasync of {} bytes appended", bytes)};
  const int file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
  // Blocks are there already, as in a log that starts over: the cheaper kind of sync.
  SB_ASSERT(::posix_fallocate(file, 0, 64 << 20) == 0);
  const std::string zeros(1 << 20, '\0');
  for (int i = 0; i < 64; ++i) SB_ASSERT(::pwrite(file, zeros.data(), zeros.size(), static_cast<off_t>(i) << 20) > 0);
  ::fsync(file);
  const std::string block(bytes, 'x');
  std::vector<double> latencies;
  const double cpu = cpu_us();
  const auto begin = Steady::now();
  for (off_t at = 0; seconds_since(begin) < seconds; at = (at + static_cast<off_t>(bytes)) % (60 << 20)) {
    const auto start = Steady::now();
    SB_ASSERT(::pwrite(file, block.data(), block.size(), at) == static_cast<ssize_t>(bytes) && ::fdatasync(file) == 0);
    latencies.push_back(seconds_since(start) * 1e6);
  }
  row.per_second = static_cast<double>(latencies.size()) / seconds_since(begin);
  row.cpu_us = (cpu_us() - cpu) / static_cast<double>(latencies.size());
  set_percentiles(row, latencies);
  ::close(file);
  return row;
}

struct Opened {
  std::unique_ptr<audit::AuditLog> log;
  std::unique_ptr<store::Store> store;
};

Opened open_store(const std::string& path) {
  Opened opened;
  opened.log = *audit::AuditLog::create(std::string(32, 's'));
  store::SqliteOptions options;
  options.path = path;
  opened.store = *store::open_sqlite_store(std::move(options), *opened.log);
  return opened;
}

Task<> produce(store::Store& store, store::Durability durability, Steady::time_point until,
               std::vector<double>& latencies) {
  while (Steady::now() < until) {
    store::Commit commit = store::testing::chat_commit(store::testing::new_run_id());
    commit.durability = durability;
    const auto start = Steady::now();
    const auto done = co_await store.commit(std::move(commit));
    if (!done && done.error().code == Errc::unavailable) {
      SB_ASSERT((co_await store.flush()).has_value());
      continue;
    }
    SB_ASSERT(done.has_value());
    latencies.push_back(seconds_since(start) * 1e6);
  }
}

// What the producers themselves cost: making the commits, and nothing else.
double producer_cpu_us() {
  constexpr int kCount = 20'000;
  const double cpu = cpu_us();
  std::size_t sum = 0;
  for (int i = 0; i < kCount; ++i) sum += store::testing::chat_commit(store::testing::new_run_id()).leaves.size();
  SB_ASSERT(sum == 5 * kCount);
  return (cpu_us() - cpu) / kCount;
}

Row bench_store(const std::string& path, double seconds, int producers, store::Durability durability, double own_cpu) {
  Row row{fmt::format("store, {} x {}", producers, durability == store::Durability::sync ? "sync" : "async")};
  auto [log, store] = open_store(path);
  asio::io_context context;
  std::vector<double> latencies;
  const double cpu = cpu_us();
  const auto begin = Steady::now();
  const auto until = begin + std::chrono::duration_cast<Steady::duration>(std::chrono::duration<double>(seconds));
  for (int i = 0; i < producers; ++i) {
    asio::co_spawn(context, produce(*store, durability, until, latencies), asio::detached);
  }
  context.run();
  SB_ASSERT(store::testing::wait_for(store->flush()).has_value());
  const auto stats = store->stats();
  row.per_second = static_cast<double>(latencies.size()) / seconds_since(begin);
  row.cpu_us = (cpu_us() - cpu) / static_cast<double>(latencies.size()) - own_cpu;
  row.group = static_cast<double>(stats.group_sizes.sum) / static_cast<double>(stats.groups);
  set_percentiles(row, latencies);
  return row;
}

void bench_hashing() {
  const auto commit = store::testing::chat_commit(store::testing::new_run_id());
  constexpr int kLeaves = 500'000;
  double cpu = cpu_us();
  std::size_t bytes = 0;
  for (int i = 0; i < kLeaves; ++i) {
    bytes += audit::encode_leaf(static_cast<LeafIndex>(i), commit.leaves[static_cast<std::size_t>(i) % 5]).size();
  }
  fmt::print("encoding a leaf of {} bytes: {:.2f} us\n", bytes / kLeaves, (cpu_us() - cpu) / kLeaves);
  const std::string leaf = audit::encode_leaf(LeafIndex{1}, commit.leaves[0]);
  audit::CompactRange range;
  cpu = cpu_us();
  for (int i = 0; i < kLeaves; ++i) range.append(audit::leaf_hash(leaf));
  const double us = (cpu_us() - cpu) / kLeaves;
  fmt::print("hashing it into the tree: {:.2f} us, {:.0f} leaves/s of CPU\n", us, 1e6 / us);
}

void run(const std::string& folder, double seconds) {
  constexpr std::size_t kRunBytes = 4096;
  const Row limit = bench_fdatasync(folder + "/sync.bin", seconds, kRunBytes);
  print(limit, limit.per_second);
  for (const int rows : {1, 64})
    print(bench_sqlite(fmt::format("{}/plain{}.db", folder, rows), seconds, kRunBytes, rows), limit.per_second);
  const double own_cpu = producer_cpu_us();
  const std::size_t before = resident_kib();
  {
    const auto idle = open_store(folder + "/idle.db");
    fmt::print("open store, idle: {} KiB more resident memory ({} KiB in all)\n", resident_kib() - before,
               resident_kib());
  }
  int count = 0;
  for (const auto durability : {store::Durability::sync, store::Durability::async}) {
    for (const int producers : {1, 64, 256}) {
      const std::string path = fmt::format("{}/store{}.db", folder, count++);
      print(bench_store(path, seconds, producers, durability, own_cpu), limit.per_second);
    }
  }
  fmt::print("after the load: {} KiB resident memory\n", resident_kib());
  bench_hashing();
  const audit::NoteSigner signer(audit::default_origin(SigningKey::from_seed(std::string(32, 's'))->public_key()),
                                 *SigningKey::from_seed(std::string(32, 's')));
  const auto report = audit::verify_store({fmt::format("{}/store{}.db", folder, count - 1), signer.verifier(), {}});
  SB_ASSERT(report && report->ok());
  fmt::print("verification: {} leaves, {} steps in {:.2f} s: {:.0f} leaves/s\n", report->leaves, report->steps,
             static_cast<double>(report->elapsed_us) / 1e6,
             static_cast<double>(report->leaves) * 1e6 / static_cast<double>(report->elapsed_us));
}

}  // namespace
}  // namespace sb

int main(int argc, char** argv) {
  sb::store::testing::TemporaryFolder scratch;
  const std::string folder = argc > 1 && *argv[1] != '\0' ? argv[1] : scratch.path();
  sb::run(folder, argc > 2 ? std::atof(argv[2]) : 2.0);
}
