/// The HTTP surface of one shard: OpenAI-compatible /v1, control API /api/v1, /metrics, health.
///
/// Belongs to its shard's thread. Holds no state of its own between requests: everything durable is in the store.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "api/auth.h"
#include "api/change_gate.h"
#include "api/cost_report.h"
#include "api/policy_book.h"
#include "api/sse_audience.h"
#include "api/triage_book.h"
#include "flow/caller_names.h"
#include "flow/engine.h"
#include "http/server.h"
#include "telemetry/access_log.h"
#include "telemetry/metrics.h"

namespace sb::audit {
class LogSource;
}
namespace sb::flow {
class CatalogReader;
struct ContainerOptions;
}  // namespace sb::flow

namespace sb::api {

class KeyRotation;
class Openings;
struct Feedback;
struct AskedLabel;

/// Counters of the HTTP surface; one set for all shards.
struct ApiMetrics {
  explicit ApiMetrics(MetricRegistry& registry);
  MetricFamily<Counter> responses;   ///< by surface and status class
  MetricFamily<Counter> runs;        ///< chat runs by route
  MetricFamily<Counter> cost_micro;  ///< by route
  Histogram& overhead;               ///< our own time in a model request, without the providers'
};

/// In groups of commits.
struct MirrorProgress {
  std::uint64_t committed = 0;
  std::uint64_t mirrored = 0;
};

struct ApiParts {
  flow::Engine& engine;
  store::Store& store;
  flow::InFlight& in_flight;
  flow::FlowRegistry& flows;
  const model::Catalog& catalog;
  Gatekeeper& gatekeeper;
  StreamTicker& ticker;
  const Clock& clock;
  Entropy& entropy;
  MetricRegistry& metrics;
  ApiMetrics& counters;
  AccessLog& access_log;
  KeyRing& keys;
  ChangeGate& changes;
  PolicyBook& policies;
  TenantKeys& tenant_keys;
  KeyRotation& key_rotation;
  Openings& openings;
  Pseudonyms pseudonyms;
  audit::LogSource& audit_log;  ///< the published log; one a shard
  flow::Durability durability = flow::Durability::sync;
  std::size_t in_flight_max = 4096;
  std::atomic<bool>* ready = nullptr;  ///< /readyz; false while starting and draining
  bool audit_public = true;            ///< /audit/ needs no key
  bool overhead_header = true;
  bool auto_model = true;
  std::string currency = "USD";
  flow::CatalogReader* catalogs = nullptr;               ///< null: flows call no functions of catalogs
  const flow::ContainerOptions* containers = nullptr;    ///< null: it is not looked at what containers flows run
  flow::EventHub* events = nullptr;                      ///< null: no events are taken, and runs are not told anything
  std::function<MirrorProgress()> mirror_progress = {};  ///< empty: there is no mirror
  /// How trials of triage stand, of a tenant's runs or (empty) all, as JSON. Errors: unavailable.
  std::function<Task<Result<std::string>>(std::string tenant)> report_trials = {};
  TriageBook* triage = nullptr;  ///< null: no triage is configured
};

class Api {
 public:
  explicit Api(ApiParts parts) : parts_(std::move(parts)) {}

  /// One request, from authentication to the access log.
  Task<void> handle(http::Exchange& exchange);

 private:
  struct Route;
  using Method = Task<void> (Api::*)(http::Exchange&, const Caller&, std::vector<std::string>);
  struct Route {
    std::string_view method;
    std::string_view pattern;  ///< segments; "*" matches one
    Permission permission;
    Method call;
    bool open = false;  ///< no key needed
  };
  static const std::vector<Route>& routes();

