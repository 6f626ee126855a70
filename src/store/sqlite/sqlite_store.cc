#include "store/sqlite/sqlite_store.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/statvfs.h>

#include <boost/asio/post.hpp>
#include <filesystem>
#include <limits>

#include "store/file_lock.h"
#include "store/sqlite/checkpointer.h"
#include "store/sqlite/commit_loop.h"
#include "store/sqlite/read_pool.h"
#include "store/sqlite/schema.h"

namespace sb::store {
namespace {

using namespace sqlite;

constexpr std::size_t kCheckpointCacheKib = 256;
constexpr std::size_t kPageBytes = 8192;

// Every part of the store, in the order they are built; gone in the opposite one.
class SqliteStore final : public Store {
 public:
  SqliteStore(FileLock lock, Database checkpoint_database, std::unique_ptr<Writer> writer, CommitLoop::Limits limits,
              std::vector<std::unique_ptr<Reader>> readers, std::chrono::milliseconds scrub_again,
              std::chrono::milliseconds reads_wait_max, std::function<void(std::span<const RunId>)> before_erase)
      : lock_(std::move(lock)),
        checkpointer_(std::move(checkpoint_database), gate_, scrub_again),
        answers_(reads_wait_max),
        before_erase_(std::move(before_erase)) {
    // One that a process before owed may have been lost with it.
    (void)checkpointer_.truncate();
    sqlite3_wal_hook(writer->database().handle(), &SqliteStore::on_commit, this);
    limits.after_group = [this] { checkpointer_.notice(log_pages_.load(std::memory_order_relaxed)); };
    read_pool_ = std::make_unique<ReadPool>(std::move(readers));
    loop_ = std::make_unique<CommitLoop>(std::move(writer), std::move(limits), gate_, answers_);
  }

  Task<Result<>> commit(Commit commit) override {
    const Durability durability = commit.durability;
    const bool alone = commit.alone;
    if (before_erase_ && !commit.erase.empty()) before_erase_(commit.erase);
    SB_CO_TRY(auto prepared, prepare(std::move(commit)));
    if (durability == Durability::async) co_return loop_->push_async(std::move(prepared));
    const Executor executor = co_await asio::this_coro::executor;
    if (alone) {
      if (auto written = loop_->commit_here(prepared)) {
        co_await asio::post(executor, use_task);  // who has come meanwhile is heard before this one goes on
        co_return *std::move(written);
      }
    }
    auto start = [&](auto handler) { loop_->push(std::move(prepared), executor, CommitHandler(std::move(handler))); };
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void(Result<>)>(start, use_task);
  }

