/// A store whose every answer comes in virtual time, in front of a real one.
///
/// Commits wait in one queue and are written, one after the other on the simulation's thread, after a drawn latency;
/// a drawn number of them is answered together, as a group commit does. Asynchronous ones are answered at once, and
/// held while the disk is full. Reads take time as well, and see every commit that was acknowledged before them. Once
/// the disk is dead nobody is answered any more.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "simulation/agenda.h"
#include "simulation/draws.h"
#include "store/store.h"
#include "store/testing.h"

namespace sb::simulation {

class StagedStore final : public store::Store {
 public:
  struct Parts {
    store::Store& disk;
    Agenda& agenda;
    Draws& draws;
    std::function<bool()> is_dead;
    std::function<void()> settle;                       ///< waits until all threads behind `disk` are at rest
    std::function<void(const store::Commit&)> writing;  ///< is about to be
    std::function<void(bool on_disk)> written;          ///< the one before; not called where the disk died amid it
    Micros commit_us_max;
    Micros read_us_max;
  };
  explicit StagedStore(Parts parts) : parts_(std::move(parts)) {}

  Task<Result<>> commit(store::Commit commit) override;
  Task<Result<store::RunRow>> load_run(RunId run) override { return read(&Store::load_run, run); }
  Task<Result<std::vector<store::StepRow>>> load_steps(RunId run) override { return read(&Store::load_steps, run); }
  Task<Result<std::vector<store::StreamChunk>>> load_chunks(RunId run, std::uint64_t from_event) override {
    return read(&Store::load_chunks, run, from_event);
  }
  Task<Result<std::vector<store::Checkpoint>>> checkpoints(RunId run) override {
    return read(&Store::checkpoints, run);
  }
  Task<Result<std::optional<store::RunRow>>> find_idempotent(std::string tenant, std::string key) override {
    return read(&Store::find_idempotent, std::move(tenant), std::move(key));
  }
  Task<Result<std::vector<store::NamedRequest>>> requests_named_without(std::string prefix,
                                                                        std::size_t limit) override {
    return read(&Store::requests_named_without, std::move(prefix), limit);
  }
  Task<Result<std::vector<store::RunRow>>> list_runs(store::RunFilter filter) override {
    return read(&Store::list_runs, std::move(filter));
  }
  Task<Result<std::vector<store::RunRow>>> open_runs(std::optional<RunId> after, std::size_t limit) override {
    return read(&Store::open_runs, after, limit);
  }
  Task<Result<std::vector<store::Timer>>> timers(store::Timer after, std::size_t limit) override {
    return read(&Store::timers, after, limit);
  }
  Task<Result<std::vector<store::EventListener>>> listeners(std::string tenant, std::string type, std::int64_t after,
                                                            std::size_t limit) override {
    return read(&Store::listeners, std::move(tenant), std::move(type), after, limit);
  }
  Task<Result<std::vector<store::OutboxRow>>> outbox(std::int64_t after, std::size_t limit) override {
    return read(&Store::outbox, after, limit);
  }
  Task<Result<std::vector<store::LabelRow>>> labels(store::LabelFilter filter) override {
    return read(&Store::labels, std::move(filter));
  }
  Task<Result<std::uint64_t>> count_labels() override { return read(&Store::count_labels); }
  Task<Result<std::vector<store::NoteRow>>> notes(RunId run) override { return read(&Store::notes, run); }
  Task<Result<store::ReviewRow>> load_review(ReviewId review) override { return read(&Store::load_review, review); }
  Task<Result<std::vector<store::ReviewRow>>> list_reviews(store::ReviewFilter filter) override {
    return read(&Store::list_reviews, std::move(filter));
  }
  Task<Result<std::vector<store::CostRow>>> costs(std::string tenant, Micros from_us, Micros to_us) override {
    return read(&Store::costs, std::move(tenant), from_us, to_us);
  }
  Task<Result<MicroMoney>> spend_of(std::string key, Micros day_us) override {
    return read(&Store::spend_of, std::move(key), day_us);
  }
  Task<Result<std::optional<std::string>>> load_document(std::string name) override {
    return read(&Store::load_document, std::move(name));
  }
  Task<Result<std::vector<RunId>>> erasable_runs(store::ErasableFilter filter) override {
    return read(&Store::erasable_runs, std::move(filter));
  }
  Task<Result<std::uint64_t>> open_runs_of_subject(std::string tenant, std::string subject) override {
    return read(&Store::open_runs_of_subject, std::move(tenant), std::move(subject));
  }
  Task<Result<std::optional<std::string>>> find_token(std::string tenant, std::string token) override {
    return read(&Store::find_token, std::move(tenant), std::move(token));
  }
  Task<Result<std::vector<store::PersonsToken>>> tokens_of_subject(std::string tenant, std::string subject,
                                                                   std::size_t limit) override {
    return read(&Store::tokens_of_subject, std::move(tenant), std::move(subject), limit);
  }
  Task<Result<store::SealedPage>> sealed_by_others(std::string tenant, store::SealedKind kind, unsigned char version,
                                                   std::int64_t after, std::size_t limit) override {
    return read(&Store::sealed_by_others, std::move(tenant), kind, version, after, limit);
  }
  store::StoreStats stats() const override { return parts_.disk.stats(); }
  Task<Result<>> flush() override;
  Task<Result<>> scrub() override { return read(&Store::scrub); }

  /// From here on every commit and read takes so many times as long.
  void slow_down(Micros factor) { slowness_ = factor; }
  /// The process is dead: whoever waits is forgotten. REQUIRES that what they work with is still there.
  void drop() { std::exchange(queue_, {}).clear(); }

 private:
  using Answer = std::move_only_function<void(Result<>)>;
  struct Queued {
    store::Commit commit;
    std::optional<Executor> executor;  ///< nothing: asynchronous, answered already
    Answer answer;
    bool is_barrier = false;  ///< of a flush: nothing to be written
  };

  template <class Outcome, class... Wanted, class... Given>
  Task<Outcome> read(Task<Outcome> (Store::*query)(Wanted...), Given... given) {
    return read_with<Outcome>([query, ... args = std::move(given)](Store& disk) mutable {
      return store::testing::wait_for((disk.*query)(std::move(args)...));
    });
  }
  template <class Outcome, class Query>
  Task<Outcome> read_with(Query query) {
    co_await pause(parts_.draws.between(20, parts_.read_us_max) * slowness_);
    if (has_async()) write(queue_.size());
    if (parts_.is_dead()) co_await for_ever();
    const VirtualTime::RealTime for_its_threads;
    co_return query(parts_.disk);
  }
  Task<> for_ever();
  Task<> pause(Micros delay_us);
  Task<Result<>> queued(Queued entry);
  bool has_async() const;
  void write_soon();
  /// The first `count`. Where the disk finds no room, asynchronous ones stay for the next time.
  void write(std::size_t count);
  Result<> write_one(const store::Commit& commit);

  Parts parts_;
  Micros slowness_ = 1;
  std::deque<Queued> queue_;
  bool is_writing_soon_ = false;
  Result<> stalled_;  ///< why the last group found no room
};

}  // namespace sb::simulation