  // /v1
  Task<void> chat_completions(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> embeddings(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> list_models(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> get_model(http::Exchange&, const Caller&, std::vector<std::string>);
  // /api/v1
  Task<void> list_runs(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> get_run(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> get_run_stream(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> create_run(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> get_run_events(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> record_disclosure(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> record_traffic_disclosure(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> act_on_run(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> retry_run(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> fork_run(http::Exchange&, const Caller&, std::vector<std::string>);
  struct Wishes {
    bool granted = false;  ///< this very wish, before
    std::string then;      ///< what the document says once it is granted
  };
  /// What the document of a run knows of a wish. Errors: already_exists (the key came with another), as the store's.
  Task<Result<Wishes>> wishes_of(std::string document, std::string_view key, std::string_view hash);
  Task<void> give_feedback(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> get_feedback(http::Exchange&, const Caller&, std::vector<std::string>);
  /// A run that the caller may say something of. Errors: not_found, conflict (erased).
  Task<Result<store::RunRow>> run_of_caller(const Caller& caller, std::string_view id);
  /// The same, of one that has ended. Errors: conflict.
  Task<Result<store::RunRow>> run_for_feedback(const Caller& caller, std::string_view id);
  /// False: it was there. Errors: already_exists (the same key has said otherwise), conflict, policy_denied.
  Task<Result<bool>> take_feedback(const Caller& caller, const store::RunRow& row, const Feedback& feedback);
  Task<void> label_by_feedback(const Caller& caller, const store::RunRow& row, const Feedback& feedback,
                               store::Commit& commit);
  Task<void> add_note(http::Exchange&, const Caller&, std::vector<std::string>);
  /// False: it was there. Errors: already_exists (the same key has said otherwise), conflict, policy_denied.
  Task<Result<bool>> take_note(const Caller& caller, const store::RunRow& row, store::NoteKind kind,
                               const json::value& said);
  /// Errors: as the store's.
  Task<Result<TagSets>> tags_of(const std::vector<store::CostRow>& rows);
  Task<void> post_event(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> add_flow(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> list_flows(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> list_reviews(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> get_review(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> act_on_review(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> get_costs(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> explain_costs(http::Exchange& exchange, const Caller& caller, std::string_view run_id);
  /// Of the keys with a limit that the caller may see. `rows`: of the last days.
  json::array budgets(const Caller& caller, const std::vector<store::CostRow>& rows, Micros now_us) const;
  Task<void> get_trials(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> list_triage_versions(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> use_triage_version(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> approve_triage_version(http::Exchange&, const Caller&, std::vector<std::string>);
  // triage_labels.cc
  struct SaidLabel {
    std::string text;
    std::string intent;
    triage::AnswerKind kind = triage::AnswerKind::generative;
    store::LabelOrigin origin = store::LabelOrigin::given;
  };
  struct LabelCounts {
    std::uint64_t added = 0;
    std::uint64_t changed = 0;  ///< texts that had another label
    std::uint64_t known = 0;
  };
  Task<void> add_triage_labels(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> list_triage_labels(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> get_triage_label(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> delete_triage_label(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> learn_triage(http::Exchange&, const Caller&, std::vector<std::string>);
  /// Errors: permission_denied, not_found (no triage).
  Result<> may_teach(const Caller& caller) const;
  store::LeafDraft label_leaf(const Caller& caller, const store::LabelRow& label, std::string_view kind) const;
  Task<Result<store::LabelRow>> label_of(const Caller& caller, std::string id);
  /// A run whose key seals labels that came as texts. Errors: as Engine::prepare and drive.
  Task<Result<store::RunRow>> run_of_labels(const http::Exchange& exchange, const Caller& caller, std::size_t count);
  /// Puts labels of the run's texts, with their leaves, into a commit that is the run's. Errors: as Engine::labelling,
  /// conflict (too many are kept).
  Task<Result<>> label_anew(const Caller& caller, const store::LabelRow& before, std::string_view text,
                            store::LabelRow label);
  Task<Result<>> check_not_held(const store::RunRow& run);
  Task<Result<>> add_labels(const Caller& caller, const store::RunRow& run, std::vector<SaidLabel> said,
                            store::Commit& commit, LabelCounts& counts);
  Task<Result<>> store_labels(const Caller& caller, const store::RunRow& run, std::vector<SaidLabel> said,
                              LabelCounts& counts);
  Task<Result<LabelCounts>> take_labels(const http::Exchange& exchange, const Caller& caller,
                                        std::vector<AskedLabel> asked);
  Task<void> list_policies(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> get_policy(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> publish_policy(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> approve_policy(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> reveal(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> list_keys(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> create_key(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> revoke_key(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> list_tenant_keys(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> rotate_tenant_key(http::Exchange&, const Caller&, std::vector<std::string>);
  // erasure
  Task<void> erase(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> attest(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> list_holds(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> place_hold(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> release_hold(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<Result<json::array>> stored_holds();
  Task<Result<>> store_holds(json::array holds, std::string kind, json::value changed, const Caller& caller);
  Task<bool> comes_about(std::function<Task<bool>()> done);
  // system
  Task<void> get_checkpoint(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> get_timestamp(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> get_tile(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> health(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> ready(http::Exchange&, const Caller&, std::vector<std::string>);
  Task<void> get_metrics(http::Exchange&, const Caller&, std::vector<std::string>);

  /// What every model route does: head, idempotency, run, answer.
  Task<void> serve_model(http::Exchange& exchange, const Caller& principal, std::string_view flow_name,
                         std::string_view wants, policy::JsonProfile profile);
  /// The one run of all requests with an Idempotency-Key.
  struct OneRun {
    RunId id;
    bool known = false;                      ///< on disk
    std::shared_ptr<flow::Pending> pending;  ///< of one that is not: it is the caller's to make
  };
  /// Errors: already_exists (the key came with another request), unavailable (another is making it).
  Task<Result<OneRun>> run_of_key(const std::string& tenant, const Caller& caller, const std::string& key,
                                  const std::string& hash);
  /// What the caller is to a run that it starts.
  flow::RunRequest request_of(const http::Exchange& exchange, const Caller& caller, std::string key,
                              std::string hash) const;
  /// Makes the run durable and lets it go on in the background. Errors: as Engine::prepare and accept.
  Task<Result<>> start_run(flow::RunRequest wanted, std::shared_ptr<flow::Pending> pending);
  /// The same of one that is prepared, or is not.
  Task<Result<>> start_prepared(Result<std::shared_ptr<flow::LiveRun>> run, std::string tenant, std::string key,
                                std::shared_ptr<flow::Pending> pending);
  Task<Result<>> store_keys(std::vector<KeyRecord> records, std::string kind, const Caller& caller,
                            const KeyRecord& key);
  /// Puts it on record that the caller sees the run's content. Errors: as the store's; then it must not be shown.
  Task<Result<>> record_opening(const Caller& caller, const store::RunRow& run, std::string summary);
  /// `restored`: with the values behind the placeholders, for those who may.
  Task<void> answer_run(http::Exchange& exchange, store::RunRow row, bool restored);
  /// The request's Idempotency-Key as it is kept; empty: none. Errors: as check_idempotency_key.
  Result<std::string> request_key(const http::Exchange& exchange, const Caller& caller) const;
  /// Of a request that came with one.
  std::string request_hash(const Caller& caller, std::string_view what, std::string_view body) const;
  Task<bool> may_read_log(http::Exchange& exchange);  ///< false: the refusal is sent
  struct Asked;
  struct Work;
  /// Errors: at_limit(), and those of what the request says.
  Result<Asked> read_model_request(http::Exchange& exchange, const Caller& caller, std::string_view flow_name,
                                   std::string_view wants) const;
  /// True: the answer is sent.
  Task<bool> answered_before(http::Exchange& exchange, const Caller& caller, const Asked& asked,
                             const flow::InFlight::Entry& entry);
  /// Errors: as Engine::prepare.
  Task<Result<Work>> begin_work(http::Exchange& exchange, const Caller& caller, Asked asked,
                                const flow::InFlight::Entry& entry, policy::JsonProfile profile, Micros started_us);
  Task<void> answer_live(http::Exchange& exchange, Work& work);
  Task<void> answer_stored(http::Exchange& exchange, const Caller& caller, store::RunRow row, bool stream,
                           bool include_usage);
  http::Headers run_headers(const flow::LiveRun& run, Micros started_us) const;
  void count(const flow::LiveRun& run, Micros started_us);

  ApiParts parts_;
};

/// Answers in the shape of the surface the path belongs to: OpenAI errors under /v1, problem details (RFC 9457)
/// elsewhere. A 429 or 503 says when to come back, whatever `extra` says.
Task<void> respond_error(http::Exchange& exchange, Error error, http::Headers extra = {});
Task<void> respond_json(http::Exchange& exchange, int status, std::string body, http::Headers extra = {});

using flow::check_idempotency_key;
/// The refusal of a server that has `in_flight_max` runs in work.
Error at_limit();
/// Segments of `path` that stand where `pattern` has "*"; nothing where they do not match.
std::optional<std::vector<std::string>> match_path(std::string_view pattern, std::string_view path);

}  // namespace sb::api
