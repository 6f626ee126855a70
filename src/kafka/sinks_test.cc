#include "kafka/sinks.h"

#include <gtest/gtest.h>

namespace sb::kafka {
namespace {

struct TypeCase {
  const char* name;
  const char* pattern;
  const char* type;
  bool fits;
};
class EventTypes : public testing::TestWithParam<TypeCase> {};

TEST_P(EventTypes, FitWhereEveryStarStandsForSomeText) {
  EXPECT_EQ(fits_type(GetParam().pattern, GetParam().type), GetParam().fits);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, EventTypes,
    testing::Values(TypeCase{"the_same", "order.placed", "order.placed", true},
                    TypeCase{"longer", "order.placed", "order.placed.v2", false},
                    TypeCase{"shorter", "order.placed", "order", false},
                    TypeCase{"end", "order.*", "order.placed.v2", true},
                    TypeCase{"end_none", "order.*", "order.", true}, TypeCase{"end_less", "order.*", "order", false},
                    TypeCase{"all", "*", "", true}, TypeCase{"begin", "*.placed", "shop.order.placed", true},
                    TypeCase{"backs_up", "*.placed", "order.placed.placed", true},
                    TypeCase{"middle_twice", "a*b*c", "a-b-b-c", true}, TypeCase{"middle_not", "a*b*c", "a-c-b", false},
                    TypeCase{"nothing", "", "x", false}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(EventTypes, AManyStarredPatternTakesItsTimeLinearly) {
  std::string pattern, type(20'000, 'a');
  for (int i = 0; i < 200; ++i) pattern += "*a";
  EXPECT_TRUE(fits_type(pattern, type));
  EXPECT_FALSE(fits_type(pattern + "b", type));  // backing up to every star would not end
}

TEST(EventMessage, IsStructuredAndKeyedByThePartitionKey) {
  const json::value event{{"id", "r-1"}, {"source", "/flows/a/b"}, {"type", "t"}, {"partitionkey", "customer"}};
  const auto message = event_message("answers", event);
  EXPECT_EQ(message.topic, "answers");
  EXPECT_EQ(message.key, "customer");
  ASSERT_EQ(message.headers.size(), 1U);
  EXPECT_EQ(message.headers.front().second, "application/cloudevents+json; charset=UTF-8");
  EXPECT_EQ(parse_json(message.value).value_or(nullptr), event);
  EXPECT_EQ(event_message("answers", json::value{{"id", "1"}}).key, "");
}

}  // namespace
}  // namespace sb::kafka