  Task<Result<RunRow>> load_run(RunId run) override {
    return read<RunRow>([run](Reader& reader) { return reader.load_run(run); });
  }
  Task<Result<std::vector<StepRow>>> load_steps(RunId run) override {
    return read<std::vector<StepRow>>([run](Reader& reader) { return reader.load_steps(run); });
  }
  Task<Result<std::vector<StreamChunk>>> load_chunks(RunId run, std::uint64_t from_event) override {
    return read<std::vector<StreamChunk>>([=](Reader& reader) { return reader.load_chunks(run, from_event); });
  }
  Task<Result<std::vector<Checkpoint>>> checkpoints(RunId run) override {
    return read<std::vector<Checkpoint>>([=](Reader& reader) { return reader.checkpoints(run); });
  }
  Task<Result<std::optional<RunRow>>> find_idempotent(std::string tenant, std::string key) override {
    return read<std::optional<RunRow>>([tenant = std::move(tenant), key = std::move(key)](Reader& reader) {
      return reader.find_idempotent(tenant, key);
    });
  }
  Task<Result<std::vector<NamedRequest>>> requests_named_without(std::string prefix, std::size_t limit) override {
    return read<std::vector<NamedRequest>>(
        [prefix = std::move(prefix), limit](Reader& reader) { return reader.requests_named_without(prefix, limit); });
  }
  Task<Result<std::vector<RunRow>>> list_runs(RunFilter filter) override {
    return read<std::vector<RunRow>>([filter = std::move(filter)](Reader& reader) { return reader.list_runs(filter); });
  }
  Task<Result<std::vector<RunRow>>> open_runs(std::optional<RunId> after, std::size_t limit) override {
    return read<std::vector<RunRow>>([=](Reader& reader) { return reader.open_runs(after, limit); });
  }
  Task<Result<std::vector<Timer>>> timers(Timer after, std::size_t limit) override {
    return read<std::vector<Timer>>([=](Reader& reader) { return reader.timers(after, limit); });
  }
  Task<Result<std::vector<EventListener>>> listeners(std::string tenant, std::string type, std::int64_t after,
                                                     std::size_t limit) override {
    return read<std::vector<EventListener>>([=, tenant = std::move(tenant), type = std::move(type)](Reader& reader) {
      return reader.listeners(tenant, type, after, limit);
    });
  }
  Task<Result<std::vector<OutboxRow>>> outbox(std::int64_t after, std::size_t limit) override {
    return read<std::vector<OutboxRow>>([=](Reader& reader) { return reader.outbox(after, limit); });
  }
  Task<Result<std::vector<NoteRow>>> notes(RunId run) override {
    return read<std::vector<NoteRow>>([run](Reader& reader) { return reader.notes(run); });
  }
  Task<Result<std::vector<LabelRow>>> labels(LabelFilter filter) override {
    return read<std::vector<LabelRow>>([filter = std::move(filter)](Reader& reader) { return reader.labels(filter); });
  }
  Task<Result<std::uint64_t>> count_labels() override {
    return read<std::uint64_t>([](Reader& reader) { return reader.count_labels(); });
  }
  Task<Result<ReviewRow>> load_review(ReviewId review) override {
    return read<ReviewRow>([review](Reader& reader) { return reader.load_review(review); });
  }
  Task<Result<std::vector<ReviewRow>>> list_reviews(ReviewFilter filter) override {
    return read<std::vector<ReviewRow>>(
        [filter = std::move(filter)](Reader& reader) { return reader.list_reviews(filter); });
  }
  Task<Result<std::vector<CostRow>>> costs(std::string tenant, Micros from_us, Micros to_us) override {
    return read<std::vector<CostRow>>(
        [tenant = std::move(tenant), from_us, to_us](Reader& reader) { return reader.costs(tenant, from_us, to_us); });
  }
  Task<Result<MicroMoney>> spend_of(std::string key, Micros day_us) override {
    return read<MicroMoney>([key = std::move(key), day_us](Reader& reader) { return reader.spend_of(key, day_us); });
  }
  Task<Result<std::optional<std::string>>> load_document(std::string name) override {
    return read<std::optional<std::string>>(
        [name = std::move(name)](Reader& reader) { return reader.load_document(name); });
  }
  Task<Result<std::vector<RunId>>> erasable_runs(ErasableFilter filter) override {
    return read<std::vector<RunId>>(
        [filter = std::move(filter)](Reader& reader) { return reader.erasable_runs(filter); });
  }
  Task<Result<std::uint64_t>> open_runs_of_subject(std::string tenant, std::string subject) override {
    return read<std::uint64_t>([tenant = std::move(tenant), subject = std::move(subject)](Reader& reader) {
      return reader.open_runs_of_subject(tenant, subject);
    });
  }

  Task<Result<std::optional<std::string>>> find_token(std::string tenant, std::string token) override {
    return read<std::optional<std::string>>([tenant = std::move(tenant), token = std::move(token)](Reader& reader) {
      return reader.find_token(tenant, token);
    });
  }
  Task<Result<std::vector<PersonsToken>>> tokens_of_subject(std::string tenant, std::string subject,
                                                            std::size_t limit) override {
    return read<std::vector<PersonsToken>>(
        [tenant = std::move(tenant), subject = std::move(subject), limit](Reader& reader) {
          return reader.tokens_of_subject(tenant, subject, limit);
        });
  }
  Task<Result<SealedPage>> sealed_by_others(std::string tenant, SealedKind kind, unsigned char version,
                                            std::int64_t after, std::size_t limit) override {
    return read<SealedPage>([=, tenant = std::move(tenant)](Reader& reader) {
      return reader.sealed_by_others(tenant, kind, version, after, limit);
    });
  }

  StoreStats stats() const override {
    StoreStats stats = loop_->stats();
    stats.scrub_owed = checkpointer_.owes_truncation() ? 1 : 0;
    stats.wal_bytes = log_pages_.load(std::memory_order_relaxed) * kPageBytes;
    return stats;
  }

  Task<Result<>> flush() override { return wait_for_queued(true); }
  Task<Result<>> scrub() override {
    const Executor executor = co_await asio::this_coro::executor;
    auto start = [&](auto handler) {
      ReadPool::Job job = [this, executor, done = std::move(handler)](Reader&) mutable {
        answer<void>(executor, std::move(done), checkpointer_.truncate());
      };
      read_pool_->push(std::move(job));
    };
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void(Result<>)>(start, use_task);
  }

 private:
  Task<Result<>> wait_for_queued(bool with_head) {
    const Executor executor = co_await asio::this_coro::executor;
    auto start = [&](auto handler) { loop_->flush(with_head, executor, CommitHandler(std::move(handler))); };
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void(Result<>)>(start, use_task);
  }

