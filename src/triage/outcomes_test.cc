#include "triage/outcomes.h"

#include <gtest/gtest.h>

#include <cmath>

#include "triage/answer_checks.h"

namespace sb::triage {
namespace {

struct SumCase {
  const char* name;
  std::string_view text;
  int calculations;
  int wrong;
};
class Sums : public testing::TestWithParam<SumCase> {};
TEST_P(Sums, AreRecomputed) {
  int found = 0;
  int wrong = 0;
  Calculation one;
  for (std::size_t from = 0; next_calculation(GetParam().text, from, one);) {
    ++found;
    wrong += !one.agrees();
  }
  EXPECT_EQ(found, GetParam().calculations);
  EXPECT_EQ(wrong, GetParam().wrong);
}
INSTANTIATE_TEST_SUITE_P(Cases, Sums,
                         testing::Values(SumCase{"plain", "So 3 + 4 = 7 apples.", 1, 0},
                                         SumCase{"wrong", "3 + 4 = 8", 1, 1},
                                         SumCase{"marked", "2 x 5 = <<2*5=10>>10", 1, 0},
                                         SumCase{"money_and_commas", "It costs $1,200 / 4 = $300.", 1, 0},
                                         SumCase{"brackets", "(2 + 3) * 4 = 20 and 2 + 3 * 4 = 14", 2, 0},
                                         SumCase{"percent", "20% * 50 = 10", 1, 0},
                                         SumCase{"negative", "3 - 5 = -2", 1, 0},
                                         SumCase{"no_sum", "x = 5, and that = 6", 0, 0},
                                         SumCase{"division_by_zero", "4 / 0 = 0", 0, 0}, SumCase{"empty", "", 0, 0}),
                         [](const auto& info) { return info.param.name; });

TEST(AnswerChecks, TakeAnyBytes) {
  std::string deep(5000, '(');
  deep += "=1";
  for (const auto& value : check_answer(deep, deep)) EXPECT_TRUE(std::isfinite(value));
  for (const auto& value : check_answer("", std::string("\xff\0=9", 4))) EXPECT_TRUE(std::isfinite(value));
}

// Queries with one sign in their vector gain by the large model, the others do not.
std::vector<OutcomeRow> plain_rows(std::size_t count) {
  std::vector<OutcomeRow> rows;
  for (std::size_t i = 0; i < count; ++i) {
    OutcomeRow row;
    for (std::size_t k = 0; k < 8; ++k) row.vector.push_back(static_cast<float>((i * 7 + k * 13) % 11) - 5);
    row.vector[0] = i % 2 == 0 ? 5.0F : -5.0F;
    row.strong_ok = true;
    row.weak_ok = i % 2 == 1;
    rows.push_back(row);
  }
  return rows;
}

TEST(Outcomes, LearnsWhereTheLargeModelGains) {
  const auto rows = plain_rows(400);
  const auto gains = cross_validated(rows, [](double) {});
  EXPECT_GT(gains[0], gains[1]);
  EXPECT_NEAR(calls_avoided(gains, rows, 1.0), 0.5, 0.01);
}

TEST(Outcomes, CallsAvoidedCountsBothFailuresAsFree) {
  std::vector<OutcomeRow> rows(4);
  rows[0].strong_ok = rows[0].weak_ok = true;
  rows[1].strong_ok = true;
  EXPECT_DOUBLE_EQ(calls_avoided({0, 1, 0, 0}, rows, 1.0), 0.75);
  EXPECT_DOUBLE_EQ(calls_avoided({1, 0, 2, 2}, rows, 1.0), 0);
}

}  // namespace
}  // namespace sb::triage
