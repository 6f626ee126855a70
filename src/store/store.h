/// The memory of runs. A commit that returned success survives power loss (durability sync).
///
/// One transaction a step: outcome, new position, review, cost and audit leaf commit together or not at all.
/// Thread-safe; each call resumes on the caller's executor. Implementations: sqlite/ (one writer thread, group commit;
/// readers beside it). Payloads arrive here already policed: what must not be stored was replaced before.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/canonical_json.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/task.h"

namespace sb::store {

/// The DSL's phases (Open Workflow DSL 1.0.3, "Status phases"). Stored: append, never renumber.
enum class RunStatus : std::uint8_t {
  pending = 0,
  running = 1,
  waiting = 2,
  suspended = 3,
  cancelled = 4,
  faulted = 5,
  completed = 6
};
std::string_view to_string(RunStatus status);
std::optional<RunStatus> run_status(std::string_view name);
inline bool is_final(RunStatus status) {
  return status >= RunStatus::cancelled;
}

enum class Durability : std::uint8_t {
  sync,   ///< commit() resumes when the group is on disk
  async,  ///< commit() resumes when the transaction is queued; lost with at most the last ~50 ms on power loss or kill
};

/// One execution of a flow. `state` is the engine's own checkpoint: opaque here.
struct RunRow {
  RunId id;
  std::string tenant;
  std::string key;   ///< id of the API key that asked; empty: none
  std::string flow;  ///< "namespace/name@version"
  std::string flow_hash;
  RunStatus status = RunStatus::pending;
  LeaseEpoch epoch{};  ///< of the lease under which it was last written
  std::string state;   ///< where it stands: enough to go on from
  std::string input;
  std::string output;
  std::string error;     ///< RFC 9457 problem details; empty: none
  std::string route;     ///< script | small | large | human; empty before triage
  std::string model;     ///< the deployment that answered
  std::string vault;     ///< sealed placeholder map; empty: none
  std::string data_key;  ///< wrapped key of the payloads (as SealedRow::sealed); empty: made before runs had keys
  std::string subject;   ///< pseudonym of the person whose data it is, written once; empty: none
  bool erased = false;   ///< the payloads and their key are gone
  std::string idempotency_key;         ///< keyed hash of it; unique within a tenant while the run is kept; empty: none
  std::string request_hash;            ///< keyed hash of the request that came with the idempotency key
  std::optional<RunId> forked_from{};  ///< it was begun at a step of that run; none: at its own beginning
  StepIndex forked_at{};               ///< at which
  MicroMoney cost = 0;
  MicroMoney cost_all_large = 0;              ///< what the large tier would have cost, by its price list
  std::optional<MicroMoney> rejected_cost{};  ///< of the small answer that did not do; none: none was passed on
  Micros created_us = 0;
  Micros updated_us = 0;
  Micros ended_us = 0;  ///< 0: not ended
};

/// One finished execution of one task. Append-only.
struct StepRow {
  StepIndex index{};
  std::string name;  ///< the task's name in the flow
  std::string ref;   ///< JSON pointer of the task in the flow document
  std::string kind;  ///< call function or task type: "guard", "triage", "chat", "switch" ...
  std::uint32_t attempt = 1;
  Micros started_us = 0;
  Micros ended_us = 0;
  std::string output;    ///< JSON; empty where the step only decided
  std::string decision;  ///< JSON {kind, chosen, alternatives, score, threshold, reasons, versions}; empty: none
  std::string error;     ///< JSON; empty: succeeded
  MicroMoney cost = 0;
};

/// Of a leaf's summary; its other fields stay far below what is left of 64 KiB.
inline constexpr std::size_t kMaxSummaryBytes = std::size_t{32} << 10;

/// What an audit leaf says; `seq` and encoding are added by the log. No content: metadata and commitments only.
struct LeafDraft {
  std::string kind;  ///< run.start, step, run.end, review.claim, review.verdict, key.create, config.change ...
  std::string tenant;
  std::optional<RunId> run;
  std::optional<StepIndex> step;
  std::uint32_t attempt = 0;
  std::string actor;           ///< pseudonym of who caused it; empty: the server
  CanonicalJson summary;       ///< object: decision without its texts, versions
  std::string payload_commit;  ///< hex SHA-256(salt || ciphertext); empty: none
  std::string prev_state;      ///< hex hash of the run's state before this; empty: no run, or its first leaf
  CanonicalJson versions;      ///< object: flow, policy, triage, model that decided; empty: none
  Micros time_us = 0;
};

/// `expired`: its run ended or was suspended before a person decided (one that is resumed asks anew).
enum class ReviewState : std::uint8_t { open = 0, claimed = 1, approved = 2, edited = 3, rejected = 4, expired = 5 };
std::string_view to_string(ReviewState state);

/// Where a run stood before the step of that index: enough to go on from there, in this run or another.
struct Checkpoint {
  StepIndex step{};
  std::string sealed;
};

/// A question for a person: a parked step.
struct ReviewRow {
  ReviewId id;
  RunId run;
  StepIndex step{};
  std::string tenant;
  ReviewState state = ReviewState::open;
  std::string reason;    ///< why it is here: rule, finding type, route; in clear. Empty: it stands in `question`
  int priority = 0;      ///< higher first
  std::string question;  ///< JSON: what was asked and what is proposed, policed; sealed
  std::string claimed_by;
  Micros claim_until_us = 0;  ///< a claim is a lease
  std::string decided_by;
  std::string verdict;  ///< JSON: text, reason code
  Micros created_us = 0;
  Micros decided_us = 0;
  Micros due_us = 0;  ///< 0: no deadline
};

/// A change of a review that applies only while it is in `expected` (and, where claimed, held by `expected_claimant`).
struct ReviewChange {
  ReviewRow row;
  ReviewState expected = ReviewState::open;
  std::string expected_claimant;
};

/// A piece of a streamed answer, for clients that come back with Last-Event-ID.
struct StreamChunk {
  std::uint64_t first_event = 0;  ///< id of the first event in `data`
  std::string data;               ///< policed events, one JSON payload a line
};

/// A value behind a placeholder that all runs of a tenant share, as one person's runs brought it.
struct TenantToken {
  std::string tenant;
  std::string token;    ///< "[EMAIL_T0123456789AB]"
  std::string subject;  ///< pseudonym of the person; empty: nobody was named
  std::string sealed;   ///< the value under the tenant's key
};
/// One of a person's, before it is erased.
struct PersonsToken {
  std::int64_t no = 0;
  bool shared = false;       ///< other people's runs brought the same value: it stays for them
  std::int64_t nobodys = 0;  ///< the number it has of runs that named nobody, to go with it; 0: of none
};

/// What a tenant's key seals: data keys of runs, and the values behind the tenant's placeholders.
enum class SealedKind : std::uint8_t { data_key, token };
struct SealedRow {
  SealedKind kind = SealedKind::data_key;
  std::int64_t no = 0;  ///< the store's number of it, only ever grows
  RunId run;            ///< of a data key
  std::string token;    ///< of a placeholder
  std::string sealed;   ///< first byte: version of the tenant's key
};
struct SealedPage {
  std::vector<SealedRow> rows;
  std::int64_t last = 0;  ///< go on after it
  bool more = false;
};
/// A row's new `sealed`; left alone where it is not `before` any more.
struct Reseal {
  SealedKind kind = SealedKind::data_key;
  std::int64_t no = 0;
  std::string before;
  std::string after;
};
/// A tenant's keys before `version` go. From then on nothing that they sealed is stored.
struct RetireKeys {
  std::string tenant;
  unsigned char version = 0;
  std::int64_t data_keys_after = 0;  ///< up to here the caller has seen to it that nothing is sealed by another version
  std::int64_t tokens_after = 0;
};

/// What wakes a run at rest.
struct WakeUp {
  Micros due_us = 0;                ///< 0: no time
  std::vector<std::string> events;  ///< types that it listens for; an empty one: any
};
/// A run at rest and its time. They are ordered by time, then number.
struct Timer {
  Micros due_us = 0;
  std::int64_t no = 0;  ///< the store's number of the run
  RunId run;
};
/// A run at rest that listens for events.
struct EventListener {
  std::int64_t no = 0;  ///< the store's number of the run
  RunId run;
};

/// Something that a run has to tell others, once: kept with the change that it tells of, until it is told.
inline constexpr std::size_t kOutboxPageBytes = 1 << 20;
struct OutboxRow {
  std::int64_t no = 0;  ///< the store's number of it, only ever grows; 0: not stored yet
  RunId run;
  std::uint64_t seq = 0;  ///< within the run
  std::string sealed;
};

/// What is noted on a run beside what it did. Stored: append, never renumber.
enum class NoteKind : std::uint8_t { tag = 0, annotation = 1, score = 2 };
struct NoteRow {
  NoteKind kind = NoteKind::tag;
  std::string name;    ///< within run and kind; another of that name takes its place
  std::string mark;    ///< of a tag: what all runs with it are found by; empty: of no tag
  std::string sealed;  ///< under the run's key
};

/// Who said that a text has an intent. Stored: append, never renumber.
enum class LabelOrigin : std::uint8_t { given = 0, feedback = 1, review = 2 };
std::string_view to_string(LabelOrigin origin);

/// A text of which somebody says what it asks for: what triage learns from.
struct LabelRow {
  std::string id;  ///< keyed hash of tenant and text: another label of the text takes its place
  RunId run;       ///< whose key seals the text; the label goes with the run's content
  std::string tenant;
  std::string intent;
  int route = 2;  ///< of an intent that the classifier does not know, as triage numbers kinds of answers
  LabelOrigin origin = LabelOrigin::given;
  std::string author;  ///< pseudonym
  Micros created_us = 0;
  std::string sealed;
  std::string data_key;  ///< of the run, as RunRow::data_key; read only
};

/// A page of labels, oldest first.
struct LabelFilter {
  std::string tenant;                                     ///< empty: all
  std::optional<std::pair<Micros, std::string>> after{};  ///< created_us and id of the last one of the page before
  std::string id{};                                       ///< this one alone; empty: all
  std::size_t limit = 1000;
};

/// Under what a run's request is found again.
struct RequestName {
  RunId run;
  std::string idempotency_key;
  std::string request_hash;
};

struct NamedRequest {
  std::string tenant;
  RequestName name;
};

/// One transaction. Everything in it concerns one run (or none: keys, configuration).
struct Commit {
  Durability durability = Durability::sync;
  bool alone = false;  ///< nothing else is at work on the caller's thread: it may wait for the disk itself
  std::optional<RunRow>
      create;  ///< Errors: already_exists (idempotency key or id taken; detail = id of the run that has it)
  /// Whole row by id; fenced: row.epoch older than the stored one is lease_lost, one that has ended is a conflict. What
  /// a run is born with stays as it was (tenant, key, flow, flow_hash, input, idempotency_key, request_hash,
  /// created_us, forked_from, forked_at). Not together with `create`.
  std::optional<RunRow> update;
  bool reopen =
      false;    ///< `update` is of one that ended as faulted or cancelled. Errors: conflict (it did not; erased)
  WakeUp wake;  ///< of a run that is left waiting, instead of what there was; of any other: nothing
  RunId run;    ///< owner of steps and chunks; may be left out beside create or update
  std::vector<StepRow> steps;  ///< same (run, index, attempt) again: ignored
  std::vector<LeafDraft> leaves;
  std::optional<ReviewRow> review_create;
  std::optional<ReviewChange> review_change;  ///< Errors: conflict
  std::vector<StreamChunk> chunks;
  std::vector<Checkpoint> checkpoints;  ///< of `run`, in order
  std::vector<OutboxRow> outbox;        ///< of `run`, in order
  std::vector<NoteRow> notes;           ///< on `run`. Errors: conflict (it was erased)
  std::vector<LabelRow> labels;  ///< of `run`; `LabelRow::run` is not looked at. Errors: conflict (it was erased)
  std::vector<std::string> drop_labels;  ///< LabelRow::id: these go, and leave no trace
  std::vector<std::int64_t> told;        ///< OutboxRow::no: these go; those that are gone already are ignored
  std::string spend_key;  ///< adds `spend` to this key's spending of the UTC day of `spend_at_us`; empty: none
  MicroMoney spend = 0;
  Micros spend_at_us = 0;
  /// Runs that have ended and whose payloads go, for ever: key, input, output, vault, stream, checkpoints, errors,
  /// review texts, what it has still to tell, what was noted on them, labels of their texts. Steps, costs and the
  /// record stay; a step's output and error become `null`. Not together with `create` or `update`.
  std::vector<RunId> erase;
  std::vector<TenantToken> tokens;         ///< kept once for each tenant, token and subject
  std::vector<std::int64_t> erase_tokens;  ///< PersonsToken::no; those that are gone already are ignored
  std::vector<Reseal> reseal;
  std::optional<RetireKeys> retire_keys;  ///< Errors: conflict (something is still sealed by another version)
  std::vector<RequestName> rename;        ///< writes these anew, no copy of the old ones stays
  std::vector<std::pair<std::string, std::string>> documents;  ///< small named JSON documents (keys, settings): upsert
};

/// Runs that have ended and still have payloads.
struct ErasableFilter {
  std::string tenant;   ///< empty: all
  std::string subject;  ///< pseudonym; empty: all
  std::string flow;     ///< "namespace/name" prefix; empty: all
  std::vector<std::string> other_flows_than;
  std::optional<RunId> run;  ///< this one alone
  std::optional<Micros> ended_before_us;
  std::optional<RunId> after;  ///< page: those behind this one, oldest first; of a subject in the order they came in
  std::size_t limit = 1000;
};

struct RunFilter {
  std::string tenant;  ///< empty: all
  std::string flow;    ///< "namespace/name" prefix; empty: all
  std::optional<RunStatus> status;
  std::string route;
  std::string tag;  ///< NoteRow::mark; empty: whatever their tags
  std::optional<RunId> forked_from{};
  std::optional<RunId> before;  ///< page: runs with a smaller id, newest first
  std::size_t limit = 50;       ///< at most 1,000
};

struct ReviewFilter {
  std::string tenant;
  std::optional<ReviewState> state;
  std::size_t limit = 50;
};

/// What was spent in one UTC day on runs that are alike in all of this.
struct CostRow {
  Micros day_us = 0;  ///< its beginning
  std::string tenant;
  std::string key;   ///< id of the API key; empty: none
  std::string flow;  ///< "namespace/name@version"
  std::string route;
  std::string model;
  std::optional<RunId> tagged;  ///< one that has the tags that all of them have; none: they have none, or `other_tags`
  bool other_tags = false;      ///< their tags are not among the kMaxTagSets that cost most in that time
  std::uint64_t runs = 0;
  MicroMoney cost = 0;
  MicroMoney cost_all_large = 0;
  std::uint64_t passed_on_runs = 0;  ///< of them: a small answer did not do
  MicroMoney passed_on_cost = 0;     ///< of these runs
  MicroMoney rejected_cost = 0;      ///< of that, for the small answers
};

/// Costs are told apart by so many sets of tags.
inline constexpr std::size_t kMaxTagSets = 500;

/// Counts by upper bound: `counts[i]` holds values <= `kBounds[i]`, the last one all above.
struct GroupSizes {
  static constexpr std::array<std::uint64_t, 10> kBounds{1, 2, 4, 8, 16, 32, 64, 128, 256, 512};
  std::array<std::uint64_t, kBounds.size() + 1> counts{};
  std::uint64_t sum = 0;
};
struct SyncTimes {
  static constexpr std::array<std::uint64_t, 12> kBounds{50,   100,  200,   400,   800,    1600,
                                                         3200, 6400, 12800, 25600, 102400, 409600};
  std::array<std::uint64_t, kBounds.size() + 1> counts{};
  std::uint64_t sum = 0;
};

struct StoreStats {
  std::uint64_t commits = 0;    ///< transactions asked for
  std::uint64_t groups = 0;     ///< fsyncs
  std::uint64_t queued = 0;     ///< waiting now
  std::uint64_t queue_max = 0;  ///< bound; beyond it commit() answers unavailable
  std::uint64_t failed_groups = 0;
  std::uint64_t leaves = 0;
  std::uint64_t rejected_async = 0;  ///< async commits that failed after they were acknowledged (fencing, conflict)
  std::uint64_t scrub_owed = 0;      ///< 1: a scrub failed and is not made up for yet
  std::uint64_t wal_bytes = 0;       ///< write-ahead log waiting for its checkpoint
  GroupSizes group_sizes;            ///< commits a group
  SyncTimes sync_us;                 ///< COMMIT of a group: write and fsync
};

/// Reads see every commit acknowledged before them, async ones too.
class Store {
 public:
  virtual ~Store() = default;

