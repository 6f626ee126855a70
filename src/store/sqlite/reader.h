/// The queries behind Store's reads, over one read-only connection. One thread at a time.
#pragma once

#include <memory>

#include "store/sqlite/sql.h"
#include "store/store.h"

namespace sb::store::sqlite {

class Reader {
 public:
  /// Errors: as open_for_reading.
  static Result<std::unique_ptr<Reader>> open(const std::string& path, std::size_t cache_kib);

  Result<RunRow> load_run(RunId run);
  Result<std::vector<StepRow>> load_steps(RunId run);
  Result<std::vector<StreamChunk>> load_chunks(RunId run, std::uint64_t from_event);
  Result<std::vector<Checkpoint>> checkpoints(RunId run);
  Result<std::optional<RunRow>> find_idempotent(const std::string& tenant, const std::string& key);
  Result<std::vector<NamedRequest>> requests_named_without(const std::string& prefix, std::size_t limit);
  Result<std::vector<RunRow>> list_runs(const RunFilter& filter);
  Result<std::vector<RunRow>> open_runs(std::optional<RunId> after, std::size_t limit);
  Result<std::vector<Timer>> timers(const Timer& after, std::size_t limit);
  Result<std::vector<EventListener>> listeners(const std::string& tenant, const std::string& type, std::int64_t after,
                                               std::size_t limit);
  Result<std::vector<OutboxRow>> outbox(std::int64_t after, std::size_t limit);
  Result<std::vector<NoteRow>> notes(RunId run);
  Result<std::vector<LabelRow>> labels(const LabelFilter& filter);
  Result<std::uint64_t> count_labels();
  Result<ReviewRow> load_review(ReviewId review);
  Result<std::vector<ReviewRow>> list_reviews(const ReviewFilter& filter);
  Result<std::vector<CostRow>> costs(const std::string& tenant, Micros from_us, Micros to_us);
  Result<MicroMoney> spend_of(const std::string& key, Micros day_us);
  Result<std::optional<std::string>> load_document(const std::string& name);
  Result<std::vector<RunId>> erasable_runs(const ErasableFilter& filter);
  Result<std::uint64_t> open_runs_of_subject(const std::string& tenant, const std::string& subject);
  Result<std::optional<std::string>> find_token(const std::string& tenant, const std::string& token);
  Result<std::vector<PersonsToken>> tokens_of_subject(const std::string& tenant, const std::string& subject,
                                                      std::size_t limit);
  Result<SealedPage> sealed_by_others(const std::string& tenant, SealedKind kind, unsigned char version,
                                      std::int64_t after, std::size_t limit);

 private:
  explicit Reader(Database database) : database_(std::move(database)) {}

  Result<> prepare_statements();
  Result<> fill_payload(RunRow& run, std::int64_t no, std::int64_t final_at);
  Result<RunRow> read_whole_run(Statement& statement);
  /// The run's journal bodies from newest to oldest, until `visit` says false.
  Result<> walk(RunId run, const std::function<Result<bool>(std::string_view unpacked)>& visit);
  Result<std::vector<RunRow>> open_runs_of(RunStatus status, const Uuid& after, std::size_t limit);

  Database database_;
  Statement begin_, end_;
  Statement run_by_id_, run_by_key_, chain_, journal_, state_, data_key_, open_runs_, review_, costs_, spend_,
      document_, token_, timers_, listeners_, outbox_, notes_, labels_, count_labels_;
};

}  // namespace sb::store::sqlite
