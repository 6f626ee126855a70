#include "triage/sentence_judge.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace sb::triage {
namespace {

// Of every width there is: whole steps of the comparison, less than one, and some left over.
class NearestTexts : public testing::TestWithParam<std::uint32_t> {};

TEST_P(NearestTexts, AreThoseOfTheLargestProduct) {
  constexpr std::size_t kTexts = 60;
  const std::uint32_t width = GetParam();
  std::mt19937 rng(width);
  std::uniform_int_distribution<int> number(-127, 127);
  SentenceHeads heads;
  heads.inputs = heads.dimension = width;
  heads.centre.assign(width, 0);
  heads.projection.assign(std::size_t{width} * width, 0);
  for (std::size_t i = 0; i < width; ++i) heads.projection[i * width + i] = 1;
  heads.means.assign(2 * std::size_t{width}, 0);
  for (std::size_t i = 0; i < kTexts * width; ++i) heads.texts.push_back(static_cast<std::int8_t>(number(rng)));
  for (std::size_t i = 0; i < kTexts; ++i) heads.text_labels.push_back(static_cast<std::uint16_t>(i % 2));
  std::vector<float> place;
  for (std::size_t i = 0; i < width; ++i) place.push_back(static_cast<float>(number(rng)));
  std::vector<std::int8_t> turned(width);
  direction(place, turned);

  std::vector<int> products;
  for (std::size_t text = 0; text < kTexts; ++text) {
    int product = 0;
    for (std::size_t i = 0; i < width; ++i) product += turned[i] * heads.texts[text * width + i];
    products.push_back(product);
  }
  SentenceEvidence seen;
  SentenceJudge(heads, 2).look(place, seen);
  ASSERT_EQ(seen.near.size(), 10U);
  auto largest = products;
  std::ranges::sort(largest, std::greater());
  for (std::size_t i = 0; i < seen.near.size(); ++i) {
    EXPECT_EQ(products[seen.near[i].text], largest[i]);
    EXPECT_DOUBLE_EQ(seen.near[i].likeness, largest[i] / (127.0 * 127.0));
  }
}
INSTANTIATE_TEST_SUITE_P(Widths, NearestTexts, testing::Values(1U, 15U, 16U, 17U, 31U, 32U, 76U, 226U, 256U));

}  // namespace
}  // namespace sb::triage
