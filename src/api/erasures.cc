// /api/v1/erasures and /api/v1/holds: a person's data goes for ever, unless the law holds it.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>

#include "api/api.h"
#include "api/control.h"
#include "api/legal_holds.h"
#include "base/json_writer.h"
#include "base/record_writer.h"

namespace sb::api {
namespace {

constexpr int kTries = 20;
constexpr std::chrono::milliseconds kPause{50};
constexpr std::size_t kRunsAtOnce = 1'000;  // others wait for the writer meanwhile
constexpr int kLateRoundsMax = 100;         // for a person whose runs go on ending while the others are erased

constexpr std::string_view kSealedReason = "sealed_reason";

/// Where a hold's reason stands: it opens nowhere else.
std::string place_of(const json::value& hold) {
  return fmt::format("{}/{}", kLegalHolds, string_member(hold, "id"));
}

Result<std::string> reason_of(const json::value& hold, const flow::Sealer& sealer) {
  const auto* sealed = find_member(hold, kSealedReason);
  if (!sealed) return std::string(string_member(hold, "reason"));  // from before reasons were sealed
  return sealer.open_text(place_of(hold), string_member(hold, kSealedReason));
}

/// What an erasure or a hold is about: one run, or all of a person's in one tenant.
struct Scope {
  std::string tenant;
  std::string subject;  ///< pseudonym; or
  std::optional<RunId> run;
};

Result<Scope> scope_of(const json::value& body, const Caller& caller, const Pseudonyms& pseudonyms) {
  Scope scope;
  scope.tenant = caller.role == Role::admin ? string_member(body, "tenant", caller.tenant) : caller.tenant;
  scope.subject = pseudonyms.subject(scope.tenant, string_member(body, "subject"));
  if (const auto run = string_member(body, "run"); !run.empty()) {
    scope.run = RunId::parse(run);
    if (!scope.run) return fail(Errc::invalid_argument, "a run id is a UUID", "run");
  }
  if (scope.subject.empty() == !scope.run)
    return fail(Errc::invalid_argument, "send either `subject`, a person as callers name them, or `run`");
  return scope;
}

/// The run that is meant. Errors: not_found (of other tenants it is as if there were none), as the store's.
Task<Result<store::RunRow>> run_of(store::Store& store, const Scope& scope) {
  auto run = co_await store.load_run(*scope.run);
  if (!run || run->tenant != scope.tenant) co_return std::unexpected(not_shown(run, "run"));
  co_return std::move(run);
}

Task<Result<>> check_holds(store::Store& store, const flow::Sealer& sealer, const Scope& scope,
                           const std::optional<store::RunRow>& run) {
  SB_CO_TRY(const auto holds, co_await load_holds(store));
  const LegalHold* const hold = run ? hold_on_run(holds, *run) : hold_on_person(holds, scope.tenant, scope.subject);
  if (!hold) co_return Result<>();
  SB_CO_TRY(const auto reason, reason_of(hold->stored, sealer));
  co_return fail(Errc::conflict, fmt::format("legal hold {} forbids it: {}", hold->id, reason));
}

/// Who asked for what, and why: on the record with each part of an erasure.
struct Order {
  std::string id;
  std::string actor;  ///< pseudonyms
  std::string requested_by;
  std::string basis;
};

struct Outcome {
  std::uint64_t runs = 0;
  std::uint64_t values = 0;
  std::uint64_t shared = 0;  ///< values that others brought too
  std::uint64_t open = 0;    ///< runs that go on
};

class Erasure {
 public:
  Erasure(store::Store& store, const flow::InFlight& in_flight, const Clock& clock, Scope scope, Order order)
      : store_(store), in_flight_(in_flight), clock_(clock), scope_(std::move(scope)), order_(std::move(order)) {}

  /// Until nothing is left. Runs that go on are counted before those that ended are looked for: one that ends in
  /// between is found.
  Task<Result<Outcome>> run() {
    for (int late_rounds = 0; late_rounds < kLateRoundsMax;) {
      SB_CO_TRY(outcome_.open, co_await count_open());
      SB_CO_TRY(const std::size_t found, co_await erase_some());
      if (found == 0) break;
      if (found < kRunsAtOnce) ++late_rounds;
    }
    co_return outcome_;
  }

