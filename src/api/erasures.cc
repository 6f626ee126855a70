// /api/v1/erasures and /api/v1/holds: a person's data goes for ever, unless the law holds it.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>

#include "api/api.h"
#include "api/control.h"
#include "base/json_writer.h"

namespace sb::api {
namespace {

constexpr std::string_view kHolds = "legal_holds";
constexpr int kScrubTries = 20;
constexpr std::chrono::milliseconds kScrubPause{50};

/// What an erasure or a hold is about: one run, or all of a person's in one tenant.
struct Scope {
  std::string tenant;
  std::string subject;  ///< pseudonym
  std::optional<RunId> run;

  bool covers(const json::value& hold) const {
    if (string_member(hold, "tenant") != tenant) return false;
    return (!subject.empty() && string_member(hold, "subject") == subject) ||
           (run && string_member(hold, "run") == run->to_string());
  }
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

}  // namespace

Task<Result<json::array>> Api::load_holds() {
  SB_CO_TRY(const auto text, co_await parts_.store.load_document(std::string(kHolds)));
  if (!text) co_return json::array();
  SB_CO_TRY(const json::value holds, parse_json(*text));
  if (!holds.is_array()) co_return fail(Errc::corrupt, "the list of legal holds is damaged");
  co_return holds.get_array();
}

// The store's log file is emptied, so that no old page of it holds a key; readers that are at work are waited for. What
// does not come about meanwhile the store makes up for.
Task<bool> Api::scrub() {
  for (int i = 0; i < kScrubTries; ++i) {
    if (co_await parts_.store.scrub()) co_return true;
    asio::steady_timer pause(co_await asio::this_coro::executor, kScrubPause);
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
  auto holds = co_await load_holds();
  if (!holds) co_return co_await respond_error(exchange, holds.error());

  // A hold on a person protects each of their runs, also one that is named by itself.
  Scope touched = *scope;
  if (scope->run) {
    const auto row = co_await parts_.store.load_run(*scope->run);
    if (!row && row.error().code != Errc::not_found) co_return co_await respond_error(exchange, row.error());
    if (row && row->tenant == scope->tenant) touched.subject = row->subject;  // of others it is as if there were none
  }

  store::ErasableFilter filter;
  filter.tenant = scope->tenant;
  filter.subject = scope->subject;
  filter.run = scope->run;
  filter.limit = 10'000;
  const std::string id = RunId::generate(parts_.clock, parts_.entropy).to_string();
  std::uint64_t erased = 0, values_erased = 0, values_shared = 0;
  for (bool more = true; more;) {
    auto runs = co_await parts_.store.erasable_runs(filter);
    if (!runs) co_return co_await respond_error(exchange, runs.error());
    const auto tokens = co_await parts_.store.tokens_of_subject(scope->tenant, scope->subject, filter.limit);
    if (!tokens) co_return co_await respond_error(exchange, tokens.error());
    for (const json::value& hold : *holds) {
      const auto held = [&](const RunId& run) { return string_member(hold, "run") == run.to_string(); };
      if (touched.covers(hold) || std::ranges::any_of(*runs, held)) {
        co_return co_await respond_error(
            exchange, Error(Errc::conflict, fmt::format("legal hold {} forbids it: {}", string_member(hold, "id"),
                                                        string_member(hold, "reason"))));
      }
    }
    more = runs->size() == filter.limit || tokens->size() == filter.limit;
    const auto shared = static_cast<std::uint64_t>(std::ranges::count_if(*tokens, &store::PersonsToken::shared));
    store::Commit commit;
    store::LeafDraft leaf;
    leaf.kind = "erasure";
    leaf.tenant = scope->tenant;
    leaf.actor = parts_.pseudonyms.actor(actor_of(caller));
    JsonWriter summary;
    summary.begin_object().member("erasure", id).member("legal_basis", basis);
    if (const auto by = string_member(*body, "requested_by"); !by.empty())
      summary.member("requested_by", parts_.pseudonyms.subject(scope->tenant, by));
    if (scope->run) summary.member("run", scope->run->to_string());
    summary.member("runs", static_cast<std::int64_t>(runs->size()));
    if (!scope->subject.empty()) {
      summary.member("subject", scope->subject);
      summary.member("values", static_cast<std::int64_t>(tokens->size() - shared));
      summary.member("values_shared", static_cast<std::int64_t>(shared));
    }
    leaf.summary = std::move(summary.end_object()).take();
    leaf.time_us = parts_.clock.now_us();
    commit.leaves.push_back(std::move(leaf));
    erased += runs->size();
    values_erased += tokens->size() - shared;
    values_shared += shared;
    commit.erase = *std::move(runs);
    for (const store::PersonsToken& token : *tokens) commit.erase_tokens.push_back(token.no);
    if (auto written = co_await parts_.store.commit(std::move(commit)); !written)
      co_return co_await respond_error(exchange, written.error());
  }
  std::uint64_t open = 0;
  if (!scope->subject.empty()) {
    auto count = co_await parts_.store.open_runs_of_subject(scope->tenant, scope->subject);
    if (!count) co_return co_await respond_error(exchange, count.error());
    open = *count;
  }
  json::object report{{"id", id}, {"tenant", scope->tenant}};
  report["runs_erased"] = erased;
  report["keys_deleted"] = erased;
  report["values_erased"] = values_erased;    // behind placeholders of the tenant
  report["values_shared"] = values_shared;    // other people's runs brought them too: they stay for those
  report["runs_open"] = open;                 // not ended yet: ask again when they have
  report["log_scrubbed"] = co_await scrub();  // false: owed, the store goes on trying
  co_await respond_json(exchange, 200, to_text(report));
}

Task<void> Api::list_holds(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  auto holds = co_await load_holds();
  if (!holds) co_return co_await respond_error(exchange, holds.error());
  json::array visible;
  for (const json::value& hold : *holds) {
    if (may_see(caller, string_member(hold, "tenant"))) visible.push_back(hold);
  }
  co_await respond_json(exchange, 200, to_text(json::object{{"holds", std::move(visible)}}));
}

Task<Result<>> Api::store_holds(json::array holds, std::string kind, std::string tenant, std::string id,
                                const Caller& caller) {
  store::Commit commit;
  commit.documents.emplace_back(kHolds, to_text(holds));
  store::LeafDraft leaf;
  leaf.kind = std::move(kind);
  leaf.tenant = std::move(tenant);
  leaf.actor = parts_.pseudonyms.actor(actor_of(caller));
  JsonWriter summary;
  summary.begin_object().member("hold", id).end_object();
  leaf.summary = std::move(summary).take();
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
  auto scope = scope_of(*body, caller, parts_.pseudonyms);
  if (!scope) co_return co_await respond_error(exchange, scope.error());
  auto pass = co_await parts_.changes.enter();
  if (!pass) co_return co_await respond_error(exchange, pass.error());
  auto holds = co_await load_holds();
  if (!holds) co_return co_await respond_error(exchange, holds.error());
  const std::string id = RunId::generate(parts_.clock, parts_.entropy).to_string();
  json::object hold{{"id", id},
                    {"tenant", scope->tenant},
                    {"reason", string_member(*body, "reason")},
                    {"placedAt", time_or_null(parts_.clock.now_us())}};
  if (scope->run) hold["run"] = scope->run->to_string();
  if (!scope->subject.empty()) hold["subject"] = scope->subject;
  holds->push_back(hold);
  if (auto stored = co_await store_holds(*std::move(holds), "hold.place", scope->tenant, id, caller); !stored)
    co_return co_await respond_error(exchange, stored.error());
  co_await respond_json(exchange, 201, to_text(hold));
}

Task<void> Api::release_hold(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  auto pass = co_await parts_.changes.enter();
  if (!pass) co_return co_await respond_error(exchange, pass.error());
  auto holds = co_await load_holds();
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
  const std::string tenant(string_member(*released, "tenant"));
  if (auto stored = co_await store_holds(std::move(rest), "hold.release", tenant, captured[0], caller); !stored)
    co_return co_await respond_error(exchange, stored.error());
  co_await respond_json(exchange, 200, to_text(*released));
}

}  // namespace sb::api
