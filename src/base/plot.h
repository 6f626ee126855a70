/// Charts as inline SVG, for reports that open without a network: lines, marks, bars and heat maps. Pure.
///
/// Colours are the classes of the page around it (html_page.h), so that one chart reads on light and on dark ground.
/// Each mark says its numbers in a <title>, which a browser shows under the pointer.
#pragma once

#include <string>
#include <vector>

namespace sb {

struct PlotPoint {
  double x = 0;
  double y = 0;
  std::string note = {};  ///< shown under the pointer, before the numbers
};

/// Series are drawn in order; the n-th has the n-th colour of kPlotColours, then they begin again.
struct PlotSeries {
  enum class Kind { line, marks, bars };
  std::string name;  ///< empty: not in the legend
  Kind kind = Kind::line;
  std::vector<PlotPoint> points = {};  ///< of a line: by x. Bars stand between their x and the next one's
};

inline constexpr int kPlotColours = 5;

/// What an axis shows. Where `low` equals `high` the data decide.
struct PlotAxis {
  std::string label;
  double low = 0;
  double high = 0;
};

struct Plot {
  std::string title;
  PlotAxis x = {};
  PlotAxis y = {};
  std::vector<PlotSeries> series = {};
};

/// Points that are not finite are left out; without any the chart is its axes.
std::string svg_of(const Plot& plot);

/// Counts by row and column, darker where there are more of the row. `cells`: [rows][columns].
struct HeatMap {
  std::string title;
  std::string row_label;
  std::string column_label;
  std::vector<std::string> rows;
  std::vector<std::string> columns;
  std::vector<std::vector<std::size_t>> cells;
};

std::string svg_of(const HeatMap& map);

}  // namespace sb
