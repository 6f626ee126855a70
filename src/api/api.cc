#include "api/api.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/log.h"
#include "model/error_body.h"

namespace sb::api {
namespace {

bool is_openai_path(std::string_view path) {
  return path.starts_with("/v1/") || path == "/v1";
}

}  // namespace

std::optional<std::vector<std::string>> match_path(std::string_view pattern, std::string_view path) {
  const auto want = split(pattern, '/');
  const auto have = split(path, '/');
  if (want.size() != have.size()) return std::nullopt;
  std::vector<std::string> captured;
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (want[i] == "*")
      captured.emplace_back(have[i]);
    else if (want[i] != have[i])
      return std::nullopt;
  }
  return captured;
}

Result<std::string> Api::request_key(const http::Exchange& exchange, const Caller& caller) const {
  const auto key = exchange.request().headers.get("idempotency-key");
  SB_CHECK(check_idempotency_key(key));
  return parts_.pseudonyms.request_key(caller.tenant, key);
}

std::string Api::request_hash(const Caller& caller, std::string_view what, std::string_view body) const {
  return parts_.pseudonyms.request_hash(caller.tenant, to_hex(sha256(what, body)));
}

Error at_limit() {
  return Error(Errc::unavailable, "the server is at its limit of requests in work; try again");
}

Task<void> respond_json(http::Exchange& exchange, int status, std::string body, http::Headers extra) {
  http::Response response{status, std::move(extra), std::move(body)};
  if (!response.headers.has("content-type")) response.headers.add("content-type", "application/json");
  (void)co_await exchange.respond(std::move(response));
}

Task<void> respond_error(http::Exchange& exchange, Error error, http::Headers extra) {
  const int status = model::http_status(error.code);
  if ((status == 429 || status == 503) && !extra.has("retry-after")) extra.add("retry-after", "1");
  if (is_openai_path(exchange.request().path)) {
    co_return co_await respond_json(exchange, status, model::openai_error_body(error), std::move(extra));
  }
  json::object problem{{"type", fmt::format("urn:signalbox:error:{}", to_string(error.code))},
                       {"title", to_string(error.code)},
                       {"status", status},
                       {"detail", error.detail}};
  if (!error.param.empty()) problem["param"] = error.param;
  extra.set("content-type", "application/problem+json");
  co_return co_await respond_json(exchange, status, to_text(problem), std::move(extra));
}

