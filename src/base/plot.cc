#include "base/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/html_page.h"

namespace sb {
namespace {

// Pixels of the chart, and of its margins.
constexpr double kWidth = 560;
constexpr double kHeight = 340;
constexpr double kLeft = 64;
constexpr double kRight = 16;
constexpr double kTop = 56;
constexpr double kBottom = 48;
constexpr int kTicks = 6;

// One axis: data to pixels, and where its ticks stand.
struct Scale {
  double low = 0;
  double high = 1;
  double from = 0;
  double to = 1;
  double step = 1;

  double at(double value) const { return from + (value - low) / (high - low) * (to - from); }
};

// 1, 2 or 5 times a power of ten: what people count in.
double round_step(double span) {
  const double rough = span / kTicks;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough) return factor * power;
  }
  return 10 * power;
}

bool is_finite(const PlotPoint& point) {
  return std::isfinite(point.x) && std::isfinite(point.y);
}

Scale scale_of(const Plot& plot, const PlotAxis& axis, double PlotPoint::* value, double from, double to) {
  double low = std::numeric_limits<double>::max();
  double high = std::numeric_limits<double>::lowest();
  for (const auto& series : plot.series) {
    for (const auto& point : series.points) {
      if (!is_finite(point)) continue;
      low = std::min(low, point.*value);
      high = std::max(high, point.*value);
    }
  }
  const bool given = axis.low != axis.high;
  if (given || low > high) {
    low = axis.low;
    high = given ? axis.high : axis.low + 1;
  }
  if (low == high) high = low + 1;
  const double step = round_step(high - low);
  if (!given) {
    low = std::floor(low / step) * step;
    high = std::ceil(high / step) * step;
  }
  return {low, high, from, to, step};
}

// Half a step of slack: the sums of steps are not exact.
template <class Draw>
void each_tick(const Scale& scale, Draw draw) {
  for (double value = std::ceil(scale.low / scale.step) * scale.step; value <= scale.high + scale.step * 1e-6;
       value += scale.step) {
    draw(std::abs(value) < scale.step * 1e-6 ? 0.0 : value);
  }
}

std::string axes(const Plot& plot, const Scale& x, const Scale& y) {
  std::string out;
  each_tick(x, [&](double value) {
    out += fmt::format(R"(<line class="grid" x1="{0:.1f}" x2="{0:.1f}" y1="{1:.1f}" y2="{2:.1f}"/>)"
                       R"(<text x="{0:.1f}" y="{3:.1f}" text-anchor="middle">{4:.6g}</text>)",
                       x.at(value), y.from, y.to, y.from + 16, value);
  });
  each_tick(y, [&](double value) {
    out += fmt::format(R"(<line class="grid" x1="{0:.1f}" x2="{1:.1f}" y1="{2:.1f}" y2="{2:.1f}"/>)"
                       R"(<text x="{3:.1f}" y="{4:.1f}" text-anchor="end">{5:.6g}</text>)",
                       x.from, x.to, y.at(value), x.from - 6, y.at(value) + 4, value);
  });
  out += fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>)", (x.from + x.to) / 2, y.from + 36,
                     escape_html(plot.x.label));
  out += fmt::format(R"svg(<text transform="translate(14,{:.1f}) rotate(-90)" text-anchor="middle">{}</text>)svg",
                     (y.from + y.to) / 2, escape_html(plot.y.label));
  return out;
}

std::string title_of(const PlotPoint& point) {
  return fmt::format("<title>{}{}{:.4g}, {:.4g}</title>", escape_html(point.note), point.note.empty() ? "" : ": ",
                     point.x, point.y);
}

std::string line_of(const PlotSeries& series, std::size_t colour, const Scale& x, const Scale& y) {
  std::string path;
  for (const auto& point : series.points) {
    if (is_finite(point))
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x.at(point.x), y.at(point.y));
  }
  return path.empty() ? path : fmt::format(R"(<path class="line c{}" d="{}"/>)", colour, path);
}

std::string marks_of(const PlotSeries& series, std::size_t colour, const Scale& x, const Scale& y) {
  std::string out;
  for (const auto& point : series.points) {
    if (!is_finite(point)) continue;
    out += fmt::format(R"(<circle class="mark c{}" cx="{:.1f}" cy="{:.1f}" r="4">{}</circle>)", colour, x.at(point.x),
                       y.at(point.y), title_of(point));
  }
  return out;
}