  /// Errors: already_exists, lease_lost, conflict, not_found (update of an unknown run), disk_full, unavailable (queue
  /// full; sealed by a key that is gone), corrupt. One bad transaction does not fail the others of its group.
  virtual Task<Result<>> commit(Commit commit) = 0;

  virtual Task<Result<RunRow>> load_run(RunId run) = 0;                  ///< Errors: not_found
  virtual Task<Result<std::vector<StepRow>>> load_steps(RunId run) = 0;  ///< in order of index
  virtual Task<Result<std::vector<StreamChunk>>> load_chunks(RunId run, std::uint64_t from_event) = 0;
  virtual Task<Result<std::vector<Checkpoint>>> checkpoints(RunId run) = 0;  ///< in the order they were kept in
  virtual Task<Result<std::optional<RunRow>>> find_idempotent(std::string tenant, std::string key) = 0;
  /// Requests whose idempotency key does not begin with `prefix`: a page of at most `limit`. Looks at no other.
  virtual Task<Result<std::vector<NamedRequest>>> requests_named_without(std::string prefix, std::size_t limit) = 0;
  virtual Task<Result<std::vector<RunRow>>> list_runs(RunFilter filter) = 0;  ///< without state, vault, input, output
  /// Runs that must go on after a restart (pending or running; not those waiting for a person). A page of at most
  /// `limit` with id > `after`, oldest first: start-up does not grow with finished runs.
  virtual Task<Result<std::vector<RunRow>>> open_runs(std::optional<RunId> after, std::size_t limit) = 0;
  /// The next `limit` runs whose time comes after that of `after`; of what is due already too.
  virtual Task<Result<std::vector<Timer>>> timers(Timer after, std::size_t limit) = 0;
  /// Runs of `tenant` at rest that an event of that type may wake: a page of those with a number > `after`, in order.
  virtual Task<Result<std::vector<EventListener>>> listeners(std::string tenant, std::string type, std::int64_t after,
                                                             std::size_t limit) = 0;
  /// The oldest behind `after` that are still to be told: a page of at most `limit`, and of kOutboxPageBytes with the
  /// last one left out.
  virtual Task<Result<std::vector<OutboxRow>>> outbox(std::int64_t after, std::size_t limit) = 0;
  virtual Task<Result<std::vector<NoteRow>>> notes(RunId run) = 0;  ///< by kind and name
  virtual Task<Result<std::vector<LabelRow>>> labels(LabelFilter filter) = 0;
  virtual Task<Result<std::uint64_t>> count_labels() = 0;
  virtual Task<Result<ReviewRow>> load_review(ReviewId review) = 0;
  virtual Task<Result<std::vector<ReviewRow>>> list_reviews(ReviewFilter filter) = 0;  ///< by priority, then age
  /// Of runs that began in [from, to), by day and all that tells them apart, in that order.
  virtual Task<Result<std::vector<CostRow>>> costs(std::string tenant, Micros from_us, Micros to_us) = 0;
  virtual Task<Result<MicroMoney>> spend_of(std::string key, Micros day_us) = 0;
  virtual Task<Result<std::optional<std::string>>> load_document(std::string name) = 0;
  virtual Task<Result<std::vector<RunId>>> erasable_runs(ErasableFilter filter) = 0;
  /// Runs of that subject that have not ended: an erasure has to come back for them.
  virtual Task<Result<std::uint64_t>> open_runs_of_subject(std::string tenant, std::string subject) = 0;