 private:
  Task<Result<std::uint64_t>> count_open() {
    if (scope_.run) co_return std::uint64_t{0};
    std::uint64_t unstored = 0;
    for (const RunId& id : in_flight_.runs_of(scope_.subject)) {
      const auto run = co_await store_.load_run(id);
      if (!run && run.error().code != Errc::not_found) co_return std::unexpected(run.error());
      if (!run) ++unstored;
    }
    SB_CO_TRY(const auto stored, co_await store_.open_runs_of_subject(scope_.tenant, scope_.subject));
    co_return stored + unstored;
  }

  Task<Result<std::size_t>> erase_some() {
    store::ErasableFilter filter;
    filter.tenant = scope_.tenant;
    filter.subject = scope_.subject;
    filter.run = scope_.run;
    filter.limit = kRunsAtOnce;
    SB_CO_TRY(auto runs, co_await store_.erasable_runs(filter));
    SB_CO_TRY(const auto tokens, co_await store_.tokens_of_subject(scope_.tenant, scope_.subject, kRunsAtOnce));
    const std::size_t found = runs.size() + tokens.size();
    if (found == 0 && on_record_) co_return found;
    const auto shared = static_cast<std::uint64_t>(std::ranges::count_if(tokens, &store::PersonsToken::shared));
    store::Commit commit;
    commit.leaves.push_back(leaf_of_all(runs.size(), tokens.size() - shared, shared));
    for (const RunId& run : runs) commit.leaves.push_back(leaf_of(run));
    outcome_.runs += runs.size();
    outcome_.values += tokens.size() - shared;
    outcome_.shared += shared;
    commit.erase = std::move(runs);
    for (const store::PersonsToken& token : tokens) commit.erase_tokens.push_back(token.no);
    SB_CO_CHECK(co_await store_.commit(std::move(commit)));
    on_record_ = true;
    co_return found;
  }

  store::LeafDraft draft(std::string kind) const {
    store::LeafDraft leaf;
    leaf.kind = std::move(kind);
    leaf.tenant = scope_.tenant;
    leaf.actor = order_.actor;
    leaf.time_us = clock_.now_us();
    return leaf;
  }

  store::LeafDraft leaf_of_all(std::uint64_t runs, std::uint64_t values, std::uint64_t shared) const {
    store::LeafDraft leaf = draft("erasure");
    JsonWriter summary;
    summary.begin_object().member("erasure", order_.id).member("legal_basis", order_.basis);
    if (!order_.requested_by.empty()) summary.member("requested_by", order_.requested_by);
    summary.member("runs", static_cast<std::int64_t>(runs));
    if (!scope_.subject.empty()) {
      summary.member("subject", scope_.subject);
      summary.member("values", static_cast<std::int64_t>(values));
      summary.member("values_shared", static_cast<std::int64_t>(shared));
    }
    leaf.summary = std::move(summary.end_object()).take();
    return leaf;
  }

  // Among the run's own leaves, so that they prove that it was erased.
  store::LeafDraft leaf_of(const RunId& run) const {
    store::LeafDraft leaf = draft("run.erased");
    leaf.run = run;
    leaf.summary = fmt::format(R"({{"erasure":"{}"}})", order_.id);
    return leaf;
  }

