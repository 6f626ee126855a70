#include "base/plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/html_page.h"

namespace sb {
namespace {

using testing::HasSubstr;
using testing::Not;

std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(Plot, DrawsEachKindOfSeries) {
  const auto svg = svg_of({.title = "a < b",
                           .x = {"x", 0, 10},
                           .y = {"y", 0, 1},
                           .series = {{.name = "line", .points = {{0, 0}, {10, 1}}},
                                      {.name = "marks", .kind = PlotSeries::Kind::marks, .points = {{5, 0.5, "half"}}},
                                      {.name = "bars", .kind = PlotSeries::Kind::bars, .points = {{0, 1}, {5, 0.5}}}}});
  EXPECT_THAT(svg, HasSubstr("a &lt; b"));
  EXPECT_THAT(svg, HasSubstr("M64.0 292.0L544.0 56.0")) << "corner to corner of the axes";
  EXPECT_THAT(svg, HasSubstr("half: 5, 0.5"));
  EXPECT_EQ(count_of(svg, "<circle"), 1U);
  EXPECT_EQ(count_of(svg, "<rect class=\"bar"), 2U + 3U) << "bars and legend";
}

TEST(Plot, LeavesOutWhatIsNoNumberAndStandsWithoutData) {
  const double nan = std::nan("");
  const auto svg =
      svg_of({.title = "t", .series = {{.name = "", .points = {{nan, 1}, {1, INFINITY}, {1, 2}, {3, 4}}}}});
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
  EXPECT_THAT(svg_of(Plot{.title = "empty"}), HasSubstr("</svg>"));
  EXPECT_THAT(svg_of({.title = "one", .series = {{.name = "", .points = {{2, 2}}}}}), Not(HasSubstr("nan")));
}

TEST(Plot, AxesEndAtRoundNumbers) {
  const auto svg = svg_of({.title = "t", .series = {{.name = "", .points = {{0.3, 0.07}, {9.1, 0.93}}}}});
  EXPECT_THAT(svg, HasSubstr(">10</text>"));
  EXPECT_THAT(svg, HasSubstr(">1</text>"));
}

TEST(HeatMap, ShowsEachCountAndMarksTheDiagonal) {
  const auto svg = svg_of({.title = "t",
                           .row_label = "is",
                           .column_label = "as",
                           .rows = {"a", "b"},
                           .columns = {"a", "b"},
                           .cells = {{3, 1}, {0, 0}}});
  EXPECT_THAT(svg, HasSubstr("a as b: 1"));
  EXPECT_EQ(count_of(svg, "bar c0"), 2U);
  EXPECT_THAT(svg, HasSubstr("fill-opacity=\"0.87\"")) << "root of three quarters";
}

TEST(HtmlPage, CodesTextAndAlignsNumbers) {
  const auto page = HtmlPage("<t>").heading("h & h").paragraph("\"p\"").table({"n", "v"}, {{"a'b", "1.5 %"}}).text();
  EXPECT_THAT(page, HasSubstr("<title>&lt;t&gt;</title>"));
  EXPECT_THAT(page, HasSubstr("h &amp; h"));
  EXPECT_THAT(page, HasSubstr("&quot;p&quot;"));
  EXPECT_THAT(page, HasSubstr("<td>a&#39;b</td><td class=\"n\">1.5 %</td>"));
}

}  // namespace
}  // namespace sb
