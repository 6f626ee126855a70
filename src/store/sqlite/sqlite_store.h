/// The store in one SQLite file: write-ahead log, synchronous=FULL, one writer thread with group commit, readers beside
/// it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "store/store.h"

namespace sb::store {

namespace sqlite {
class GroupSink;
}

/// Seals a document that an earlier version kept in clear. Within one upgrade it gets "tenant_keys" first (empty: there
/// is none) and answers as that is to be stored from now on.
using SealDocument = std::function<Result<std::string>(std::string_view name, std::string_view text)>;

struct SqliteOptions {
  std::string path;                              ///< the database file; its -wal, -shm and .lock stand beside it
  std::size_t commit_batch_max = 512;            ///< commits a transaction
  std::size_t queue_max = 16'384;                ///< commits that wait; beyond it commit() answers unavailable
  std::size_t queue_bytes_max = 16 << 20;        ///< and bytes: what a stalled disk may cost in memory
  std::uint64_t min_free_disk_bytes = 64 << 20;  ///< with less, commits answer disk_full until there is more
  std::chrono::milliseconds disk_check_every{100};
  std::chrono::milliseconds scrub_again{5'000};  ///< pause before a scrub() that failed is tried anew
  std::size_t reader_threads = 2;
  std::size_t writer_cache_kib = 4096;  ///< upper bounds, memory is taken as it is used
  std::size_t reader_cache_kib = 1024;
  sqlite::GroupSink* sink = nullptr;  ///< null: nobody; outlives the store
  /// For the sink to have what a read saw; then the read answers unavailable. Zero: where committed() never waits.
  std::chrono::milliseconds reads_wait_max{10'000};
  bool leave_mirrored = false;  ///< a database that a mirror follows is not opened without a sink
  SealDocument seal;            ///< null: a database with documents in clear is not opened
  /// Told of the runs whose content a commit will erase, on the thread that commits, before anything is written:
  /// whoever holds a copy in memory drops it. Null: nobody does.
  std::function<void(std::span<const RunId>)> before_erase{};
  const Clock* clock = nullptr;                    ///< null: the machine's
  std::function<std::uint64_t()> free_disk_bytes;  ///< null: of the file system that holds `path`
};

/// Opens or creates the database, brings its schema up to date, opens `log`. `log` outlives the store; the io_contexts
/// that callers run on do too. The store's destructor writes all that is queued. Errors: conflict (another process has
/// it; its id in `detail`), unsupported (made by a newer version, or by one that sealed less, without `seal`),
/// cancelled (leave_mirrored, and it is mirrored), corrupt, permission_denied, disk_full.
Result<std::unique_ptr<Store>> open_sqlite_store(SqliteOptions options, LeafLog& log);

}  // namespace sb::store