  /// The value behind a tenant's placeholder, sealed.
  virtual Task<Result<std::optional<std::string>>> find_token(std::string tenant, std::string token) = 0;
  virtual Task<Result<std::vector<PersonsToken>>> tokens_of_subject(std::string tenant, std::string subject,
                                                                    std::size_t limit) = 0;
  /// Of the next `limit` rows of that kind after number `after`, those of `tenant` that another version than `version`
  /// seals: a bounded piece of work, however many rows there are.
  virtual Task<Result<SealedPage>> sealed_by_others(std::string tenant, SealedKind kind, unsigned char version,
                                                    std::int64_t after, std::size_t limit) = 0;

  virtual StoreStats stats() const = 0;
  /// Waits until everything queued (async too) is on disk. Errors: as commit.
  virtual Task<Result<>> flush() = 0;
  /// After erasures: leaves no copy of what was erased in the write-ahead log. Where that fails it is owed: the store
  /// tries again until it is done, over a restart too. Errors: unavailable (a long read is in the way), disk_full.
  virtual Task<Result<>> scrub() = 0;
};

/// A signed tree head over the first `size` leaves.
struct StoredTreeHead {
  std::uint64_t size = 0;
  std::string note;
};

/// Turns drafts into leaves and keeps the Merkle tree; called on the writer thread only.
/// Implemented by audit/ (the arrow points down: store knows only this interface).
class LeafLog {
 public:
  virtual ~LeafLog() = default;
  /// Whether there may be more leaves: no group is begun while there is no room. Errors: disk_full, unavailable.
  virtual Result<> has_room() const { return {}; }
  /// Appends the bytes of the leaf at `index`: canonical JSON. Inside the transaction.
  virtual void encode(std::string& out, LeafIndex index, const LeafDraft& draft) = 0;
  /// The leaves that follow those so far are on disk; as an entry bundle (each after its length in two bytes).
  virtual void committed(std::string bundle) = 0;
  /// The newest tree head, if it was not taken yet: it is stored with the next group. `wait_for`: the store is idle or
  /// being flushed, one over so many leaves is wanted now.
  virtual std::optional<StoredTreeHead> take_head(std::uint64_t wait_for) = 0;
  /// Called once at start with all that is needed to go on: the number of leaves and a reader of leaf bytes by index.
  virtual Result<> open(std::uint64_t size, const std::function<Result<std::string>(LeafIndex)>& leaf_at,
                        std::optional<std::string> last_tree_head) = 0;
};

}  // namespace sb::store