const std::vector<Api::Route>& Api::routes() {
  using P = Permission;
  static const std::vector<Route> all = {
      {"POST", "/v1/chat/completions", P::infer, &Api::chat_completions},
      {"POST", "/v1/embeddings", P::infer, &Api::embeddings},
      {"GET", "/v1/models", P::infer, &Api::list_models},
      {"GET", "/v1/models/*", P::infer, &Api::get_model},
      {"GET", "/v1/models/*/*", P::infer, &Api::get_model},
      {"GET", "/api/v1/runs", P::read_runs, &Api::list_runs},
      {"GET", "/api/v1/runs/*", P::read_runs, &Api::get_run},
      {"GET", "/api/v1/runs/*/stream", P::infer, &Api::get_run_stream},
      {"GET", "/api/v1/runs/*/events", P::read_runs, &Api::get_run_events},
      {"POST", "/api/v1/runs/*/feedback", P::give_feedback, &Api::give_feedback},
      {"GET", "/api/v1/runs/*/feedback", P::read_runs, &Api::get_feedback},
      {"POST", "/api/v1/runs/*/tags", P::give_feedback, &Api::add_note},
      {"POST", "/api/v1/runs/*/annotations", P::give_feedback, &Api::add_note},
      {"POST", "/api/v1/runs/*/scores", P::give_feedback, &Api::add_note},
      {"POST", "/api/v1/runs/*/disclosures", P::read_audit, &Api::record_disclosure},
      {"POST", "/api/v1/disclosures", P::read_audit, &Api::record_traffic_disclosure},
      {"POST", "/api/v1/runs/*/retry", P::control_runs, &Api::retry_run},
      {"POST", "/api/v1/runs/*/fork", P::control_runs, &Api::fork_run},
      {"POST", "/api/v1/runs/*/*", P::control_runs, &Api::act_on_run},
      {"POST", "/api/v1/events", P::start_runs, &Api::post_event},
      {"GET", "/api/v1/flows", P::read_setup, &Api::list_flows},
      {"POST", "/api/v1/flows", P::change_setup, &Api::add_flow},
      {"POST", "/api/v1/flows/*/*/runs", P::start_runs, &Api::create_run},
      {"GET", "/api/v1/reviews", P::read_reviews, &Api::list_reviews},
      {"GET", "/api/v1/reviews/*", P::read_reviews, &Api::get_review},
      {"POST", "/api/v1/reviews/*/*", P::decide_reviews, &Api::act_on_review},
      {"GET", "/api/v1/costs", P::read_costs, &Api::get_costs},
      {"GET", "/api/v1/triage/trials", P::read_costs, &Api::get_trials},
      {"GET", "/api/v1/triage/versions", P::read_setup, &Api::list_triage_versions},
      {"POST", "/api/v1/triage/versions/*/use", P::change_setup, &Api::use_triage_version},
      {"POST", "/api/v1/triage/versions/*/approve", P::change_setup, &Api::approve_triage_version},
      {"POST", "/api/v1/triage/labels", P::change_setup, &Api::add_triage_labels},
      {"GET", "/api/v1/triage/labels", P::read_setup, &Api::list_triage_labels},
      {"GET", "/api/v1/triage/labels/*", P::read_runs, &Api::get_triage_label},
      {"DELETE", "/api/v1/triage/labels/*", P::change_setup, &Api::delete_triage_label},
      {"POST", "/api/v1/triage/learn", P::change_setup, &Api::learn_triage},
      {"GET", "/api/v1/policies", P::read_setup, &Api::list_policies},
      {"POST", "/api/v1/policies", P::change_setup, &Api::publish_policy},
      {"GET", "/api/v1/policies/*", P::read_setup, &Api::get_policy},
      {"POST", "/api/v1/policies/*/approve", P::change_setup, &Api::approve_policy},
      {"POST", "/api/v1/reveal", P::restore, &Api::reveal},
      {"GET", "/api/v1/keys", P::manage_keys, &Api::list_keys},
      {"POST", "/api/v1/keys", P::manage_keys, &Api::create_key},
      {"DELETE", "/api/v1/keys/*", P::manage_keys, &Api::revoke_key},
      {"GET", "/api/v1/tenant-keys", P::manage_keys, &Api::list_tenant_keys},
      {"POST", "/api/v1/tenant-keys/*/rotate", P::manage_keys, &Api::rotate_tenant_key},
      // Open here: whether they need a key is asked by the handler (audit.public).
      {"GET", "/audit/checkpoint", P::read_audit, &Api::get_checkpoint, true},
      {"GET", "/audit/checkpoint.witnessed", P::read_audit, &Api::get_checkpoint, true},
      {"GET", "/audit/timestamp/*", P::read_audit, &Api::get_timestamp, true},
      {"GET", "/audit/tile/*/*", P::read_audit, &Api::get_tile, true},
      {"GET", "/audit/tile/*/*/*", P::read_audit, &Api::get_tile, true},
      {"GET", "/audit/tile/*/*/*/*", P::read_audit, &Api::get_tile, true},
      {"GET", "/audit/tile/*/*/*/*/*", P::read_audit, &Api::get_tile, true},
      {"GET", "/audit/tile/*/*/*/*/*/*", P::read_audit, &Api::get_tile, true},
      {"POST", "/api/v1/attestations", P::read_audit, &Api::attest},
      {"POST", "/api/v1/erasures", P::erase, &Api::erase},
      {"GET", "/api/v1/holds", P::erase, &Api::list_holds},
      {"POST", "/api/v1/holds", P::erase, &Api::place_hold},
      {"DELETE", "/api/v1/holds/*", P::erase, &Api::release_hold},
      {"GET", "/healthz", P::read_metrics, &Api::health, true},
      {"GET", "/readyz", P::read_metrics, &Api::ready, true},
      {"GET", "/metrics", P::read_metrics, &Api::get_metrics},
  };
  return all;
}

