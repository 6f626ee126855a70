// /api/v1/erasures and /api/v1/holds: a person's data goes for ever, unless the law holds it.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>

#include "api/api.h"
#include "api/control.h"
#include "api/erasure.h"
#include "api/legal_holds.h"
#include "base/record_writer.h"

namespace sb::api {
namespace {

constexpr int kTries = 20;
constexpr std::chrono::milliseconds kPause{50};

Result<Scope> scope_of(const json::value& body, const Caller& caller, const Pseudonyms& pseudonyms,
                       const TenantKeys& tenants) {
  Scope scope;
  scope.tenant = caller.role == Role::admin ? string_member(body, "tenant", caller.tenant) : caller.tenant;
  if (scope.tenant != caller.tenant && !tenants.has(scope.tenant))
    return fail(Errc::not_found, "no such tenant has any content here", "tenant");
  scope.subject = pseudonyms.subject(scope.tenant, trim(string_member(body, "subject")));
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

Task<Result<>> check_holds(store::Store& store, const flow::Sealer& sealer, Scope scope) {
  SB_CO_TRY(const auto hold, co_await hold_on(store, std::move(scope)));
  if (!hold) co_return Result<>();
  SB_CO_TRY(const auto reason, reason_of(hold->stored, sealer));
  co_return fail(Errc::conflict, fmt::format("legal hold {} forbids it: {}", hold->id, reason));
}

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
  if (auto known = only_texts(*body, {"subject", "run", "tenant", "legal_basis", "requested_by"}); !known)
    co_return co_await respond_error(exchange, known.error());
  const std::string basis(string_member(*body, "legal_basis"));
  if (basis.empty() || basis.size() > 200) {
    co_return co_await respond_error(
        exchange, Error(Errc::invalid_argument,
                        "an erasure says why: up to 200 characters, such as \"GDPR Art. 17(1)(a)\"", "legal_basis"));
  }
  auto scope = scope_of(*body, caller, parts_.pseudonyms, parts_.tenant_keys);
  if (!scope) co_return co_await respond_error(exchange, scope.error());
  auto pass = co_await parts_.changes.enter();
  if (!pass) co_return co_await respond_error(exchange, pass.error());
  if (scope->run) {
    const auto found = co_await run_of(parts_.store, *scope);
    if (!found) co_return co_await respond_error(exchange, found.error());
    if (!store::is_final(found->status)) {
      co_return co_await respond_error(
          exchange, Error(Errc::conflict, "the run has not ended: cancel it, or ask again when it has", "run"));
    }
  }
  if (auto free = co_await check_holds(parts_.store, parts_.engine.sealer(), *scope); !free)
    co_return co_await respond_error(exchange, free.error());

  ErasureOrder order;
  order.id = RunId::generate(parts_.clock, parts_.entropy).to_string();
  order.scope = *scope;
  order.actor = parts_.pseudonyms.actor(actor_of(caller));
  order.requested_by = parts_.pseudonyms.subject(scope->tenant, trim(string_member(*body, "requested_by")));
  order.legal_basis = basis;
  const auto outcome = co_await Erasure(parts_.store, parts_.in_flight, parts_.clock, order).run();
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
    hold.as_object()["reason"] = reason;
    hold.as_object().erase(kSealedReason);
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
    const std::string reason(string_member(hold, "reason"));
    seal_reason(hold, reason, parts_.engine.sealer());
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
  if (auto known = only_texts(*body, {"subject", "run", "reason", "tenant"}); !known)
    co_return co_await respond_error(exchange, known.error());
  auto scope = scope_of(*body, caller, parts_.pseudonyms, parts_.tenant_keys);
  if (!scope) co_return co_await respond_error(exchange, scope.error());
  auto pass = co_await parts_.changes.enter();
  if (!pass) co_return co_await respond_error(exchange, pass.error());
  if (scope->run) {
    const auto run = co_await run_of(parts_.store, *scope);
    if (!run) co_return co_await respond_error(exchange, run.error());
    if (run->erased)
      co_return co_await respond_error(exchange, Error(Errc::conflict, "the run's content was erased already", "run"));
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
