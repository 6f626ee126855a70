#include "api/cost_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/log.h"

namespace sb::api {
namespace {

/// Quoted where RFC 4180 asks for it. What a spreadsheet would take for a formula gets an apostrophe: names of models
/// and flows are configured, and not by those who open the file.
std::string field(std::string_view text) {
  std::string out(text);
  if (!out.empty() && std::string_view("=+-@\t\r").find(out.front()) != std::string_view::npos) out.insert(0, 1, '\'');
  if (out.find_first_of(",\"\r\n") == std::string::npos) return out;
  std::string quoted = "\"";
  for (const char c : out) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

std::string line(std::initializer_list<std::string> fields) {
  return fmt::format("{}\r\n", fmt::join(fields, ","));
}

/// Exact: millionths as a decimal number.
std::string amount(MicroMoney micro) {
  return fmt::format("{}{}.{:06}", micro < 0 ? "-" : "", std::abs(micro) / 1'000'000, std::abs(micro) % 1'000'000);
}

/// A 97.5 % quantile of Student's t, by the Cornish-Fisher expansion from the normal's (Abramowitz and Stegun, 26.7.5).
double students_t(double degrees) {
  constexpr double z = 1.959964;
  const double first = (std::pow(z, 3) + z) / 4, second = ((5 * std::pow(z, 5)) + (16 * std::pow(z, 3)) + (3 * z)) / 96;
  return z + (first / degrees) + (second / (degrees * degrees));
}

std::string month_of(Micros us, int months_on) {
  using namespace std::chrono;
  const year_month_day day(floor<days>(sys_time<microseconds>(microseconds(us))));
  const auto first = sys_days((day.year() / day.month() / 1) + months(months_on));
  return rfc3339(duration_cast<microseconds>(first.time_since_epoch()).count());
}

std::string_view provider_of(const store::CostRow& row) {
  const auto slash = row.model.find('/');
  return row.model.empty() || row.model.starts_with("script/") || slash == std::string::npos
             ? std::string_view("signalbox")
             : std::string_view(row.model).substr(0, slash);
}

constexpr std::string_view kOtherTags = "other tags";

json::object tags_of_row(const store::CostRow& row, const TagSets& sets) {
  if (row.other_tags) return {{kOtherTags, true}};
  const auto found = row.tagged ? sets.find(*row.tagged) : sets.end();
  return found == sets.end() ? json::object() : found->second;
}

}  // namespace

json::object costs_json(std::span<const store::CostRow> rows, const TagSets& tags) {
  MicroMoney total = 0, all_large = 0, opinions = 0, passed_on_cost = 0, rejected = 0;
  std::uint64_t runs = 0, passed_on = 0;
  json::object by_route, by_model, by_key, by_tenant, by_flow, by_day, by_tag;
  const auto add = [](json::object& into, std::string_view name, const store::CostRow& row) {
    auto& slot = into[name.empty() ? std::string_view("none") : name];
    if (!slot.is_object())
      slot = json::object{{"runs", 0}, {"cost_micro", 0}, {"all_large_micro", 0}, {"escalated_runs", 0}};
    auto& entry = slot.get_object();
    entry["runs"] = int_member(slot, "runs") + static_cast<std::int64_t>(row.runs);
    entry["cost_micro"] = int_member(slot, "cost_micro") + row.cost;
    entry["all_large_micro"] = int_member(slot, "all_large_micro") + row.cost_all_large;
    entry["escalated_runs"] = int_member(slot, "escalated_runs") + static_cast<std::int64_t>(row.passed_on_runs);
  };
  for (const auto& row : rows) {
    total += row.cost;
    all_large += row.cost_all_large;
    runs += row.runs;
    passed_on += row.passed_on_runs;
    passed_on_cost += row.passed_on_cost;
    rejected += row.rejected_cost;
    if (row.flow.starts_with(kOpinionsFlow)) opinions += row.cost;
    add(by_route, row.route, row);
    add(by_model, row.model, row);
    add(by_key, row.key, row);
    add(by_tenant, row.tenant, row);
    add(by_flow, row.flow, row);
    add(by_day, rfc3339(row.day_us).substr(0, 10), row);
    for (const auto& [name, value] : tags_of_row(row, tags)) {
      const auto* text = value.if_string();
      add(by_tag, text ? fmt::format("{}:{}", std::string_view(name), std::string_view(*text)) : std::string(name),
          row);
    }
  }
  const double saved =
      all_large > 0 ? 100.0 * static_cast<double>(all_large - total) / static_cast<double>(all_large) : 0.0;
  return {{"runs", runs},
          {"total_micro", total},
          {"all_large_micro", all_large},
          {"saved_percent", saved},
          {"double_answers_micro", opinions},
          {"escalations", {{"runs", passed_on}, {"cost_micro", passed_on_cost}, {"rejected_micro", rejected}}},
          {"by_route", std::move(by_route)},
          {"by_model", std::move(by_model)},
          {"by_key", std::move(by_key)},
          {"by_tenant", std::move(by_tenant)},
          {"by_flow", std::move(by_flow)},
          {"by_day", std::move(by_day)},
          {"by_tag", std::move(by_tag)}};
}

std::string costs_csv(std::span<const store::CostRow> rows, std::string_view currency, const TagSets& tags) {
  std::string out = "day,tenant,key,flow,route,model,runs,cost_micro,all_large_micro,currency,tags\r\n";
  for (const auto& row : rows) {
    out += line({rfc3339(row.day_us).substr(0, 10), field(row.tenant), field(row.key), field(row.flow),
                 field(row.route), field(row.model), std::to_string(row.runs), std::to_string(row.cost),
                 std::to_string(row.cost_all_large), field(currency), field(to_text(tags_of_row(row, tags)))});
  }
  return out;
}

std::string costs_focus(std::span<const store::CostRow> rows, std::string_view currency, const TagSets& sets) {
  std::string out =
      "BilledCost,BillingAccountId,BillingAccountName,BillingCurrency,BillingPeriodEnd,BillingPeriodStart,"
      "ChargeCategory,ChargeClass,ChargeDescription,ChargeFrequency,ChargePeriodEnd,ChargePeriodStart,ConsumedQuantity,"
      "ConsumedUnit,ContractedCost,EffectiveCost,InvoiceIssuerName,ListCost,PricingQuantity,PricingUnit,ProviderName,"
      "PublisherName,ResourceId,ResourceName,ServiceCategory,ServiceName,SubAccountId,Tags,x_AllLargeCost,x_Route\r\n";
  for (const auto& row : rows) {
    const std::string cost = amount(row.cost), runs = std::to_string(row.runs), provider = field(provider_of(row));
    json::object tags{{"flow", row.flow}, {"key", row.key}, {"route", row.route}};
    for (const auto& [name, value] : tags_of_row(row, sets)) tags.emplace(name, value);
    const std::string what = row.model.empty() ? "none" : row.model;
    out += line({cost,
                 field(row.tenant),
                 field(row.tenant),
                 field(currency),
                 month_of(row.day_us, 1),
                 month_of(row.day_us, 0),
                 "Usage",
                 "",
                 field(fmt::format("Requests of {} answered by {}", row.flow, what)),
                 "Usage-Based",
                 rfc3339(row.day_us + kDay),
                 rfc3339(row.day_us),
                 runs,
                 "Requests",
                 cost,
                 cost,
                 provider,
                 cost,
                 runs,
                 "Requests",
                 provider,
                 provider,
                 field(what),
                 field(what),
                 "AI and Machine Learning",
                 field(row.flow),
                 field(row.key),
                 field(to_text(tags)),
                 amount(row.cost_all_large),
                 field(row.route)});
  }
  return out;
}

std::optional<Forecast> forecast(std::span<const MicroMoney> whole_days, MicroMoney spent, double days_left) {
  if (whole_days.size() < kFewestDays) return std::nullopt;
  const auto count = static_cast<double>(whole_days.size());
  double sum = 0, squares = 0;
  for (const auto day : whole_days) sum += static_cast<double>(day);
  const double mean = sum / count;
  for (const auto day : whole_days) squares += std::pow(static_cast<double>(day) - mean, 2);
  const double variance = squares / (count - 1);
  const double half = students_t(count - 1) * std::sqrt(variance * (days_left + (days_left * days_left / count)));
  const double more = mean * days_left;
  // What is spent stays spent.
  const auto at = [&](double money) { return spent + static_cast<MicroMoney>(std::llround(std::max(0.0, money))); };
  return Forecast{at(more), at(more - half), at(more + half), whole_days.size()};
}

json::value forecast_json(const std::optional<Forecast>& forecast) {
  if (!forecast) return nullptr;
  return json::object{{"expected_micro", forecast->expected},
                      {"low_micro", forecast->low},
                      {"high_micro", forecast->high},
                      {"days", forecast->days}};
}

std::vector<MicroMoney> whole_days(std::span<const store::CostRow> rows, Micros now_us) {
  const Micros today = now_us / kDay * kDay;
  Micros first = today;
  for (const auto& row : rows) first = std::min(first, row.day_us);
  first = std::max(first, today - (static_cast<Micros>(kMostDays) * kDay));
  std::vector<MicroMoney> days(static_cast<std::size_t>((today - first) / kDay));
  for (const auto& row : rows) {
    if (row.day_us >= first && row.day_us < today)
      days[static_cast<std::size_t>((row.day_us - first) / kDay)] += row.cost;
  }
  return days;
}

}  // namespace sb::api
