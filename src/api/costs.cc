// /api/v1/costs: what was spent, on what, what was saved, and what will be spent.
#include <fmt/format.h>

#include <charconv>
#include <chrono>

#include "api/api.h"
#include "api/control.h"
#include "api/cost_report.h"
#include "base/log.h"

namespace sb::api {
namespace {

/// The beginning of a UTC day. Errors: invalid_argument.
Result<Micros> day_of(std::string_view text, const char* name) {
  unsigned parts[3] = {};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::size_t i = 0; i < 3; ++i) {
    const auto [next, error] = std::from_chars(at, end, parts[i]);
    const bool apart = i < 2 ? next != end && *next == '-' : next == end;
    if (error != std::errc() || !apart)
      return fail(Errc::invalid_argument, fmt::format("`{}` is a day such as 2026-01-31", name), name);
    at = next + (i < 2 ? 1 : 0);
  }
  const std::chrono::year_month_day day{std::chrono::year(static_cast<int>(parts[0])), std::chrono::month(parts[1]),
                                        std::chrono::day(parts[2])};
  if (parts[0] > 9999 || !day.ok()) return fail(Errc::invalid_argument, fmt::format("`{}` is no day", name), name);
  return std::chrono::sys_days(day).time_since_epoch().count() * kDay;
}

double share_of_day_left(Micros now_us) {
  return 1 - (static_cast<double>(now_us % kDay) / static_cast<double>(kDay));
}

/// Of the month (UTC), this day's rest included.
double days_left_in_month(Micros now_us) {
  using namespace std::chrono;
  const auto today = floor<days>(sys_time<microseconds>(microseconds(now_us)));
  const year_month_day day(today);
  const auto last = sys_days(day.year() / day.month() / std::chrono::last);
  return static_cast<double>((last - today).count()) + share_of_day_left(now_us);
}

MicroMoney spent_since(std::span<const store::CostRow> rows, Micros from_us) {
  MicroMoney sum = 0;
  for (const auto& row : rows) sum += row.day_us >= from_us ? row.cost : 0;
  return sum;
}

Micros month_start(Micros now_us) {
  using namespace std::chrono;
  const year_month_day day(floor<days>(sys_time<microseconds>(microseconds(now_us))));
  return duration_cast<microseconds>(sys_days(day.year() / day.month() / 1).time_since_epoch()).count();
}

/// A key's day against its limit. `rows`: of that key.
json::object budget_json(const KeyRecord& key, MicroMoney limit, std::span<const store::CostRow> rows, Micros now_us,
                         std::int64_t warn_percent) {
  const MicroMoney spent = spent_since(rows, now_us / kDay * kDay);
  const auto ahead = forecast(whole_days(rows, now_us), spent, share_of_day_left(now_us));
  json::value warning = nullptr;
  if (spent >= limit)
    warning = "spent";
  else if (warn_percent > 0 && spent >= limit / 100 * warn_percent)
    warning = "soft limit";
  else if (ahead && ahead->expected >= limit)
    warning = "expected to be spent before the day ends";
  return {{"key", key.id.to_string()},
          {"name", key.name},
          {"limit_micro_per_day", limit},
          {"spent_today_micro", spent},
          {"forecast_today", forecast_json(ahead)},
          {"warning", std::move(warning)}};
}

}  // namespace

json::array Api::budgets(const Caller& caller, const std::vector<store::CostRow>& rows, Micros now_us) const {
  json::array out;
  const std::string tenant = tenant_scope(caller);
  for (const auto& key : parts_.keys.records()) {
    const MicroMoney limit = parts_.gatekeeper.spend_limit_of(key);
    if (limit == 0 || key.revoked_us || (!tenant.empty() && key.tenant != tenant)) continue;
    std::vector<store::CostRow> own;
    for (const auto& row : rows) {
      if (row.key == key.id.to_string()) own.push_back(row);
    }
    out.push_back(budget_json(key, limit, own, now_us, parts_.gatekeeper.spend_warn_percent()));
  }
  return out;
}

