/// Drives runs: asks the machine what is next, does it, commits, until the run is finished or parked.
///
/// One Engine a shard, on that shard's io_context; runs never change shards while they are in memory. Order of things
/// that crashes must not change: the guard sees the input before it is stored; with durability sync a run is on disk
/// before its first effect, and its outcome before anybody is told.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/errors.h"
#include "base/ids.h"
#include "base/task.h"
#include "base/workers.h"
#include "flow/answer_cache.h"
#include "flow/call_decision.h"
#include "flow/carried.h"
#include "flow/containers.h"
#include "flow/dsl/functions.h"
#include "flow/event_hub.h"
#include "flow/external_guard.h"
#include "flow/in_flight.h"
#include "flow/lifecycle.h"
#include "flow/lifecycle_post.h"
#include "flow/live_run.h"
#include "flow/outbound/given_values.h"
#include "flow/outbound/http_call.h"
#include "flow/parking.h"
#include "flow/records_out.h"
#include "flow/sealer.h"
#include "flow/work_gate.h"
#include "keys/envelope.h"
#include "keys/limits.h"
#include "keys/pseudonym.h"
#include "model/gateway.h"
#include "policy/sealed_value.h"
#include "script/runner.h"
#include "store/patient_read.h"
#include "store/store.h"
#include "triage/likeness.h"
#include "triage/live_router.h"
#include "triage/router.h"
#include "triage/trials.h"

namespace sb::script {
struct ProcessResult;
}