  // A failing disk does not keep anybody from reading: that barrier's outcome is not asked for.
  Task<Result<>> wait_for_unwritten() {
    if (answers_.limit().count() == 0) {
      (void)co_await wait_for_queued(false);
      co_return Result<>();
    }
    const Executor executor = co_await asio::this_coro::executor;
    const auto patience = std::make_shared<Patience>(executor);
    loop_->flush(false, executor, CommitHandler([patience](const Result<>&) { patience->end(); }));
    if (!co_await patience->wait(answers_.limit())) co_return HeldAnswers::too_late();
    co_return Result<>();
  }

  template <class T, class Query>
  Task<Result<T>> read(Query query) {
    if (read_pool_->is_full()) co_return fail(Errc::unavailable, "too many reads of the store wait already; try again");
    if (loop_->has_unwritten_async()) SB_CO_CHECK(co_await wait_for_unwritten());
    const Executor executor = co_await asio::this_coro::executor;
    auto start = [&](auto handler) {
      ReadPool::Job job = [executor, query = std::move(query), done = std::move(handler)](Reader& reader) mutable {
        answer<T>(executor, std::move(done), query(reader));
      };
      read_pool_->push(std::move(job));
    };
    Result<T> result =
        co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void(Result<T>)>(start, use_task);
    if (answers_.held()) SB_CO_CHECK(co_await answers_.wait());
    co_return result;
  }

  template <class T, class Handler>
  static void answer(const Executor& executor, Handler handler, Result<T> result) {
    asio::post(executor,
               [done = std::move(handler), value = std::move(result)]() mutable { std::move(done)(std::move(value)); });
  }

  static int on_commit(void* self, sqlite3*, const char*, int pages) {
    static_cast<SqliteStore*>(self)->log_pages_.store(static_cast<std::size_t>(pages), std::memory_order_relaxed);
    return SQLITE_OK;
  }

  FileLock lock_;
  std::mutex gate_;
  std::atomic<std::size_t> log_pages_{0};
  Checkpointer checkpointer_;
  HeldAnswers answers_;
  const std::function<void(std::span<const RunId>)> before_erase_;
  std::unique_ptr<ReadPool> read_pool_;
  std::unique_ptr<CommitLoop> loop_;
};

std::uint64_t free_bytes_at(const std::string& folder) {
  struct statvfs info{};
  // A file system that cannot tell is not taken for full.
  if (::statvfs(folder.c_str(), &info) != 0) return std::numeric_limits<std::uint64_t>::max();
  return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite_store(SqliteOptions options, LeafLog& log) {
  SB_TRY(FileLock lock, FileLock::acquire(options.path + ".lock"));
  SB_TRY(Database database, open_for_writing(options.path, options.writer_cache_kib, options.seal));
  if (options.leave_mirrored && !options.sink) {
    SB_TRY(const auto groups, database.integer("SELECT groups FROM mirror_state"));
    if (groups > 0) return fail(Errc::cancelled, fmt::format("{} is mirrored", options.path));
  }
  const Clock& clock = options.clock ? *options.clock : system_clock();
  SB_TRY(std::unique_ptr<Writer> writer, Writer::open(std::move(database), log, clock, options.sink));
  SB_TRY(Database checkpoint_database, open_for_writing(options.path, kCheckpointCacheKib, nullptr));
  std::vector<std::unique_ptr<Reader>> readers;
  for (std::size_t i = 0; i < std::max<std::size_t>(options.reader_threads, 1); ++i) {
    SB_TRY(std::unique_ptr<Reader> reader, Reader::open(options.path, options.reader_cache_kib));
    readers.push_back(std::move(reader));
  }
  if (!options.free_disk_bytes) {
    const auto folder = std::filesystem::path(options.path).parent_path().string();
    options.free_disk_bytes = [folder = folder.empty() ? "." : folder] { return free_bytes_at(folder); };
  }
  CommitLoop::Limits limits{std::max<std::size_t>(options.commit_batch_max, 1),
                            options.queue_max,
                            options.queue_bytes_max,
                            options.min_free_disk_bytes,
                            options.disk_check_every,
                            std::move(options.free_disk_bytes),
                            {},
                            !options.sink};
  return std::make_unique<SqliteStore>(std::move(lock), std::move(checkpoint_database), std::move(writer),
                                       std::move(limits), std::move(readers), options.scrub_again,
                                       options.sink ? options.reads_wait_max : std::chrono::milliseconds(0),
                                       std::move(options.before_erase));
}

}  // namespace sb::store