// Each attempt of each call of one run, with its tokens and the price they were counted by.
Task<void> Api::explain_costs(http::Exchange& exchange, const Caller& caller, std::string_view run_id) {
  const auto id = RunId::parse(run_id);
  if (!id) co_return co_await respond_error(exchange, Error(Errc::invalid_argument, "a run id is a UUID", "run"));
  auto row = co_await parts_.store.load_run(*id);
  if (!row || !may_see(caller, row->tenant)) co_return co_await respond_error(exchange, not_shown(row, "run"));
  auto steps = co_await parts_.store.load_steps(*id);
  if (!steps) co_return co_await respond_error(exchange, steps.error());
  json::array calls;
  for (const auto& step : *steps) {
    const auto decision = parse_json(step.decision).value_or(nullptr);
    const auto* attempts = find_member(decision, "attempts");
    if (step.cost == 0 && !attempts) continue;
    json::object call{{"task", step.name}, {"cost_micro", step.cost}};
    if (attempts) call["attempts"] = *attempts;
    if (const auto* cache = find_member(decision, "cache")) call["cache"] = *cache;
    if (const auto* answer_of = find_member(decision, "answer_of")) call["answer_of"] = *answer_of;
    calls.push_back(std::move(call));
  }
  co_await respond_json(exchange, 200,
                        to_text(json::object{{"run", id->to_string()},
                                             {"tenant", row->tenant},
                                             {"key", row->key},
                                             {"flow", row->flow},
                                             {"route", row->route},
                                             {"model", row->model},
                                             {"currency", parts_.currency},
                                             {"total_micro", row->cost},
                                             {"all_large_micro", row->cost_all_large},
                                             {"rejected_micro", row->rejected_cost.value_or(0)},
                                             {"calls", std::move(calls)}}));
}

Task<void> Api::get_costs(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  const auto& request = exchange.request();
  if (const auto run = request.query_param("run")) co_return co_await explain_costs(exchange, caller, *run);
  const Micros now = parts_.clock.now_us();
  Result<Micros> from = 0, to = now + 1;
  if (const auto since = request.query_param("since")) from = day_of(*since, "since");
  if (const auto until = request.query_param("until")) to = day_of(*until, "until");
  for (const auto& bound : {from, to}) {
    if (!bound) co_return co_await respond_error(exchange, bound.error());
  }
  const auto format = request.query_param("format").value_or("json");
  if (format != "json" && format != "csv" && format != "focus")
    co_return co_await respond_error(exchange,
                                     Error(Errc::invalid_argument, "format is one of json, csv, focus", "format"));
  auto rows = co_await parts_.store.costs(tenant_scope(caller), *from, *to);
  if (!rows) co_return co_await respond_error(exchange, rows.error());
  const auto tags = co_await tags_of(*rows);
  if (!tags) co_return co_await respond_error(exchange, tags.error());
  if (format != "json") {
    auto text = format == "csv" ? costs_csv(*rows, parts_.currency, *tags) : costs_focus(*rows, parts_.currency, *tags);
    co_return co_await respond_json(exchange, 200, std::move(text), {{"content-type", "text/csv; charset=utf-8"}});
  }
  // Forecasts rest on what was spent last, whatever was asked for.
  const Micros lately = std::min(month_start(now), ((now / kDay) - static_cast<Micros>(kMostDays)) * kDay);
  auto recent = co_await parts_.store.costs(tenant_scope(caller), lately, now + 1);
  if (!recent) co_return co_await respond_error(exchange, recent.error());
  json::object body = costs_json(*rows, *tags);
  body["currency"] = parts_.currency;
  body["forecast_month"] = forecast_json(
      forecast(whole_days(*recent, now), spent_since(*recent, month_start(now)), days_left_in_month(now)));
  body["budgets"] = budgets(caller, *recent, now);
  co_await respond_json(exchange, 200, to_text(body));
}

}  // namespace sb::api
