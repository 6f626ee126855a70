/// A run while it is worked on: the row, the machine, what is not yet committed, and who listens.
#pragma once

#include <boost/asio/basic_waitable_timer.hpp>
#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "base/task.h"
#include "flow/answer_cache.h"
#include "flow/guard.h"
#include "flow/in_flight.h"
#include "flow/machine.h"
#include "flow/model_call.h"
#include "flow/work_gate.h"
#include "model/gateway.h"
#include "store/store.h"
#include "triage/trials.h"

namespace sb::flow {

/// The live caller of a run who wants the answer piece by piece. Called on the run's shard, one call at a time.
class Audience {
 public:
  virtual ~Audience() = default;
  /// One `chat.completion.chunk` payload, policed and restored. May be kept until `flush`, so that what comes together
  /// goes out together. Waits while the caller reads slowly. Errors: cancelled (the caller is gone).
  virtual Task<Result<>> event(std::uint64_t id, std::string_view payload) = 0;
  /// Nothing more comes at once: what is kept goes out now. Errors: as `event`.
  virtual Task<Result<>> flush() = 0;
};

/// A container that came to its end, until what came of it is on disk: nobody may remove it before.
struct SpentContainer {
  std::uint32_t effect;
  std::string name;
  std::optional<Micros> keep_us;  ///< from then on; nothing: it is not removed with the run
  bool is_told = false;           ///< the machine knows what came of it: the next commit has it
};

/// Belongs to one shard; not thread-safe.
struct LiveRun : std::enable_shared_from_this<LiveRun> {
  LiveRun(store::RunRow r, Machine m, GuardSession g) : row(std::move(r)), machine(std::move(m)), guard(std::move(g)) {}

  store::RunRow row;          ///< payload columns in clear; the engine seals them on the way to the store
  std::string data_key;       ///< of the payloads; secret
  std::string sealed_input;   ///< until the run is stored
  std::string sealed_output;  ///< of row.output, where it was committed to
  std::string actor;          ///< who asked, as the record calls them
  std::string triage;         ///< version of the triage that decides; empty: none
  std::shared_ptr<const triage::Router> router;  ///< that decides from its beginning on; null: no triage
  std::unique_ptr<triage::Membership> trials;    ///< of triage; null: it is in none
  std::string state_hash;                        ///< hex; over all that was recorded of the run so far
  Machine machine;
  GuardSession guard;
  Data input;            ///< policed
  ModelCall model_call;  ///< the one under way, or the last one
  MicroMoney all_large_others =
      0;  ///< of the calls in the flow's own words so far: what the large tier would have cost
  policy::JsonProfile profile = policy::JsonProfile::any;  ///< of the input; of a chat's output its answer's
  std::shared_ptr<Pending> pending;

  // Wishes of the caller.
  Durability durability = Durability::sync;
  bool stream = false;
  bool include_usage = false;
  bool finish_without_caller = false;  ///< it sent an Idempotency-Key: it means to come back
  Audience* audience = nullptr;
  CancelSource* cancel = nullptr;
  std::optional<KeyId> spender;  ///< whose budget pays
  std::string request_id;
  std::string requested_model;
  CacheWishes cache{true,
                    true};  ///< of a run that a crash interrupted nobody knows them: it takes nothing, gives nothing

  // Outcome.
  Data output;
  Data passed;                    ///< what the outbound guard let pass last
  bool passed_as_answer = false;  ///< as a chat's answer, with the checks for answers
  std::optional<Problem> problem;
  std::optional<model::Failure> failure;  ///< the providers' own words, for callers that know how to read them
  Errc error_code = Errc::internal;
  std::string error_param;
  std::optional<ReviewId> review;
  std::string intent;
  std::string route_reason;    ///< why triage chose as it did: in its own words, which name rules alone
  Micros upstream_us = 0;      ///< time spent waiting for providers
  std::uint64_t events = 0;    ///< of the live stream so far
  bool streamed = false;       ///< the audience has received the answer's deltas
  std::string decided_by;      ///< triage model version, for the record
  bool outside_asked = false;  ///< services that check the input have had their say
  bool needs_person = false;   ///< the policy asks for a person, and none was asked yet: no model may see it

  // Effects under way beside each other, and what came of them.
  struct EffectResult {
    std::uint32_t id;
    store::StepRow step;
    RecordJson decision;
    std::optional<Problem> problem;
    Data output;
    json::value authorization;
    bool is_answer = true;  ///< as Problem::is_answer
    bool gave = false;      ///< values to a service: that is on record, whoever still wants the result
  };
  std::map<std::uint32_t, CancelSource*> under_way;
  std::list<EffectResult> results;  ///< a list: most runs have none, and a deque takes room for them
  std::optional<asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
                                           Executor>>
      signal;                     ///< cancelled when a result or a command is there
  std::uint64_t events_told = 0;  ///< to the machine, since the run is in memory
  /// Names of the last events that it took: one whose sender had no answer comes again.
  std::vector<std::string> heard;
  enum class Wish { none, suspend, cancel } wish = Wish::none;
  std::unique_ptr<WorkGate::Ticket> place;  ///< at work, or in the queue; null: it rests, or nothing is limited
  std::size_t children_awaited = 0;         ///< effects under way that are runs of other flows
  bool is_idle = false;                     ///< nothing is done but what is under way
  bool has_slot = false;                    ///< of those in which runs are taken up after a restart

  // What becomes of it, for those who want to be told.
  std::vector<LifecycleMark> marks;  ///< not yet committed
  std::uint64_t marked = 0;          ///< so many so far: the number of the last one
  bool observes = false;             ///< a lifecycle event led to it: its own come to no flow here, or they never end

  // Not yet committed.
  bool stored = false;
  bool owes = false;  ///< what an effect brought, which to do again would cost
  std::uint32_t next_step = 0;
  std::vector<store::StepRow> steps;
  std::vector<store::LeafDraft> leaves;
  /// What the last leaf said of versions; most leaves of a run say the same.
  struct Versions {
    std::string model;
    std::string policy;
    std::string triage;
    CanonicalJson text;
  } versions;
  std::vector<store::StreamChunk> chunks;
  std::vector<store::NoteRow> notes;
  std::vector<store::Checkpoint> checkpoints;
  std::uint64_t kept_bytes = 0;  ///< of checkpoints so far, those on disk too
  bool reopens = false;          ///< it had ended, and goes on from this commit on
  std::vector<std::pair<std::string, std::string>> documents;
  std::optional<store::ReviewRow> review_create;
  std::optional<store::ReviewChange> review_change;
  std::vector<store::LabelRow> labels;
  store::WakeUp wake;  ///< of the commit that puts it to rest
  MicroMoney spend = 0;
  MicroMoney call_cost = 0;  ///< of the call under way; its step's, whether it succeeds or not
  RecordJson failed_call;    ///< decision of a call that failed: what was tried; its step's
  /// Told of the next commit, once; or of what came in its way.
  std::move_only_function<void(Result<>)> on_commit;
  std::optional<Error> unrecorded;  ///< a commit failed: the record would have a hole, so the run stops here
  std::vector<SpentContainer> containers;
  std::map<std::uint32_t, RecordJson> given;  ///< by effect under way: what services were given in clear; its step's
};

}  // namespace sb::flow
