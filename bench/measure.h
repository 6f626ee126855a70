/// What benchmarks share: time, percentiles, and what the disk gives to whoever asks SQLite alone.
#pragma once

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "base/errors.h"

namespace sb::bench {

using Steady = std::chrono::steady_clock;

inline double seconds_since(Steady::time_point begin) {
  return std::chrono::duration<double>(Steady::now() - begin).count();
}

/// User and system time of the process so far.
inline double cpu_us(int who = RUSAGE_SELF) {
  rusage usage{};
  getrusage(who, &usage);
  const auto us = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

struct Row {
  std::string name;
  double per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
  double cpu_us = 0;
  double group = 1;
};

inline void set_percentiles(Row& row, std::vector<double>& latencies) {
  if (latencies.empty()) return;
  std::ranges::sort(latencies);
  row.p50_us = latencies[latencies.size() / 2];
  row.p99_us = latencies[latencies.size() * 99 / 100];
}

/// The bound: durable rows a second that SQLite appends to one table, synchronous=FULL, with nothing else to do.
inline Row bench_sqlite(const std::string& path, double seconds, std::size_t bytes, int rows_per_commit) {
  Row row{fmt::format("SQLite, {} rows of {} bytes a commit", rows_per_commit, bytes)};
  sqlite3* database = nullptr;
  SB_ASSERT(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
  sqlite3_exec(database,
               "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (id INTEGER "
               "PRIMARY KEY, body BLOB)",
               nullptr, nullptr, nullptr);
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(database, "INSERT INTO t (body) VALUES (?)", -1, &insert, nullptr);
  const std::string body(bytes, 'x');
  std::vector<double> latencies;
  const double cpu = cpu_us();
  const auto begin = Steady::now();
  while (seconds_since(begin) < seconds) {
    const auto start = Steady::now();
    sqlite3_exec(database, "BEGIN", nullptr, nullptr, nullptr);
    for (int i = 0; i < rows_per_commit; ++i) {
      sqlite3_bind_blob(insert, 1, body.data(), static_cast<int>(body.size()), SQLITE_STATIC);
      SB_ASSERT(sqlite3_step(insert) == SQLITE_DONE);
      sqlite3_reset(insert);
    }
    SB_ASSERT(sqlite3_exec(database, "COMMIT", nullptr, nullptr, nullptr) == SQLITE_OK);
    latencies.push_back(seconds_since(start) * 1e6);
  }
  const double count = static_cast<double>(latencies.size()) * rows_per_commit;
  row.per_second = count / seconds_since(begin);
  row.cpu_us = (cpu_us() - cpu) / count;
  row.group = rows_per_commit;
  set_percentiles(row, latencies);
  sqlite3_finalize(insert);
  sqlite3_close(database);
  return row;
}

}  // namespace sb::bench