namespace sb::flow {

struct Publication;

/// Flows by id; immutable entries, thread-safe look-up. New versions may be added while runs go on with theirs.
class FlowRegistry {
 public:
  /// Errors: already_exists (same version, other content).
  Result<bool> add(std::shared_ptr<const Flow> flow);  ///< false: the same was there
  /// `version` empty: the highest. Errors: not_found.
  Result<std::shared_ptr<const Flow>> find(std::string_view ns, std::string_view name,
                                           std::string_view version = {}) const;
  Result<std::shared_ptr<const Flow>> find_id(std::string_view id) const;
  std::vector<std::shared_ptr<const Flow>> list() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const Flow>, std::less<>> flows_;
};

/// Flows of this namespace are the server's own.
inline constexpr std::string_view kOwnNamespace = "signalbox";
/// As what the input of a flow's runs is looked at.
inline policy::JsonProfile profile_of(const Flow& flow) {
  const bool is_chat = flow.ns == kOwnNamespace && flow.name == "chat";
  return is_chat ? policy::JsonProfile::chat_request : policy::JsonProfile::any;
}
/// Last line of a stream's journal: without it the stream did not reach its end.
inline constexpr std::string_view kStreamEnd = "[DONE]";

/// Where the state of the promise's guard is kept (triage/live_router.h).
inline constexpr char kPromiseDocument[] = "triage_promise";
/// The flow that asks another model what it thinks of an answer.
inline constexpr char kSecondOpinion[] = "signalbox/second-opinion@1.0.0";

/// Answers of scripts and of the small model that another model is asked about, beside the caller and after the answer.
struct DoubleAnswers {
  std::uint32_t per_mille = 0;  ///< of these answers, drawn by their runs' ids; 0: none
  std::string judge = "large";  ///< tier or model
  double errs = 0.05;           ///< of right answers, the share that it calls wrong
  std::size_t at_once = 8;      ///< beyond it none is asked about
};

struct EngineOptions {
  std::string compare_with_tier = "large";  ///< tier whose price the savings are counted against
  std::size_t recover_in_parallel = 32;
  std::size_t stream_batch_bytes = 16 * 1024;  ///< deltas are journaled in batches of this size
  std::chrono::milliseconds review_claim{300'000};
  std::size_t answer_bytes_max = 8 * 1024 * 1024;
  std::set<std::string> processes{};              ///< of python, shell: what `run` may start beside JavaScript
  ContainerOptions containers{};                  ///< not configured: none runs
  std::chrono::milliseconds record_again{2'000};  ///< pause before a run that found no room is taken up again
  std::size_t timers_near = 4096;                 ///< of runs at rest: so many in memory, twice as many at most
  DoubleAnswers double_answers{};
  bool always_sync = false;                    ///< whatever flows say: what is answered must be in the mirror
  LifecycleOptions lifecycle{};                ///< what becomes of runs, for those who want to be told
  std::size_t checkpoint_bytes_max = 4 << 20;  ///< of a run's checkpoints that are kept; 0: none are
};

/// What an engine works with. Borrowed; all of it outlives the engine.
struct EngineParts {
  store::Store& store;
  const Clock& clock;
  Entropy& entropy;
  const Sealer& sealer;
  InFlight& in_flight;
  const FlowRegistry& flows;
  SpendLedger& ledger;
  model::ModelGateway& gateway;
  const model::Catalog& catalog;
  script::ScriptRunner* scripts;                                  ///< null: no scripts configured
  const script::ScriptRegistry* script_registry;                  ///< null with it
  std::function<std::shared_ptr<const policy::Policy>()> policy;  ///< the one in force now
  std::function<std::shared_ptr<const triage::Router>()> router;  ///< null inside: no triage, everything to `large`
  const TenantKeys& tenant_keys;                                  ///< its value keys hash and seal what a policy says
  Pseudonyms pseudonyms;                                          ///< of actors and subjects
  const policy::InjectionScorer* injection = nullptr;             ///< null: injection checks object to everything
  Outbound* outbound = nullptr;                                   ///< null: flows call nothing outside
  EventHub* events = nullptr;                                     ///< null: emitted events reach nobody
  std::shared_ptr<const json::object> secrets{};                  ///< of flows, by name
  ExternalGuard* outside = nullptr;                               ///< null: checks over HTTP object to everything
  AnswerCache* answers = nullptr;                                 ///< null: each request goes to a model
  std::shared_ptr<const triage::Likeness> likeness{};             ///< null: no question is like another
  std::optional<EventsOut> events_out{};                          ///< nothing: emitted events stay here
  triage::LiveRouter* promise = nullptr;                          ///< null: nobody watches what triage promises
  std::function<void(std::string_view route, bool wrong)> on_verdict{};  ///< of an answer; empty: nobody counts them
  std::function<void(CacheOutcome)> on_cache{};                          ///< likewise
  std::function<void(const triage::Verdict&)> on_verified{};             ///< of answers of the small model; likewise
  std::function<void()> on_outbox{};                                     ///< a run has something to tell; likewise
  triage::Trials* trials = nullptr;                                      ///< null: no candidate is tried
  std::function<void(const triage::RouteDecision&)> on_trial{};  ///< of requests in trials; empty: nobody counts
  WorkGate* gate = nullptr;  ///< null: as many runs are at work as come; shared by all engines
  /// What a key may spend in a day, 0: no limit. Asked at each call, so it holds for whatever a key pays: runs that
  /// were at rest, or begin by another run, an event or a schedule. Empty: no key has a limit.
  std::function<MicroMoney(const KeyId&)> spend_limit{};
  std::optional<RecordsOut> records_out{};      ///< nothing: flows write to no broker
  WorkGate* container_gate = nullptr;           ///< how many containers run at once; null: as many as come
  GoingContainers* containers_going = nullptr;  ///< null where no container runs
};

/// Why a run ended before its first task; nothing: it did not.
std::optional<Errc> refusal(std::string_view instance);

struct RunRequest {
  std::shared_ptr<const Flow> flow;
  std::string tenant;
  std::string key;
  std::string input;  ///< JSON as it came
  policy::JsonProfile profile = policy::JsonProfile::any;
  std::string requested_model;  ///< of a chat; empty otherwise
  std::string idempotency_key;
  std::string request_hash;
  std::string request_id;
  std::string subject;                       ///< the person whose data it is, as the caller names them; empty: not told
  Durability durability = Durability::sync;  ///< unless its flow says another
  bool stream = false;
  bool include_usage = false;
  CancelSource* cancel = nullptr;
  Audience* audience = nullptr;
  std::optional<KeyId> spender;
  bool may_restore = true;  ///< the caller may see the values behind the placeholders
  CacheWishes cache{};
  Carried carried{};          ///< with an input that another run gives; then `subject` and `may_restore` are its
  bool beyond_queue = false;  ///< it comes however many wait: somebody at work waits for it, or nobody would ask again
};

class Engine {
 public:
  Engine(asio::io_context& io, EngineParts parts, EngineOptions options);
  ~Engine();

  /// Guards the input and makes the run, in memory. Errors: invalid_argument, too_large, policy_denied (inbound block).
  Result<std::shared_ptr<LiveRun>> prepare(RunRequest request, std::shared_ptr<Pending> pending, RunId id);
  /// Whether others of this shard would have to wait too long for it.
  bool is_long(const RunRequest& request) const;
  /// The same for these: a thread of their own looks at the input, one after the other.
  Task<Result<std::shared_ptr<LiveRun>>> prepare_long(RunRequest request, std::shared_ptr<Pending> pending, RunId id);

  /// Works on the run until it is finished or parked, and commits. The run's own failure is its outcome, not an error.
  /// Errors: what kept the record from being written (disk_full, unavailable, lease_lost). A run that is on disk then
  /// goes on from its last commit as soon as there is room again, like after a crash.
  Task<Result<>> drive(std::shared_ptr<LiveRun> run);

  /// Whether a new run may come: it would be at work, or there is room in its tenant's queue. To be asked before
  /// `prepare` by those who start runs themselves.
  bool takes(std::string_view tenant, const Flow& flow);
  /// The refusal where it may not.
  static Error queue_full();

  /// Makes the run durable (status running) without working on it: what `202 Accepted` promises.
  Task<Result<>> accept(std::shared_ptr<LiveRun> run);
  /// Goes on in the background; the run outlives its caller.
  void spawn(std::shared_ptr<LiveRun> run);
  /// The same, and waits until the run is on disk with what it was told. Errors: as drive.
  Task<Result<>> spawn_until_commit(std::shared_ptr<LiveRun> run);

  /// Rebuilds a run from its row, under a new epoch. Errors: not_found (flow version gone), corrupt.
  Result<std::shared_ptr<LiveRun>> resume(store::RunRow row, std::shared_ptr<Pending> pending);
  /// A finished or parked run as it can be answered from again: guard, output or problem. Errors: corrupt.
  Result<std::shared_ptr<LiveRun>> reopen(store::RunRow row, bool may_restore = true);
  /// The journaled events of a finished stream, one payload each; empty if the answer was not streamed to its end.
  Task<std::vector<std::string>> stored_events(const LiveRun& run);
  /// What a review asks, opened; null where it cannot be.
  json::value open_question(const store::ReviewRow& review, const store::RunRow& run) const;

  /// Takes up runs that a stopped server left open, `recover_in_parallel` at a time over all calls. Each is read when
  /// its turn comes: what is in work here, or finished meanwhile, is left alone. On the shard's thread.
  void recover(const std::vector<RunId>& runs);

  /// A person's verdict: commits it with the run's new state in one transaction, then lets the run go on.
  /// `verdict`: {"verdict": "approve"|"edit"|"reject", "text"?, "reason"?, "intent"?}: of a chat whose query asks for
  /// `intent`, which the classifier knows, that becomes a label. A person's text passes the policy like a
  /// model's, outbound checks over HTTP included; so does a proposal that is approved.
  /// Errors: not_found, conflict, invalid_argument, policy_denied (the text; the review stays open, `detail` names the
  /// check).
  /// `teaches`: an intent in the verdict is a label, from which triage learns for all tenants.
  Task<Result<store::ReviewRow>> decide(ReviewId review, std::string reviewer, json::object verdict,
                                        bool teaches = true);
  Task<Result<store::ReviewRow>> claim(ReviewId review, std::string reviewer);

  struct Started {
    RunId run;
    bool is_on_disk = true;         ///< false: another start with the same key has not come so far
    bool is_new = false;            ///< this start made it
    std::optional<Errc> refused{};  ///< it ended before its first task: policy_denied, invalid_argument (input schema)
  };
  /// Starts a run that nobody waits for, as `request.idempotency_key` in clear; the same key again is the same run.
  /// Returns when it is on disk. Errors: as prepare and accept; already_exists (the key was another request's);
  /// rate_limited (as many wait as may).
  Task<Result<Started>> start(RunRequest request);
  /// The same for a schedule, a child, an event.
  Task<Result<RunId>> launch(std::shared_ptr<const Flow> flow, std::string tenant, std::string key, std::string input,
                             std::string idempotency_key, Carried carried, bool beyond_queue = false);
  /// Offers an event to runs of this shard that are in memory and listen, but for those in `told`, which grows by them.
  /// The number that took it. Errors: as EventHub::publish.
  Task<Result<std::size_t>> deliver(json::value event, std::string tenant, Carried carried, std::set<RunId>& told);
  /// The same to runs at rest that are this engine's (EventHub::owns).
  Task<Result<std::size_t>> deliver_at_rest(json::value event, std::string tenant, Carried carried,
                                            std::set<RunId>& told);
  /// Starts the flows that the event starts. Their number. Errors: as EventHub::publish.
  Task<Result<std::size_t>> start_by_event(json::value event, std::string tenant, std::string name, Carried carried);
  /// Suspends, resumes or cancels a run of this shard, or, with `last`, one that is at rest. False: it is not here.
  /// Errors: not_found, conflict.
  Task<Result<bool>> command(RunId run, EventHub::Verb verb, std::string actor, bool last);
  // time_travel.cc
  /// Where in a run: before the step of that index, or the last time that it came to the task. Neither: nowhere said.
  struct Goal {
    std::optional<std::uint32_t> step;
    std::string task;  ///< JSON pointer
    bool any() const { return step || !task.empty(); }
  };
  /// Who wants it, and the document by which the same wish is known when it comes again (empty: it is not).
  struct Order {
    std::string actor;
    std::string document;
    std::string said;  ///< of the document
  };
  /// A run that failed or was stopped goes on from `goal`; from where it failed if none is said. Returns when that is
  /// on disk. Errors: not_found; conflict (its status, its content was erased, its flow is gone, nothing was kept to go
  /// on from); invalid_argument (the goal: there is no such step or task, or it is in a branch); unavailable.
  Task<Result<>> retry(RunId run, Goal goal, Order order);
  struct Fork {
    store::RunRow origin;                           ///< as the store has it
    Goal goal;                                      ///< none: its beginning
    std::optional<std::string> input{}, context{};  ///< JSON: of the task that it begins at, and the flow's
  };
  /// A new run, in memory, that begins where the other one stood. `request`: who wants it, with neither flow nor input.
  /// Errors: as retry; policy_denied (input or context).
  Task<Result<std::shared_ptr<LiveRun>>> prepare_fork(Fork fork, RunRequest request, std::shared_ptr<Pending> pending,
                                                      RunId id);
  /// From here on runs that the store has at rest, and are this engine's, are woken when their time comes.
  void watch_timers();
  /// A run that is this engine's is at rest until `due_us`. On the shard's thread.
  void set_timer(RunId run, Micros due_us);
  /// Starts flows by their schedule, on one engine of the server.
  void keep_schedules();

  // container_runs.cc
  /// Removes containers that flows have left, and stops those that nobody waits for; on one engine of the server.
  void keep_containers();

  // promise.cc
  /// A verdict on an answer, of a person or of a model.
  struct Judged {
    std::string_view route;  ///< that answered
    bool wrong = false;
    bool counts = true;        ///< the guard of the promise takes it for one of answers drawn at random
    double errs = 0;           ///< of right answers, the share that this judge calls wrong
    std::string_view trial{};  ///< whose candidate chose the route; empty: the router in force did
  };
  void judged(const Judged& verdict);
  /// Whose candidate chose the run's route; empty: none. Errors: as the store's.
  Task<Result<std::string>> deciding_trial(RunId run);
  /// What somebody says of a run, as the policy lets it be stored, under the run's key.
  struct Remark {
    std::string sealed;
    std::string commitment;  ///< for the record
  };
  /// Errors: policy_denied; corrupt.
  Result<Remark> seal_remark(const store::RunRow& run, std::string_view author, std::string_view text) const;
  /// Errors: corrupt.
  Result<std::string> open_remark(const store::RunRow& run, std::string_view author, std::string_view sealed) const;

  // noting.cc
  struct Noting {
    store::NoteRow row;
    std::string commitment;  ///< for the record; empty: of a tag
  };
  /// What `author` notes on a stored run, as the policy lets it be stored. `said`: as read_note gives it. The same
  /// author's note of that name, or text, has the same NoteRow::name. Errors: policy_denied; not_found (erased),
  /// corrupt.
  Result<Noting> noting(const store::RunRow& run, store::NoteKind kind, const json::value& said,
                        std::string_view author) const;
  /// Whether a note is the one that `noting` made of the same. Errors: not_found (erased), corrupt.
  Result<bool> says_the_same(const store::RunRow& run, const store::NoteRow& before, const json::value& said) const;
  /// As notes_json. `restorer`: of a caller who may see the values behind the run's placeholders; null: they stay.
  /// Errors: corrupt.
  Result<json::object> open_notes(const store::RunRow& run, const std::vector<store::NoteRow>& notes,
                                  const GuardSession* restorer = nullptr) const;

  // labelling.cc
  /// `text` as a label of a stored run, in the form in which triage would see it: as the policy lets a chat's query
  /// pass. `label`: who says what of it. On record is that there is one, with no commitment: another may take its
  /// place, or it is taken back, and nothing could be held against it then. Errors: policy_denied, not_found (erased),
  /// corrupt; invalid_argument and too_large (the classifier would not read it, or not to its end).
  Result<store::LabelRow> labelling(const store::RunRow& run, std::string_view text, store::LabelRow label) const;
  /// What triage looked at in a stored run. Errors: invalid_argument (it is no chat), not_found (erased), corrupt.
  Result<std::string> query_of(store::RunRow run) const;

  /// Opens sealed columns of a row in place.
  Result<> unseal(store::RunRow& row) const;
  /// Opens what the run's steps say in their errors, in place.
  Result<> unseal(const store::RunRow& row, std::vector<store::StepRow>& steps) const;

  std::size_t runs_in_memory() const { return runs_; }
  /// The one in force; null: no triage.
  std::shared_ptr<const triage::Router> router() const { return parts_.router(); }
  const Sealer& sealer() const { return parts_.sealer; }

  /// The encrypted values in `text` that belong to this tenant, in clear: for those with the permission.
  policy::OpenedText reveal(std::string_view tenant, std::string_view text) const;

 private:
  static constexpr std::size_t kLongInput = 256 << 10;  // some 30 ms of looking, 60 where it is made to be slow
  static constexpr std::size_t kOwnCost = 8;            // of our detectors a byte, in places of a policy's patterns
  // opening.cc: how runs come into memory
  struct Opening;
  Result<Opening> open(RunRequest request, std::shared_ptr<Pending> pending, RunId id);
  static Result<GuardOutcome> inspect(Opening& opening);
  std::shared_ptr<LiveRun> begin(Opening opening, GuardOutcome inbound);
  static store::RunRow new_row(RunRequest& request, RunId id, Micros now, std::string subject, std::string wrapped_key);
  void take_wishes(LiveRun& run, RunRequest& request, std::shared_ptr<Pending> pending);
  void begin_record(LiveRun& run);
  /// What the guard found, as a checkpoint says it.
  static void read_findings(LiveRun& run, const json::value& state);
  std::span<const std::string> reach_of(policy::JsonProfile profile, std::string_view model) const;
  void refuse_inbound(LiveRun& run, policy::Verdict verdict, std::string_view reasons);
  std::string tenant_key(std::string_view tenant) const;
  Task<Result<>> adopt_tenant_tokens(LiveRun& run);

  struct CallResult {
    Data output;
    RecordJson decision;
    bool parked = false;
    json::value authorization = nullptr;
  };

  Task<Result<>> advance(LiveRun& run);
  Task<Result<>> finish(LiveRun& run);
  // recording.cc: what goes on record, and to disk
  void record(LiveRun& run, store::StepRow step, RecordJson decision = {});
  static void make_recordable(LiveRun& run, store::StepRow& step, RecordJson& decision);
  void record_pure(LiveRun& run);
  void record_leaf(LiveRun& run, std::string kind, RecordJson summary, std::string payload_commit = {});
  void chain(LiveRun& run, store::LeafDraft& leaf) const;
  /// `model`: that answered; empty: none did.
  static const CanonicalJson& versions_of(LiveRun& run, std::string_view model);
  /// What decides from here on, as the record names it.
  void note_versions(LiveRun& run) const;
  /// `told`: somebody outside waits for it, whatever the run's durability.
  Task<Result<>> commit(LiveRun& run, store::RunStatus status, bool told = false);
  static bool owes_checkpoint(const LiveRun& run);
  Durability durability_of(const Flow& flow, Durability wanted) const;
  /// Where the run stands now is kept, for those who want to go on from here later.
  void keep_checkpoint(LiveRun& run);
  void take_result(LiveRun& run, std::uint32_t effect, Data output);
  /// `is_answer`: as Machine::fault.
  void take_failure(LiveRun& run, std::uint32_t effect, Problem problem, bool is_answer);
  // lifecycle_telling.cc: what becomes of runs, for those who want to be told
  /// From here on it is marked what becomes of it.
  void observe(LiveRun& run) const;
  void mark(LiveRun& run, LifecycleMark mark) const;
  void mark_end(LiveRun& run, store::RunStatus status) const;
  /// What was marked, into the commit that makes it so.
  void tell_marks(LiveRun& run, store::Commit& commit) const;
  Telling telling(LiveRun& run, const LifecycleMark& mark) const;
  // functions.cc
  Task<std::expected<CallResult, Problem>> call(LiveRun& run, const Machine::Call& call);
  Task<std::expected<CallResult, Problem>> script(LiveRun& run, const Machine::Call& call);
  void count_saving(LiveRun& run, const model::Usage& usage);
  // effects.cc: what reaches outside; several of one run may be under way
  static bool is_outside(const TaskNode& task);
  Task<std::expected<CallResult, Problem>> effect(LiveRun& run, Machine::Call call, CancelSource& cancel);
  Task<std::expected<CallResult, Problem>> http_call(LiveRun& run, Machine::Call call, CancelSource& cancel);
  Task<std::expected<CallResult, Problem>> grpc_call(LiveRun& run, Machine::Call call, CancelSource& cancel);
  Task<std::expected<CallResult, Problem>> rpc_call(LiveRun& run, Machine::Call call, CancelSource& cancel);
  Task<std::expected<CallResult, Problem>> emit(LiveRun& run, Machine::Call call);
  /// An event that has passed the policy, to the inbox and to systems outside; for as long as the effect is wanted.
  Task<std::expected<void, Problem>> publish(LiveRun& run, std::uint32_t effect, const Data& event);
  Task<std::expected<CallResult, Problem>> process(LiveRun& run, Machine::Call call, CancelSource& cancel);
  /// What a program that ran for the task has left, past the policy.
  static std::expected<CallResult, Problem> process_ended(LiveRun& run, const Machine::Call& call,
                                                          const script::ProcessResult& result);
  Task<std::expected<CallResult, Problem>> child_run(LiveRun& run, Machine::Call call);
  // container_runs.cc
  Task<std::expected<CallResult, Problem>> container(LiveRun& run, Machine::Call call, CancelSource& cancel);
  Task<Result<std::unique_ptr<WorkGate::Ticket>>> container_place(const LiveRun& run, CancelSource& cancel);
  /// REQUIRES check_container. Errors: as script::run_host_program; internal (the runtime's own).
  Task<Result<script::ProcessResult>> run_container(const ContainerSpec& spec, RunId id, std::uint32_t effect,
                                                    CancelSource& cancel);
  /// It is there and has begun. Errors: as run_container.
  Task<Result<ContainerState>> start_container(const ContainerSpec& spec, RunId id, std::uint32_t effect,
                                               CancelSource& cancel);
  Task<Result<script::ProcessResult>> await_container(std::string name, Micros started_us, CancelSource& cancel);
  Task<Result<script::ProcessResult>> ask_runtime(std::vector<std::string> command, CancelSource* cancel = nullptr);
  Task<Result<ContainerState>> inspect_container(std::string name);
  Task<void> remove_container(std::string name);
  Task<void> remove_container_later(SpentContainer container);
  /// What came of them is on disk.
  void release_containers(std::vector<SpentContainer> spent);
  Task<void> sweep_containers();
  Task<void> sweep_container(std::string name);
  std::expected<CallResult, Problem> guarded(LiveRun& run, HttpAnswer answer, std::string_view as,
                                             const GivenValues& given);
  static Result<GuardOutcome> guard_reply(LiveRun& run, std::string told, const GivenValues& given);
  Result<> guard_question(LiveRun& run, HttpQuestion& question);
  /// As guard_question, and with the values that this very service may have. `effect`: whose decision says so.
  Result<GivenValues> guard_and_give(LiveRun& run, std::uint32_t effect, HttpQuestion& question);
  /// The guard over any JSON, numbers and words alone too. Errors: as GuardSession::inspect.
  static Result<GuardOutcome> guard_json(LiveRun& run, std::string document,
                                         policy::Direction direction = policy::Direction::outbound,
                                         const RecordJson& given = {});
  json::object secrets_of(const LiveRun& run) const;
  // described_calls.cc: what a document describes
  struct Description {
    json::value document;
    std::string url;
  };
  Task<std::expected<Description, Problem>> describe(LiveRun& run, const Machine::Call& call, CancelSource& cancel);
  /// A request that the document made of the call's arguments.
  Task<std::expected<CallResult, Problem>> ask_described(LiveRun& run, const Machine::Call& call, HttpQuestion question,
                                                         CancelSource& cancel);
  Task<std::expected<CallResult, Problem>> openapi_call(LiveRun& run, Machine::Call call, CancelSource& cancel);
  Task<std::expected<CallResult, Problem>> asyncapi_call(LiveRun& run, Machine::Call call, CancelSource& cancel);
  Task<std::expected<CallResult, Problem>> write_record(LiveRun& run, const Machine::Call& call,
                                                        const Publication& publication, CancelSource& cancel);
  // made.cc: what a flow's expressions made
  /// `with` of a task as a script, a process or a person may see it: by the rules of what goes to a model. What the
  /// flow's author wrote is left alone, and so are its secrets. `definition`: pointer below the task's own.
  std::expected<json::value, Problem> handed(LiveRun& run, const Machine::Call& call, std::string_view definition);
  /// The run's output as its caller, and the store, may see it; or `problem`.
  Task<void> guard_output(LiveRun& run);
  std::expected<CallResult, Problem> guard_made(LiveRun& run, std::string text);
  /// An error as the record and the caller may see it.
  Problem treated(LiveRun& run, Problem problem);
  /// The same; where the policy lets nothing of it out, the error that stands for it.
  static std::expected<Problem, Problem> policed(LiveRun& run, Problem problem);
  /// What goes along with a text that the run gives to another. Errors: as guard_json.
  static Result<Carried> carried_with(LiveRun& run, std::string_view text);
  /// What a child's run says, in this run's placeholders and through its policy. Errors: corrupt (the child's vault);
  /// as guard_json.
  static Result<GuardOutcome> told_by_child(LiveRun& run, const store::RunRow& child, std::string_view text);
  // waiting.cc: branches, parked runs, events, commands
  Task<Result<>> answer_waiter(LiveRun& run);
  Task<Result<>> begin_effect(LiveRun& run, const Machine::Call& due);
  Task<void> next_result(LiveRun& run);
  /// False: an event came meanwhile, the run goes on.
  Task<Result<bool>> park(LiveRun& run);
  /// The same, until a person answers `call`. False: what has happened meanwhile comes first, and nobody is asked.
  Task<Result<bool>> park_for_person(LiveRun& run, std::uint32_t call);
  void record_command(LiveRun& run, EventHub::Verb verb, const std::string& actor);
  Task<Result<>> suspend(LiveRun& run);
  void record_given(LiveRun& run);
  /// A run that the store has and nobody works on, for this coroutine alone; `let_go` or drive it. Null: it is in work,
  /// or no more `wanted`. Errors: as the store's, and resume's.
  Task<Result<std::shared_ptr<LiveRun>>> take_up(RunId id, std::function<bool(const store::RunRow&)> wanted);
  void let_go(const LiveRun& run);
  /// The number that took it. The first error ends it; what took it until then has it.
  Task<Result<std::size_t>> offer_each(std::vector<RunId> runs, const std::string& tenant, const json::value& event,
                                       const Carried& carried);
  Task<Result<bool>> offer(RunId id, const std::string& tenant, const json::value& event, const Carried& carried);
  /// To a run that is at hand. False: it has it already, does not listen for such a thing, or a check of its policy
  /// objects. Errors: as the guard's.
  Result<bool> tell(LiveRun& run, const json::value& event, const Carried& carried);
  std::string heard_name(const LiveRun& run, const json::value& event) const;
  Result<Started> started_before(store::RunRow row, std::string_view request_hash) const;
  // time_travel.cc
  struct Stand {
    Machine machine;
    json::value beside;  ///< what the checkpoint says beside it
    std::string task;
    StepIndex step{};  ///< so many are behind it
  };
  /// The run's machine before `goal`, on its way again from now on. `id`: whose it will be.
  Task<Result<Stand>> stand_before(const store::RunRow& row, std::shared_ptr<const Flow> flow, Goal goal,
                                   RunDescriptor as);
  Task<Result<std::shared_ptr<LiveRun>>> prepare_anew(Fork fork, RunRequest request, std::shared_ptr<Pending> pending,
                                                      RunId id);
  Result<std::shared_ptr<LiveRun>> prepare_beside(const store::RunRow& origin, Stand stand, RunRequest request,
                                                  std::shared_ptr<Pending> pending, RunId id);
  /// `told`: JSON with `input`, `context`. Errors: policy_denied.
  Task<Result<>> tell_fork(LiveRun& run, std::string told);
  /// On record, and among the steps: somebody wants that it goes on, or begins, at `task`. `kind`: of the leaf.
  void record_order(LiveRun& run, std::string_view kind, const std::string& task, const std::string& actor);
  /// The flow whose run goes on. Errors: conflict.
  Result<std::shared_ptr<const Flow>> flow_again(const store::RunRow& row) const;
  // timers.cc
  void set_alarm();
  Task<void> load_timers();
  Task<void> wake(RunId id);
  // schedules.cc
  Task<void> schedule_loop();
  void schedule_again(const LiveRun& run);
  // own_words.cc: what flows say themselves, in place of the request that the run was given
  std::expected<CallResult, Problem> guard_value(LiveRun& run, const Machine::Call& call);
  static std::expected<CallResult, Problem> validate(LiveRun& run, const Machine::Call& call);
  Task<std::expected<CallResult, Problem>> ask_in_own_words(LiveRun& run, const Machine::Call& call);
  Task<std::expected<CallResult, Problem>> own_request(LiveRun& run, const Machine::Call& call);
  /// A label for the run's query, as a reviewer says what it asks for. What nobody could learn from makes none.
  void label_by_review(LiveRun& run, const std::string& reviewer, std::string_view intent);
  // noting.cc
  Task<std::expected<CallResult, Problem>> note(LiveRun& run, const Machine::Call& call, store::NoteKind kind);
  store::NoteRow note_row(const store::RunRow& run, store::NoteKind kind, const json::value& said,
                          std::string_view apart) const;
  /// Whether the run may have it beside what is noted already. Errors: as the store's.
  Task<Result<bool>> has_room(const LiveRun& run, const store::NoteRow& note);
  // routes.cc
  std::expected<CallResult, Problem> triage(LiveRun& run);
  std::expected<CallResult, Problem> triage_text(LiveRun& run, const Machine::Call& call);
  /// Where nobody has to look at the request; nothing: somebody has.
  std::optional<CallResult> without_looking(LiveRun& run);
  triage::RouteDecision decide(LiveRun& run);
  /// The run goes that way.
  CallResult follow(LiveRun& run, const triage::RouteDecision& decision);
  static CallResult routed(const triage::RouteDecision& decision, const triage::Router* router);
  // trials.cc: candidates beside the router in force
  /// REQUIRES trials. Null: it is in none.
  std::unique_ptr<triage::Membership> trials_of(RunRequest& request, std::string_view subject, RunId id) const;
  bool has_shadows(const LiveRun& run) const { return run.trials && !run.trials->shadows.empty(); }
  Task<std::expected<CallResult, Problem>> triage_beside_shadows(LiveRun& run);
  Task<std::vector<triage::ShadowDecision>> shadows_of(LiveRun& run, const triage::RouteDecision& decided);
  struct SlowShadow;
  Task<void> look_slowly(std::shared_ptr<SlowShadow> shadow);
  void shadow_decided(triage::LiveTrial& trial, const triage::RouteDecision& decision);
  // model_call.cc
  /// `wanted`: tier or model.
  std::expected<const model::Target*, Problem> target_of(LiveRun& run, std::string wanted,
                                                         std::optional<model::Target>& local);
  /// `own_words`: policed; nothing: what is asked is what the run was given.
  Task<std::expected<CallResult, Problem>> model_call(LiveRun& run, const Machine::Call& call,
                                                      std::optional<Data> own_words);
  static void note_route(LiveRun& run, const model::Target& target);
  Result<Reservation> reserve(const LiveRun& run, const model::Target& target);
  /// The providers' failure, as the run's.
  Problem not_answered(LiveRun& run, const model::Target& target, Asked asked, model::Failure failure);
  Task<std::expected<CallResult, Problem>> whole_answer(LiveRun& run, const model::Target& target, model::ChatCall call,
                                                        bool embed);
  Task<std::expected<CallResult, Problem>> repaired_answer(LiveRun& run, const model::Target& target,
                                                           model::ChatCall call);
  // streamed_answer.cc: to the caller while it is made
  Task<std::expected<CallResult, Problem>> streamed_answer(LiveRun& run, const model::Target& target,
                                                           model::ChatCall call);
  /// A stream that has begun, through the guard, to the caller. `before`: when it was asked for.
  Task<std::expected<CallResult, Problem>> relay(LiveRun& run, const model::Target& target,
                                                 std::unique_ptr<model::GatewayStream> started, Micros before);
  Task<Result<>> flush_chunks(LiveRun& run);
  // guarded_answer.cc: what is answered, and what fails outside, past the policy
  Task<std::expected<CallResult, Problem>> answer_guarded(LiveRun& run, std::string body, CallResult result);
  std::expected<CallResult, Problem> guard_answer(LiveRun& run, std::string body, CallResult result);
  /// What checks over HTTP say of the document that was guarded last.
  struct OutsideAnswer {
    policy::Verdict verdict = policy::Verdict::allow;
    std::string reasons;  ///< "check NAME: label" of those that object
  };
  Task<OutsideAnswer> ask_outside(LiveRun& run, policy::Direction direction);
  void guard_failure(LiveRun& run, model::Failure failure);
  // verify.cc: the small model's answer before it is given
  std::expected<CallResult, Problem> verify(LiveRun& run, const Machine::Call& call);
  static triage::Verdict look_at(LiveRun& run, const Machine::Call& call);
  bool may_ask(const LiveRun& run, std::string_view wanted) const;
  /// The task after it looks at its answer.
  static bool is_looked_at(const TaskNode& task, const Flow& flow);
  static bool looks_for(const LiveRun& run, triage::AnswerFault fault);
  /// In place of an answer that the policy does not let pass for its form: one that says nothing, for `verify`.
  CallResult formless(LiveRun& run);
  // promise.cc
  void watch(const LiveRun& run, const triage::RouteDecision& decision);
  /// `trial`: of whose candidate; null: of the router in force.
  void promise_changed(triage::PromiseChange change, triage::LiveTrial* trial);
  Task<void> record_promise(triage::PromiseChange change, triage::LiveTrial* trial, bool ended);
  /// Of a run that has ended and is on disk.
  void ask_second_opinion(LiveRun& run);
  struct Opinion;
  Task<void> second_opinion(Opinion wanted);
  /// What a person makes of an answer that a script or the small model has given.
  void judged_by_person(const std::vector<store::StepRow>& steps, const store::ReviewRow& review,
                        store::ReviewState state);
  // repeated_requests.cc
  /// What `AnswerCache` knows a chat by; nothing: its answer is not to be used again.
  std::optional<Digest> repeatable(const LiveRun& run, const TaskNode& task, const model::Target& target) const;
  /// As other questions may be like it; nothing: none may, or there is no time to look.
  Task<std::optional<Question>> question_asked(LiveRun& run, const TaskNode& task, const model::Target& target);
  /// The answer of a run that answered the same before, or a question like it; nothing: none has, or its content is
  /// gone.
  Task<std::optional<CallResult>> answer_again(LiveRun& run, const TaskNode& task, const model::Target& target);
  /// Of a run that is about to be on disk with its end.
  void claim_answer(const LiveRun& run, std::optional<AnswerCache::Claim>& claim) const;
  /// ...and is there now.
  void remember_answer(LiveRun& run, const AnswerCache::Claim& claim);
  void count_cache(CacheOutcome outcome) const {
    if (parts_.on_cache) parts_.on_cache(outcome);
  }
  // places.cc
  /// Returns when the run is at work, or somebody wants it to stop. Errors: as commit.
  Task<Result<>> take_place(LiveRun& run, WorkGate::Turn turn);
  static WorkGate::Turn turn_of(const LiveRun& run);
  /// Gives the place back where all that the run waits for are runs that it started.
  void lend_place(LiveRun& run);
  /// As next_result. Errors: of commits.
  Task<Result<>> idle(LiveRun& run);
  // recovery.cc
  /// A run that is taken up after a restart and waits for others makes room for the next one.
  void give_slot(LiveRun& run);
  Task<void> recover_some();
  /// False: the run has given its slot away.
  Task<bool> recover_one(RunId id);
  void take_up_later(const LiveRun& run, Errc why);
  // reviews.cc
  std::expected<CallResult, Problem> review(LiveRun& run, const Machine::Call& call);
  /// The call that waits for the verdict. Errors: conflict.
  static Result<std::uint32_t> asked_at(LiveRun& run, const std::vector<store::StepRow>& steps,
                                        const store::ReviewRow& review);
  Result<> apply_verdict(LiveRun& run, std::uint32_t call, const store::ReviewRow& review, store::ReviewState state,
                         std::string_view text);

  asio::io_context& io_;
  EngineParts parts_;
  EngineOptions options_;
  std::size_t runs_ = 0;
  std::size_t opinions_ = 0;  ///< that are being asked for
  std::deque<RunId> to_recover_;
  std::size_t recovering_ = 0;
  Workers workers_;
  Workers readers_;          ///< of questions: they do not wait behind long inputs
  std::size_t reading_ = 0;  ///< questions that wait for them
  Workers onlookers_;        ///< of shadows that take their time
  std::size_t looking_ = 0;  ///< shadows that wait for them
  Parking parking_;
  std::size_t waking_ = 0;  ///< runs that are being read because their time has come
  /// Events of `schedule.on.all` so far; in memory only.
  struct Gathered {
    std::set<std::size_t> matched;
    json::object correlated;
    json::array events;  ///< in the placeholders of `vault`
    policy::TokenVault vault;
    Carried carried;  ///< of them all, but for the values
  };
  void gather_again(const std::string& place, const Gathered& before);
  std::map<std::string, Gathered> gathered_;  ///< by tenant and flow
  std::map<RunId, LiveRun*> live_;            ///< runs with effects outside, or that listen, while they are in memory
  std::optional<
      asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>>
      alarm_;
  std::set<RunId> unrecorded_;  ///< taken up again: the store is asked for room before anything is done
};

}  // namespace sb::flow
