#include "api/cost_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "base/bytes.h"

namespace sb::api {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr Micros kToday = 20'000 * kDay;  // 2024-10-04

store::CostRow row_of(Micros day, std::string route, std::string model, MicroMoney cost) {
  store::CostRow row;
  row.day_us = day;
  row.tenant = "acme";
  row.key = "0190-key";
  row.flow = "signalbox/chat@1.0.0";
  row.route = std::move(route);
  row.model = std::move(model);
  row.runs = 3;
  row.cost = cost;
  row.cost_all_large = 10 * cost;
  return row;
}

std::vector<store::CostRow> rows() {
  auto opinion = row_of(kToday, "", "openai/gpt", 30);
  opinion.flow = "signalbox/second-opinion@1.0.0";
  opinion.key = "";
  auto large = row_of(kToday, "large", "openai/gpt", 1'234'567);
  large.passed_on_runs = 2;
  large.passed_on_cost = 900;
  large.rejected_cost = 90;
  return {row_of(kToday - kDay, "small", "openai/mini", 100), large, row_of(kToday, "script", "script/fees", 0),
          opinion};
}

/// Every way of taking the money apart adds up to all of it.
TEST(CostReport, EachSumIsTheWhole) {
  const json::value report = costs_json(rows());
  const MicroMoney total = int_member(report, "total_micro");
  EXPECT_EQ(total, 100 + 1'234'567 + 30);
  EXPECT_EQ(int_member(report, "double_answers_micro"), 30);
  EXPECT_EQ(*find_member(report, "escalations"),
            (json::value{{"runs", 2}, {"cost_micro", 900}, {"rejected_micro", 90}}));
  EXPECT_EQ(int_member(*find_member(*find_member(report, "by_route"), "large"), "escalated_runs"), 2);
  EXPECT_EQ(int_member(report, "runs"), 12);
  for (const char* by : {"by_route", "by_model", "by_key", "by_tenant", "by_flow", "by_day"}) {
    MicroMoney sum = 0;
    for (const auto& [name, entry] : find_member(report, by)->get_object()) sum += int_member(entry, "cost_micro");
    EXPECT_EQ(sum, total) << by;
  }
  EXPECT_EQ(int_member(*find_member(*find_member(report, "by_day"), "2024-10-03"), "cost_micro"), 100);
  EXPECT_TRUE(find_member(*find_member(report, "by_key"), "none"));
}

TEST(CostReport, CsvKeepsOneLineARowAndQuotes) {
  auto odd = row_of(kToday, "small", "openai/a,\"b\"", 7);
  odd.tenant = "=cmd()";
  odd.tagged = RunId();
  EXPECT_EQ(costs_csv(std::vector{odd}, "EUR", {{RunId(), {{"team", "beta"}}}}),
            "day,tenant,key,flow,route,model,runs,cost_micro,all_large_micro,currency,tags\r\n"
            "2024-10-04,'=cmd(),0190-key,signalbox/chat@1.0.0,small,\"openai/a,\"\"b\"\"\",3,7,70,EUR,"
            "\"{\"\"team\"\":\"\"beta\"\"}\"\r\n");
}

/// What FOCUS 1.2 demands is there, in every row, and the money is exact.
TEST(CostReport, FocusHasItsColumns) {
  const auto text = costs_focus(std::vector{row_of(kToday, "large", "openai/gpt", 1'234'567)}, "USD");
  const auto lines = split(text, '\n');
  ASSERT_EQ(lines.size(), 3U);
  for (const char* column :
       {"BilledCost",         "BillingAccountId", "BillingAccountName", "BillingCurrency",   "BillingPeriodEnd",
        "BillingPeriodStart", "ChargeCategory",   "ChargeClass",        "ChargeDescription", "ChargePeriodEnd",
        "ChargePeriodStart",  "ContractedCost",   "EffectiveCost",      "InvoiceIssuerName", "ListCost",
        "PricingQuantity",    "PricingUnit",      "ProviderName",       "PublisherName",     "ServiceCategory",
        "ServiceName"})
    EXPECT_THAT(std::string(lines[0]), HasSubstr(column));
  EXPECT_THAT(std::string(lines[1]), StartsWith("1.234567,acme,acme,USD,2024-11-01T00:00:00"));
  EXPECT_THAT(std::string(lines[1]), HasSubstr(",Usage,,"));
  EXPECT_THAT(std::string(lines[1]), HasSubstr(",openai,openai,openai/gpt,openai/gpt,AI and Machine Learning,"));
  EXPECT_THAT(std::string(lines[1]), HasSubstr(R"("{""flow"":""signalbox/chat@1.0.0"")"));
  // As many fields as columns, those in quotes counted once.
  const auto fields = [](std::string_view line) {
    bool quoted = false;
    return std::ranges::count_if(line, [&](char c) {
      if (c == '"') quoted = !quoted;
      return c == ',' && !quoted;
    });
  };
  EXPECT_EQ(fields(lines[0]), fields(lines[1]));
}

TEST(Forecast, KnowsNothingOfAWeekThatWasNotThere) {
  EXPECT_FALSE(forecast(std::vector<MicroMoney>(kFewestDays - 1, 5), 0, 1));
  const auto even = forecast(std::vector<MicroMoney>(kFewestDays, 100), 50, 2.5);
  ASSERT_TRUE(even);
  EXPECT_EQ(even->expected, 300);
  EXPECT_EQ(even->low, 300);
  EXPECT_EQ(even->high, 300);
}

/// The interval holds as often as it says, for days that are as it takes them to be.
TEST(Forecast, TheIntervalHoldsInNineteenOfTwenty) {
  std::mt19937_64 random(5);
  std::normal_distribution<double> day(10'000, 2'000);
  const auto draw = [&] { return static_cast<MicroMoney>(std::llround(day(random))); };
  for (const std::size_t days : {kFewestDays, kMostDays}) {
    int inside = 0;
    constexpr int kTimes = 4'000;
    for (int i = 0; i < kTimes; ++i) {
      std::vector<MicroMoney> before(days);
      std::ranges::generate(before, draw);
      MicroMoney truth = 500;
      for (int d = 0; d < 10; ++d) truth += draw();
      const auto said = *forecast(before, 500, 10);
      inside += said.low <= truth && truth <= said.high;
    }
    EXPECT_NEAR(inside / double{kTimes}, 0.95, 0.012) << days << " days";
  }
}

TEST(Forecast, DaysWithoutACallCountAndTodayDoesNot) {
  const auto days =
      whole_days(std::vector{row_of(kToday - 9 * kDay, "small", "a/b", 5), row_of(kToday - 2 * kDay, "small", "a/b", 7),
                             row_of(kToday, "small", "a/b", 1'000)},
                 kToday + 5);
  EXPECT_EQ(days, (std::vector<MicroMoney>{5, 0, 0, 0, 0, 0, 0, 7, 0}));
  EXPECT_EQ(whole_days(std::vector{row_of(kToday - 90 * kDay, "small", "a/b", 5)}, kToday).size(), kMostDays);
}

}  // namespace
}  // namespace sb::api
