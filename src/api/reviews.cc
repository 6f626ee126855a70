// /api/v1/reviews: what waits for a person, and the verdicts.
#include <fmt/format.h>

#include "api/api.h"
#include "api/control.h"
#include "base/bytes.h"

namespace sb::api {
namespace {

json::object review_json(const store::ReviewRow& row) {
  json::object body{{"id", row.id.to_string()},
                    {"run", row.run.to_string()},
                    {"tenant", row.tenant},
                    {"state", store::to_string(row.state)},
                    {"reason", row.reason.empty() ? json::value(nullptr) : json::value(row.reason)},
                    {"priority", row.priority},
                    {"claimedBy", row.claimed_by.empty() ? json::value(nullptr) : json::value(row.claimed_by)},
                    {"claimUntil", time_or_null(row.claim_until_us)},
                    {"decidedBy", row.decided_by.empty() ? json::value(nullptr) : json::value(row.decided_by)},
                    {"createdAt", time_or_null(row.created_us)},
                    {"decidedAt", time_or_null(row.decided_us)}};
  return body;
}

/// With what it asks, for somebody who is on record for opening it.
json::object opened_review_json(const store::ReviewRow& row, json::value question) {
  json::object body = review_json(row);
  if (auto* opened = question.if_object()) {
    if (const auto* reason = opened->if_contains("reason")) {  // a flow computed it
      body["reason"] = *reason;
      opened->erase("reason");
    }
    body["question"] = std::move(question);
  }
  return body;
}

}  // namespace

Task<void> Api::list_reviews(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  const auto& request = exchange.request();
  store::ReviewFilter filter;
  filter.tenant = tenant_scope(caller);
  filter.limit = limit_of(request, 50);
  const auto state = request.query_param("state").value_or("");
  for (const auto candidate : {store::ReviewState::open, store::ReviewState::claimed, store::ReviewState::approved,
                               store::ReviewState::edited, store::ReviewState::rejected, store::ReviewState::expired}) {
    if (state == store::to_string(candidate)) filter.state = candidate;
  }
  if (!state.empty() && !filter.state)
    co_return co_await respond_error(
        exchange,
        Error(Errc::invalid_argument, "state is one of open, claimed, approved, edited, rejected, expired", "state"));
  auto rows = co_await parts_.store.list_reviews(filter);
  if (!rows) co_return co_await respond_error(exchange, rows.error());
  json::array reviews;
  for (const auto& row : *rows) reviews.push_back(review_json(row));
  co_await respond_json(exchange, 200, to_text(json::object{{"reviews", std::move(reviews)}}));
}

Task<void> Api::get_review(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  const auto id = ReviewId::parse(captured[0]);
  if (!id) co_return co_await respond_error(exchange, Error(Errc::invalid_argument, "a review id is a UUID", "id"));
  auto row = co_await parts_.store.load_review(*id);
  if (!row || !may_see(caller, row->tenant)) co_return co_await respond_error(exchange, not_shown(row, "review"));
  auto run = co_await parts_.store.load_run(row->run);
  if (!run) co_return co_await respond_error(exchange, run.error());
  auto summary = fmt::format(R"({{"review":"{}","what":"review"}})", id->to_string());
  if (auto told = co_await record_opening(caller, *run, std::move(summary)); !told)
    co_return co_await respond_error(exchange, told.error());
  co_await respond_json(exchange, 200, to_text(opened_review_json(*row, parts_.engine.open_question(*row, *run))));
}

Task<void> Api::act_on_review(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  const auto id = ReviewId::parse(captured[0]);
  if (!id) co_return co_await respond_error(exchange, Error(Errc::invalid_argument, "a review id is a UUID", "id"));
  auto known = co_await parts_.store.load_review(*id);
  if (!known || !may_see(caller, known->tenant)) co_return co_await respond_error(exchange, not_shown(known, "review"));
  const std::string& verb = captured[1];
  Result<store::ReviewRow> row =
      fail(Errc::not_found, fmt::format("a review can be claimed, approved, edited or rejected, not `{}`", verb));
  if (verb == "claim") {
    row = co_await parts_.engine.claim(*id, actor_of(caller));
  } else if (verb == "approve" || verb == "edit" || verb == "reject") {
    json::object verdict{{"verdict", verb}};
    if (!trim(exchange.request().body).empty()) {
      auto body = parse_json(exchange.request().body);
      if (!body || !body->is_object())
        co_return co_await respond_error(
            exchange, Error(Errc::invalid_argument, R"(send {"text"?: "...", "reason"?: "...", "intent"?: "..."})"));
      const auto intent = string_member(*body, "intent");
      const auto router = parts_.engine.router();
      if (find_member(*body, "intent") && !(router && router->model() && router->model()->find_label(intent)))
        co_return co_await respond_error(
            exchange, Error(Errc::invalid_argument, "the classifier in force knows no intent of that name", "intent"));
      for (const char* key : {"text", "reason", "intent"}) {
        if (const auto* value = find_member(*body, key)) verdict[key] = *value;
      }
    }
    row = co_await parts_.engine.decide(*id, actor_of(caller), std::move(verdict), is_for_all_tenants(caller));
  }
  if (!row) co_return co_await respond_error(exchange, row.error());
  co_await respond_json(exchange, 200, to_text(review_json(*row)));
}

}  // namespace sb::api