namespace {

Task<void> refuse_path(http::Exchange& exchange, bool path_known) {
  const auto& request = exchange.request();
  const Error error = path_known
                          ? Error(Errc::unsupported, fmt::format("{} does not take {}", request.path, request.method))
                          : Error(Errc::not_found, fmt::format("no such path: {} {}", request.method, request.path));
  if (!path_known) co_return co_await respond_error(exchange, error);
  co_await respond_json(
      exchange, 405,
      is_openai_path(request.path)
          ? model::openai_error_body(error)
          : to_text(json::object{{"title", "method not allowed"}, {"status", 405}, {"detail", error.detail}}));
}

}  // namespace

Task<void> Api::handle(http::Exchange& exchange) {
  const auto& request = exchange.request();
  const auto started = parts_.clock.steady();
  std::string_view template_path = "unmatched";
  std::string tenant;
  bool path_known = false;
  const Route* route = nullptr;
  std::vector<std::string> captured;
  const std::string_view method = request.method == "HEAD" ? std::string_view("GET") : std::string_view(request.method);
  for (const auto& candidate : routes()) {
    auto values = match_path(candidate.pattern, request.path);
    if (!values) continue;
    path_known = true;
    template_path = candidate.pattern;
    if (candidate.method != method) continue;
    route = &candidate;
    captured = *std::move(values);
    break;
  }
  if (!route) {
    co_await refuse_path(exchange, path_known);
  } else if (route->open) {
    co_await (this->*route->call)(exchange, Caller{}, std::move(captured));
  } else {
    auto admitted = parts_.gatekeeper.admit(request, route->permission);
    if (!admitted) {
      co_await respond_error(exchange, admitted.error().error, std::move(admitted.error().headers));
    } else {
      tenant = admitted->tenant;
      co_await (this->*route->call)(exchange, *admitted, std::move(captured));
    }
  }
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(parts_.clock.steady() - started).count();
  const std::string_view surface = is_openai_path(request.path)        ? "v1"
                                   : request.path.starts_with("/api/") ? "api"
                                                                       : "system";
  const auto status_class = static_cast<std::size_t>(std::clamp(exchange.status_sent() / 100, 0, 5));
  parts_.counters.responses.at(surface == "v1" ? 0 : surface == "api" ? 1 : 2, status_class).add();
  AccessRecord line;
  line.started_us = parts_.clock.now_us() - took;
  line.request_id = request.id;
  line.method = request.method;
  line.route = template_path;
  line.status = exchange.status_sent();
  line.bytes_out = exchange.bytes_sent();
  line.duration_us = took;
  line.tenant = tenant;
  parts_.access_log.write(line);
}

ApiMetrics::ApiMetrics(MetricRegistry& registry)
    : responses(registry.counters(
          "signalbox_api_responses_total",
          "Responses sent. 5xx rising: look at the log's http.request warnings and at provider breakers.",
          {{"surface", {"v1", "api", "system"}}, {"status", {"none", "1xx", "2xx", "3xx", "4xx", "5xx"}}})),
      runs(registry.counters(
          "signalbox_api_runs_total",
          "Model requests by the route they took. A jump of `large` costs money: look at triage's reasons in the runs.",
          {{"route", {"script", "small", "large", "human", "direct", "other"}}})),
      cost_micro(registry.counters(
          "signalbox_api_cost_micro_total",
          "Cost of model requests in millionths of the currency, by route. Compare with GET /api/v1/costs.",
          {{"route", {"script", "small", "large", "human", "direct", "other"}}})),
      overhead(registry.histogram(
          "signalbox_api_overhead_seconds",
          "Our own time in a model request. Rising with durability sync: look at the disk's fsync time.",
          HistogramUnit::microseconds)) {}

Task<void> Api::health(http::Exchange& exchange, const Caller&, std::vector<std::string>) {
  co_await respond_json(exchange, 200, R"({"status":"ok"})");
}

Task<void> Api::ready(http::Exchange& exchange, const Caller&, std::vector<std::string>) {
  const bool is_ready = !parts_.ready || parts_.ready->load();
  co_await respond_json(exchange, is_ready ? 200 : 503,
                        is_ready ? R"({"status":"ready"})" : R"({"status":"not ready"})");
}

Task<void> Api::get_metrics(http::Exchange& exchange, const Caller&, std::vector<std::string>) {
  co_await respond_json(exchange, 200, parts_.metrics.render(),
                        {{"content-type", std::string(MetricRegistry::kContentType)}});
}

}  // namespace sb::api
