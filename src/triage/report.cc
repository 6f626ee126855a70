#include "triage/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>

#include "base/html_page.h"
#include "base/plot.h"
#include "triage/calibrate.h"

namespace sb::triage {
namespace {

using Kind = PlotSeries::Kind;
using Rows = std::vector<std::vector<std::string>>;

constexpr std::size_t kConfusedIntents = 30;
constexpr std::size_t kConfusedPairs = 20;
constexpr std::size_t kCurvePoints = 200;

std::string percent(double share) {
  return fmt::format("{:.2f} %", share * 100);
}

void add_figures(const Evaluation& e, HtmlPage& page) {
  Rows rows{{"texts", std::to_string(e.count)},
            {"intent right", percent(e.accuracy)},
            {"intent right, in scope", percent(e.in_scope_accuracy)},
            {"calibration error (15 bins)", fmt::format("{:.4f}", e.calibration_error)},
            {"out of scope, area under the curve", fmt::format("{:.4f}", e.out_of_scope_auroc)},
            {"abstained", percent(e.abstained)},
            {"latency p50 / p99 / mean",
             fmt::format("{:.1f} / {:.1f} / {:.1f} us", e.latency_us_p50, e.latency_us_p99, e.latency_us_mean)}};
  if (e.has_routes) {
    rows.insert(rows.end(),
                {{"scriptable texts that ran the right script", percent(e.scripted_right)},
                 {"wrong scripts, of scripted", percent(e.wrong_scripts)},
                 {"out of scope, scripted", percent(e.out_of_scope_scripted)},
                 {"for people only, scripted", std::to_string(e.human_scripted)},
                 {"people: found / needless", percent(e.human_recall) + " / " + percent(e.needless_human)}});
  }
  page.table({"", ""}, rows);
}

Plot reliability(const Evaluation& e) {
  PlotSeries said{.name = "of these texts", .kind = Kind::marks};
  for (const auto& bin : e.bins) {
    if (bin.count > 0) said.points.push_back({bin.confidence, bin.accuracy, fmt::format("{} texts", bin.count)});
  }
  return {.title = "Reliability: nine in ten of those with confidence 0.9 should be right",
          .x = {"confidence", 0, 1},
          .y = {"share right", 0, 1},
          .series = {said, {.name = "honest", .points = {{0, 0}, {1, 1}}}}};
}

struct Ranked {
  double score;
  bool wrong;
};

// Error among the surest texts, as more and more of them are let through. `whole`: what coverage is a share of.
PlotSeries curve(std::string name, std::vector<Ranked> ranked, std::size_t whole) {
  std::ranges::sort(ranked, std::greater(), &Ranked::score);
  PlotSeries out{.name = std::move(name)};
  const std::size_t step = std::max<std::size_t>(1, ranked.size() / kCurvePoints);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    wrong += ranked[i].wrong;
    // The first hundredth is noise: one wrong text would be an error of a hundred per cent.
    const bool drawn = (i + 1) % step == 0 && (i + 1) * 100 >= ranked.size();
    if (drawn) out.points.push_back({100 * part(i + 1, whole), 100 * part(wrong, i + 1)});
  }
  return out;
}

Plot coverage(std::span<const Trial> trials, const Evaluation& e) {
  std::vector<Ranked> intents;
  std::vector<Ranked> scripts;
  std::size_t scriptable = 0;
  for (const auto& trial : trials) {
    intents.push_back({trial.said.confidence, !trial.right});
    if (trial.score() > 0) scripts.push_back({trial.score(), !trial.right_script()});
    scriptable += trial.truth == AnswerKind::script;
  }
  Plot plot{.title = "Coverage against error",
            .x = {"covered, % (of all texts; of scriptable ones)"},
            .y = {"wrong among the covered, %"},
            .series = {curve("intents, surest first", std::move(intents), trials.size())}};
  if (!e.has_routes) return plot;
  plot.series.push_back(curve("scripts, best score first", std::move(scripts), scriptable));
  std::size_t scripted = 0;
  for (const auto& trial : trials) scripted += trial.route == Route::script;
  plot.series.push_back(
      {.name = "as set", .kind = Kind::marks, .points = {{100 * part(scripted, scriptable), 100 * e.wrong_scripts}}});
  return plot;
}

PlotPoint point_of(const Bill& bill, const Bill& control) {
  return {100 * (1 - bill.saved(control)), 100 * bill.quality(), bill.name};
}

Plot costs(const Economics& e) {
  PlotSeries sweep{.name = "other thresholds"};
  for (const auto& bill : e.sweep) sweep.points.push_back(point_of(bill, e.all_large));
  std::ranges::sort(sweep.points, {}, &PlotPoint::x);
  const auto marks = [&](std::string name, std::initializer_list<const Bill*> bills) {
    PlotSeries out{.name = std::move(name), .kind = Kind::marks};
    for (const auto* bill : bills) out.points.push_back(point_of(*bill, e.all_large));
    return out;
  };
  return {.title = "Cost against quality, with both controls",
          .x = {"bill for models, % of all large", 0, 105},
          .y = {"treated as labels ask, %"},
          .series = {sweep, marks("controls", {&e.all_large, &e.all_small}), marks("best possible", {&e.best}),
                     marks("routed", {&e.routed}), marks("no small model", {&e.without_small})}};
}

constexpr const char* kTruths[] = {"out of scope", "script", "model", "person"};
constexpr const char* kRoutes[] = {"script", "small", "large", "person"};

HeatMap routes_map(std::span<const Trial> trials) {
  HeatMap map{.title = "Who should answer, who does",
              .row_label = "should",
              .column_label = "does",
              .rows = {std::begin(kTruths), std::end(kTruths)},
              .columns = {std::begin(kRoutes), std::end(kRoutes)},
              .cells = std::vector(4, std::vector<std::size_t>(4))};
  for (const auto& trial : trials) {
    const auto row = trial.outside ? 0 : static_cast<std::size_t>(trial.truth);
    ++map.cells[row][static_cast<std::size_t>(trial.route)];
  }
  return map;
}

using Pair = std::pair<std::string, std::string>;

std::map<Pair, std::size_t> mistakes(std::span<const Trial> trials) {
  std::map<Pair, std::size_t> out;
  for (const auto& trial : trials) {
    if (!trial.right) ++out[{trial.example->intent, std::string(trial.said.intent)}];
  }
  return out;
}

// The intents that are most often mistaken, or mistaken for.
std::vector<std::string> confused_intents(const std::map<Pair, std::size_t>& pairs) {
  std::map<std::string, std::size_t> counts;
  for (const auto& [pair, count] : pairs) {
    counts[pair.first] += count;
    counts[pair.second] += count;
  }
  std::vector<std::pair<std::size_t, std::string>> order;
  for (const auto& [intent, count] : counts) {
    if (!intent.empty()) order.emplace_back(count, intent);
  }
  std::ranges::sort(order, std::greater());
  std::vector<std::string> out;
  for (const auto& [count, intent] : order) {
    if (out.size() < kConfusedIntents) out.push_back(intent);
  }
  std::ranges::sort(out);
  return out;
}

HeatMap intents_map(std::span<const Trial> trials, const std::vector<std::string>& intents) {
  HeatMap map{.title = "Confusion among the intents that are mistaken most",
              .row_label = "is",
              .column_label = "taken for",
              .rows = intents,
              .columns = intents,
              .cells = std::vector(intents.size(), std::vector<std::size_t>(intents.size()))};
  const auto index = [&](std::string_view name) { return std::ranges::lower_bound(intents, name) - intents.begin(); };
  const auto shown = [&](std::string_view name) { return std::ranges::binary_search(intents, name); };
  for (const auto& trial : trials) {
    if (!shown(trial.example->intent) || !shown(trial.said.intent)) continue;
    ++map.cells[static_cast<std::size_t>(index(trial.example->intent))]
               [static_cast<std::size_t>(index(trial.said.intent))];
  }
  return map;
}

void add_confusion(std::span<const Trial> trials, HtmlPage& page) {
  const auto pairs = mistakes(trials);
  page.heading("Confusion");
  const auto intents = confused_intents(pairs);
  if (intents.empty()) {
    page.paragraph("No intent was mistaken.");
    return;
  }
  page.charts({svg_of(intents_map(trials, intents))});
  std::vector<std::pair<std::size_t, Pair>> order;
  for (const auto& [pair, count] : pairs) order.emplace_back(count, pair);
  std::ranges::sort(order, std::greater());
  Rows rows;
  for (const auto& [count, pair] : order) {
    if (rows.size() < kConfusedPairs) rows.push_back({pair.first, pair.second, std::to_string(count)});
  }
  page.table({"intent", "taken for", "texts"}, rows);
}

// By route: how many, how many of them wrongly, and how many at most, were the texts a sample of the traffic.
void add_routes(std::span<const Trial> trials, HtmlPage& page) {
  constexpr double kSure = 0.95;
  struct Row {
    std::size_t count = 0;
    std::size_t wrong = 0;
  };
  std::array<Row, 4> rows{};
  for (const auto& trial : trials) {
    auto& row = rows[static_cast<std::size_t>(trial.route)];
    ++row.count;
    row.wrong += trial.route == Route::script  ? !trial.right_script()
                 : trial.route == Route::human ? trial.truth != AnswerKind::human && !trial.outside
                                               : trial.truth == AnswerKind::human;
  }
  constexpr const char* kWrong[] = {"another script, or none, would be right", "a person was needed",
                                    "a person was needed", "no person was needed"};
  Rows table;
  for (std::size_t route = 0; route < rows.size(); ++route) {
    const auto& row = rows[route];
    table.push_back({kRoutes[route], std::to_string(row.count), percent(part(row.count, trials.size())),
                     std::to_string(row.wrong), percent(part(row.wrong, row.count)),
                     row.count > 0 ? percent(upper_bound(row.wrong, row.count, kSure)) : "", kWrong[route]});
  }
  page.heading("Routes");
  page.table({"answered by", "texts", "share", "wrong", "of the route", "at most (95 % sure)", "wrong means"}, table);
  page.charts({svg_of(routes_map(trials))});
}

void add_economics(const Economics& e, HtmlPage& page) {
  auto rows = rows_of(e);
  const auto head = rows.front();
  rows.erase(rows.begin());
  page.heading("Cost");
  page.paragraph(
      "Units per 1,000 queries. Models: the bill for scripts and models. People: their time. Harm: what wrong scripts, "
      "missed and needless people are priced at. Labels tell whether a script was right and a person needed, not "
      "whether "
      "a model's answer was: both models pass here, so that all small looks as good as all large. Measure that where "
      "both answers are on record (triage outcomes).");
  page.table(head, rows);
  page.charts({svg_of(costs(e))});
}

Plot bounds(const TuneReport& report) {
  PlotSeries bound{.name = "upper bound"};
  PlotSeries counted{.name = "as counted"};
  for (const auto& step : report.steps) {
    bound.points.push_back({100 * step.scripted_share, 100 * step.bound});
    counted.points.push_back({100 * step.scripted_share, 100 * step.wrong_share});
  }
  const double target = 100 * report.target.wrong_scripts;
  Plot plot{.title = "What the texts can promise",
            .x = {"scriptable texts scripted rightly, %"},
            .y = {"wrong scripts, %"},
            .series = {bound, counted, {.name = "target", .points = {{0, target}, {100, target}}}}};
  if (report.tuned) {
    plot.series.push_back({.name = "chosen",
                           .kind = Kind::marks,
                           .points = {{100 * report.tuned->scripted_share, 100 * report.tuned->bound}}});
  }
  return plot;
}

Plot histogram(const Rehearsals& rehearsals, double target) {
  const auto bars = histogram_of(rehearsals, target);
  PlotSeries series{.name = "recalibrations", .kind = Kind::bars};
  std::size_t most = 1;
  for (const auto& bar : bars) {
    series.points.push_back({100 * bar.from, static_cast<double>(bar.count)});
    most = std::max(most, bar.count);
  }
  const double limit = 100 * target;
  return {.title = fmt::format("{} texts: wrong scripts that came true", rehearsals.texts),
          .x = {"wrong scripts, %", 0, 100 * (bars.back().from + target / 8)},
          .y = {"recalibrations"},
          .series = {series, {.name = "target", .points = {{limit, 0}, {limit, static_cast<double>(most)}}}}};
}

void add_tuning(const TuneReport& report, HtmlPage& page) {
  page.heading("The promise");
  page.paragraph(fmt::format("Target: at most {} wrong among scripted answers, with {:.0f} % confidence{}.",
                             percent(report.target.wrong_scripts), report.target.confidence * 100,
                             report.target.out_of_scope > 0
                                 ? fmt::format(", in traffic with {} out of scope", percent(report.target.out_of_scope))
                                 : std::string()));
  if (report.tuned) {
    const auto& t = *report.tuned;
    page.paragraph(
        fmt::format("Kept by scripts at {:.4f}: {} of scriptable texts, {} wrong of {} scripted, at most {}.",
                    t.threshold, percent(t.scripted_share), t.wrong, t.scripted, percent(t.bound)));
  } else {
    page.paragraph("Refused: " + report.refusal);
  }
  page.charts({svg_of(bounds(report))});
  if (report.rehearsals.empty()) return;
  page.heading("Rehearsals");
  page.paragraph(
      "Each draws texts at random (with replacement) from the data, tunes on them alone, and is held against all of "
      "the "
      "data. Kept: nothing promised, or no more wrong scripts than promised.");
  Rows rows;
  std::vector<std::string> charts;
  for (const auto& one : report.rehearsals) {
    const auto sum = summary_of(one, report.target.wrong_scripts);
    rows.push_back({std::to_string(one.texts), percent(sum.promised), percent(sum.kept), percent(sum.scripted_share)});
    if (sum.promised > 0) charts.push_back(svg_of(histogram(one, report.target.wrong_scripts)));
  }
  page.table({"texts", "could promise", "kept", "scripted, of scriptable"}, rows);
  page.charts(charts);
}

}  // namespace

std::string html_report(const std::string& subject, std::span<const Trial> trials, const Evaluation& evaluation,
                        const Economics* economics, const TuneReport* tune) {
  HtmlPage page("Triage: " + subject);
  add_figures(evaluation, page);
  if (tune) add_tuning(*tune, page);
  page.heading("Can its confidence be believed?");
  page.charts({svg_of(reliability(evaluation)), svg_of(coverage(trials, evaluation))});
  if (evaluation.has_routes) add_routes(trials, page);
  if (economics) add_economics(*economics, page);
  add_confusion(trials, page);
  return page.text();
}

}  // namespace sb::triage