std::string bars_of(const PlotSeries& series, std::size_t colour, const Scale& x, const Scale& y) {
  std::string out;
  for (std::size_t i = 0; i < series.points.size(); ++i) {
    const auto& point = series.points[i];
    if (!is_finite(point) || point.y == 0) continue;
    const double left = x.at(point.x);
    const double right = i + 1 < series.points.size() ? x.at(series.points[i + 1].x) : x.to;
    const double top = y.at(point.y);
    out += fmt::format(R"(<rect class="bar c{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">{}</rect>)",
                       colour, left + 0.5, top, std::max(right - left - 1, 1.0),
                       std::max(y.at(std::max(0.0, y.low)) - top, 0.0), title_of(point));
  }
  return out;
}

std::string legend(const Plot& plot) {
  std::string out;
  double x = 12;
  for (std::size_t i = 0; i < plot.series.size(); ++i) {
    const auto& name = plot.series[i].name;
    if (name.empty()) continue;
    out += fmt::format(R"(<rect class="bar c{}" x="{:.1f}" y="32" width="10" height="10"/>)"
                       R"(<text x="{:.1f}" y="41">{}</text>)",
                       i % kPlotColours, x, x + 14, escape_html(name));
    x += 30 + 6.4 * static_cast<double>(name.size());  // 6.4: mean width of a letter at 12 pixels
  }
  return out;
}

std::string framed(double width, double height, const std::string& title, const std::string& inside) {
  return fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {0:.0f} {1:.0f}" width="{0:.0f}">)"
      R"(<title>{2}</title><text class="title" x="12" y="20">{2}</text>{3}</svg>)",
      width, height, escape_html(title), inside);
}

}  // namespace

std::string svg_of(const Plot& plot) {
  const auto x = scale_of(plot, plot.x, &PlotPoint::x, kLeft, kWidth - kRight);
  const auto y = scale_of(plot, plot.y, &PlotPoint::y, kHeight - kBottom, kTop);
  std::string inside = axes(plot, x, y);
  for (std::size_t i = 0; i < plot.series.size(); ++i) {
    const auto& series = plot.series[i];
    const std::size_t colour = i % kPlotColours;
    switch (series.kind) {
      case PlotSeries::Kind::line:
        inside += line_of(series, colour, x, y);
        break;
      case PlotSeries::Kind::marks:
        inside += marks_of(series, colour, x, y);
        break;
      case PlotSeries::Kind::bars:
        inside += bars_of(series, colour, x, y);
        break;
    }
  }
  return framed(kWidth, kHeight, plot.title, inside + legend(plot));
}

std::string svg_of(const HeatMap& map) {
  constexpr double kCell = 18;
  constexpr double kLetter = 6.4;
  std::size_t longest = 0;
  for (const auto* names : {&map.rows, &map.columns}) {
    for (const auto& name : *names) longest = std::max(longest, name.size());
  }
  const double names = kLetter * static_cast<double>(longest) + 16;
  const double left = names + 20;
  const double top = names + 40;
  const double width = left + kCell * static_cast<double>(map.columns.size()) + 16;
  const double height = top + kCell * static_cast<double>(map.rows.size()) + 16;
  std::string inside =
      fmt::format(R"svg(<text transform="translate(14,{:.1f}) rotate(-90)" text-anchor="middle">{}</text>)svg"
                  R"(<text x="{:.1f}" y="40">{}</text>)",
                  (top + height) / 2, escape_html(map.row_label), left, escape_html(map.column_label));
  for (std::size_t column = 0; column < map.columns.size(); ++column) {
    inside += fmt::format(R"svg(<text transform="translate({:.1f},{:.1f}) rotate(-90)">{}</text>)svg",
                          left + kCell * static_cast<double>(column) + 13, top - 6, escape_html(map.columns[column]));
  }
  for (std::size_t row = 0; row < map.rows.size(); ++row) {
    const double y = top + kCell * static_cast<double>(row);
    inside += fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>)", left - 6, y + 13,
                          escape_html(map.rows[row]));
    std::size_t all = 0;
    for (const auto count : map.cells[row]) all += count;
    for (std::size_t column = 0; column < map.columns.size(); ++column) {
      const auto count = map.cells[row][column];
      const double share = all > 0 ? static_cast<double>(count) / static_cast<double>(all) : 0;
      // The root: one in a hundred is to be seen.
      inside += fmt::format(R"(<rect class="{}" fill-opacity="{:.2f}" x="{:.1f}" y="{:.1f}" width="{}" height="{}">)"
                            R"(<title>{} as {}: {}</title></rect>)",
                            map.rows[row] == map.columns[column] ? "bar c0" : "bar c1", std::sqrt(share),
                            left + kCell * static_cast<double>(column), y, kCell - 1, kCell - 1,
                            escape_html(map.rows[row]), escape_html(map.columns[column]), count);
    }
  }
  return framed(width, height, map.title, inside);
}

}  // namespace sb