  store::Store& store_;
  const flow::InFlight& in_flight_;
  const Clock& clock_;
  const Scope scope_;
  const Order order_;
  Outcome outcome_;
  bool on_record_ = false;
};

}  // namespace

// `done()` again and again, but not for long.
Task<bool> Api::comes_about(std::function<Task<bool>()> done) {
  for (int i = 0; i < kTries; ++i) {
    if (co_await done()) co_return true;
    asio::steady_timer pause(co_await asio::this_coro::executor, kPause);
    co_await pause.async_wait(use_task);
  }
  co_return false;
}

Task<void> Api::erase(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  const auto body = parse_json(exchange.request().body);
  if (!body || !body->is_object()) {
    co_return co_await respond_error(
        exchange, Error(Errc::invalid_argument,
                        R"(send {"subject" or "run": "...", "legal_basis": "...", "requested_by"?, "tenant"?})"));
  }
  if (auto known = only_members(*body, {"subject", "run", "tenant", "legal_basis", "requested_by"}); !known)
    co_return co_await respond_error(exchange, known.error());
  const std::string basis(string_member(*body, "legal_basis"));
  if (basis.empty() || basis.size() > 200) {
    co_return co_await respond_error(
        exchange, Error(Errc::invalid_argument,
                        "an erasure says why: up to 200 characters, such as \"GDPR Art. 17(1)(a)\"", "legal_basis"));
  }
  auto scope = scope_of(*body, caller, parts_.pseudonyms);
  if (!scope) co_return co_await respond_error(exchange, scope.error());
  auto pass = co_await parts_.changes.enter();
  if (!pass) co_return co_await respond_error(exchange, pass.error());
  std::optional<store::RunRow> run;
  if (scope->run) {
    auto found = co_await run_of(parts_.store, *scope);
    if (!found) co_return co_await respond_error(exchange, found.error());
    if (!store::is_final(found->status)) {
      co_return co_await respond_error(
          exchange, Error(Errc::conflict, "the run has not ended: cancel it, or ask again when it has", "run"));
    }
    run = *std::move(found);
  }
  if (auto free = co_await check_holds(parts_.store, parts_.engine.sealer(), *scope, run); !free)
    co_return co_await respond_error(exchange, free.error());

  Order order{
      RunId::generate(parts_.clock, parts_.entropy).to_string(), parts_.pseudonyms.actor(actor_of(caller)), {}, basis};
  if (const auto by = string_member(*body, "requested_by"); !by.empty())
    order.requested_by = parts_.pseudonyms.subject(scope->tenant, by);
  const auto outcome = co_await Erasure(parts_.store, parts_.in_flight, parts_.clock, *scope, order).run();
  if (!outcome) co_return co_await respond_error(exchange, outcome.error());
  pass->reset();  // what follows is waited for, and others need not wait with it
  const std::uint64_t groups = parts_.mirror_progress ? parts_.mirror_progress().committed : 0;
  json::object report{{"id", order.id}, {"tenant", scope->tenant}};
  report["runs_erased"] = outcome->runs;
  report["keys_deleted"] = outcome->runs;
  report["values_erased"] = outcome->values;  // behind placeholders of the tenant
  report["values_shared"] = outcome->shared;  // other people's runs brought them too: they stay for those
  report["runs_open"] = outcome->open;        // not ended yet: ask again when they have
  // False, both: owed; the store and the mirror go on trying.
  report["log_scrubbed"] =
      co_await comes_about([this]() -> Task<bool> { co_return (co_await parts_.store.scrub()).has_value(); });
  if (parts_.mirror_progress) {
    report["mirror_erased"] =
        co_await comes_about([this, groups]() -> Task<bool> { co_return parts_.mirror_progress().mirrored >= groups; });
  }
  co_await respond_json(exchange, 200, to_text(report));
}

Task<Result<json::array>> Api::stored_holds() {
  SB_CO_TRY(const auto document, co_await parts_.store.load_document(std::string(kLegalHolds)));
  SB_CO_TRY(json::array holds, parse_holds(document));
  for (json::value& hold : holds) {
    SB_CO_TRY(const auto reason, reason_of(hold, parts_.engine.sealer()));
    auto& members = hold.as_object();
    members["reason"] = reason;
    members.erase(kSealedReason);
  }
  co_return holds;
}

Task<void> Api::list_holds(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  auto holds = co_await stored_holds();
  if (!holds) co_return co_await respond_error(exchange, holds.error());
  json::array visible;
  for (const json::value& hold : *holds) {
    if (may_see(caller, string_member(hold, "tenant"))) visible.push_back(hold);
  }
  co_await respond_json(exchange, 200, to_text(json::object{{"holds", std::move(visible)}}));
}

// Reasons name people and cases: they are sealed. The record says what is held, and by whose wish.
Task<Result<>> Api::store_holds(json::array holds, std::string kind, json::value changed, const Caller& caller) {
  for (json::value& hold : holds) {
    auto& members = hold.as_object();
    members[kSealedReason] = parts_.engine.sealer().seal_text(place_of(hold), string_member(hold, "reason"));
    members.erase("reason");
  }
  store::Commit commit;
  commit.documents.emplace_back(std::string(kLegalHolds), to_text(holds));
  store::LeafDraft leaf;
  leaf.kind = std::move(kind);
  leaf.tenant = string_member(changed, "tenant");
  leaf.run = RunId::parse(string_member(changed, "run"));
  leaf.actor = parts_.pseudonyms.actor(actor_of(caller));
  RecordWriter summary;
  summary.begin_object().member("hold", RecordText::ours(string_member(changed, "id")));
  if (const auto subject = string_member(changed, "subject"); !subject.empty())
    summary.member("subject", RecordText::ours(subject));
  leaf.summary = std::move(summary.end_object()).take().text();
  leaf.time_us = parts_.clock.now_us();
  commit.leaves.push_back(std::move(leaf));
  co_return co_await parts_.store.commit(std::move(commit));
}

Task<void> Api::place_hold(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  const auto body = parse_json(exchange.request().body);
  if (!body || !body->is_object() || string_member(*body, "reason").empty()) {
    co_return co_await respond_error(
        exchange,
        Error(Errc::invalid_argument, R"(send {"subject" or "run": "...", "reason": "...", "tenant"?})", "reason"));
  }
  if (auto known = only_members(*body, {"subject", "run", "reason", "tenant"}); !known)
    co_return co_await respond_error(exchange, known.error());
  auto scope = scope_of(*body, caller, parts_.pseudonyms);
  if (!scope) co_return co_await respond_error(exchange, scope.error());
  auto pass = co_await parts_.changes.enter();
  if (!pass) co_return co_await respond_error(exchange, pass.error());
  if (scope->run) {
    if (const auto run = co_await run_of(parts_.store, *scope); !run)
      co_return co_await respond_error(exchange, run.error());
  }
  auto holds = co_await stored_holds();
  if (!holds) co_return co_await respond_error(exchange, holds.error());
  const std::string id = RunId::generate(parts_.clock, parts_.entropy).to_string();
  json::object hold{{"id", id},
                    {"tenant", scope->tenant},
                    {"reason", string_member(*body, "reason")},
                    {"placedAt", time_or_null(parts_.clock.now_us())}};
  if (scope->run) hold["run"] = scope->run->to_string();
  if (!scope->subject.empty()) hold["subject"] = scope->subject;
  holds->push_back(hold);
  if (auto stored = co_await store_holds(*std::move(holds), "hold.place", hold, caller); !stored)
    co_return co_await respond_error(exchange, stored.error());
  co_await respond_json(exchange, 201, to_text(hold));
}

Task<void> Api::release_hold(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  auto pass = co_await parts_.changes.enter();
  if (!pass) co_return co_await respond_error(exchange, pass.error());
  auto holds = co_await stored_holds();
  if (!holds) co_return co_await respond_error(exchange, holds.error());
  json::array rest;
  std::optional<json::value> released;
  for (json::value& hold : *holds) {
    const bool found = string_member(hold, "id") == captured[0] && may_see(caller, string_member(hold, "tenant"));
    if (found)
      released = hold;
    else
      rest.push_back(hold);
  }
  if (!released) co_return co_await respond_error(exchange, no_such("hold"));
  if (auto stored = co_await store_holds(std::move(rest), "hold.release", *released, caller); !stored)
    co_return co_await respond_error(exchange, stored.error());
  co_await respond_json(exchange, 200, to_text(*released));
}

}  // namespace sb::api
