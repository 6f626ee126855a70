#include "base/wildcard.h"

#include <gtest/gtest.h>

#include <string>

namespace sb {
namespace {

struct WildcardCase {
  const char* name;
  const char* pattern;
  const char* text;
  bool fits;
};
class Wildcards : public testing::TestWithParam<WildcardCase> {};

TEST_P(Wildcards, FitWhereEveryStarStandsForSomeText) {
  EXPECT_EQ(fits_wildcard(GetParam().pattern, GetParam().text), GetParam().fits);
}

INSTANTIATE_TEST_SUITE_P(Cases, Wildcards,
                         testing::Values(WildcardCase{"the_same", "order.placed", "order.placed", true},
                                         WildcardCase{"longer", "order.placed", "order.placed.v2", false},
                                         WildcardCase{"shorter", "order.placed", "order", false},
                                         WildcardCase{"end", "order.*", "order.placed.v2", true},
                                         WildcardCase{"end_none", "order.*", "order.", true},
                                         WildcardCase{"end_less", "order.*", "order", false},
                                         WildcardCase{"all", "*", "", true},
                                         WildcardCase{"begin", "*.placed", "shop.order.placed", true},
                                         WildcardCase{"backs_up", "*.placed", "order.placed.placed", true},
                                         WildcardCase{"middle_twice", "a*b*c", "a-b-b-c", true},
                                         WildcardCase{"middle_not", "a*b*c", "a-c-b", false},
                                         WildcardCase{"nothing", "", "x", false}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Wildcards, AManyStarredPatternTakesItsTimeLinearly) {
  std::string pattern, text(20'000, 'a');
  for (int i = 0; i < 200; ++i) pattern += "*a";
  EXPECT_TRUE(fits_wildcard(pattern, text));
  EXPECT_FALSE(fits_wildcard(pattern + "b", text));  // backing up to every star would not end
}

}  // namespace
}  // namespace sb
