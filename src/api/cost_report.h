/// What was spent, taken apart: sums by everything that tells runs apart, forecasts, and files for other programs.
///
/// Pure: values in, text out.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"
#include "store/store.h"

namespace sb::api {

/// Costs are summed by UTC days.
inline constexpr Micros kDay = 86'400'000'000;

/// Runs of this flow are second opinions on answers: what triage's promise costs.
inline constexpr std::string_view kOpinionsFlow = "signalbox/second-opinion@";

/// Tags by the run that CostRow::tagged names.
using TagSets = std::map<RunId, json::object>;

/// {"runs", "total_micro", "all_large_micro", "saved_percent", "by_route": {NAME: {"runs", "cost_micro",
/// "all_large_micro", "escalated_runs"}}, "by_model", "by_key", "by_tenant", "by_flow", "by_day",
/// "by_tag" (NAME:VALUE; a run counts with each of its tags; "other tags": of sets of tags that are not told apart),
/// "double_answers_micro", "escalations": {"runs", "cost_micro", "rejected_micro"}}. Escalations: runs in which a small
/// answer did not do; their whole cost, and that of the small answers in it.
json::object costs_json(std::span<const store::CostRow> rows, const TagSets& tags = {});

/// The rows themselves, for spreadsheets (RFC 4180).
std::string costs_csv(std::span<const store::CostRow> rows, std::string_view currency, const TagSets& tags = {});

/// The same in the columns of FOCUS 1.2 (FinOps Open Cost and Usage Specification): those that it demands, those of
/// resource and usage, and ours with `x_`. One row a day, key, flow, route, model and set of tags; amounts in whole
/// currency units. `Tags` has ours (flow, key, route), and those of the runs that are not called so.
std::string costs_focus(std::span<const store::CostRow> rows, std::string_view currency, const TagSets& tags = {});

/// What will be spent by the end of a time of which so much is left.
struct Forecast {
  MicroMoney expected = 0;
  MicroMoney low = 0, high = 0;  ///< 95 % prediction interval
  std::size_t days = 0;          ///< whole days that it rests on
};
inline constexpr std::size_t kFewestDays = 7;
inline constexpr std::size_t kMostDays = 28;

/// Mean of the last days for each day that is left (a part of one counts as a part), beside what is spent; the interval
/// takes the days for independent draws of one normal distribution, and the mean for as uncertain as so few make it. No
/// week, no trend. `whole_days`: oldest first; nothing: fewer than kFewestDays.
std::optional<Forecast> forecast(std::span<const MicroMoney> whole_days, MicroMoney spent, double days_left);
json::value forecast_json(const std::optional<Forecast>& forecast);

/// Sums of the days before the one that `now_us` is in, from the first with a row on, at most kMostDays.
std::vector<MicroMoney> whole_days(std::span<const store::CostRow> rows, Micros now_us);

}  // namespace sb::api
