#include "replay/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/html_page.h"
#include "base/plot.h"
#include "triage/calibrate.h"

namespace sb::replay {
namespace {

using Rows = std::vector<std::vector<std::string>>;

/// One table with what has to be said of it.
struct Section {
  std::string title;
  std::vector<std::string> head;
  Rows rows;
  std::vector<std::string> notes{};
};

constexpr double kMicrosInOne = 1e6;
constexpr std::array kMachineReasons = {"not_recorded", "other_sight", "nobody_looked", "other_policy", "erased"};

std::string share(std::uint64_t part, std::uint64_t all) {
  return all == 0 ? std::string() : fmt::format("{:.2f} %", 100 * static_cast<double>(part) / static_cast<double>(all));
}

struct Interval {
  double low = 0;
  double high = 1;
};

// Both ends of the 95 % Clopper-Pearson interval.
Interval interval_of(std::uint64_t some, std::uint64_t all) {
  if (all == 0) return {};
  return {1 - triage::upper_bound(all - some, all, 0.975), triage::upper_bound(some, all, 0.975)};
}

Section decisions(const Report& r) {
  Section out{"Decisions", {"", "decisions", "share"}, {}};
  const auto row = [&](std::string name, std::uint64_t count) {
    if (count > 0) out.rows.push_back({std::move(name), std::to_string(count), share(count, r.choices)});
  };
  row("exactly as recorded", r.exact);
  row("the same route, other reasons or versions", r.same);
  row("another route", r.changed);
  for (std::size_t i = 0; i < kReasons; ++i)
    row(fmt::format("not known: {}", explain(static_cast<Reason>(i))), r.unknown[i]);
  out.notes.push_back(fmt::format("{} runs, {} of them with a choice of a route", r.runs, r.runs - r.without_choice));
  if (r.erased > 0)
    out.notes.push_back(fmt::format("{} runs were erased: what was decided of them is on record still", r.erased));
  if (r.looked > 0) out.notes.push_back(fmt::format("{} decisions were made from the texts", r.looked));
  return out;
}

Section routes(const Report& r) {
  Section out{"Routes", {"recorded", "candidate", "decisions", "share"}, {}};
  for (const auto& [pair, count] : r.routes)
    out.rows.push_back({pair.first, pair.second, std::to_string(count), share(count, r.choices)});
  return out;
}

Section looks(const Report& r) {
  Section out{"Answers of the small model that are looked at", {"", "answers"}, {}};
  const auto row = [&](std::string name, std::uint64_t count) {
    if (count > 0) out.rows.push_back({std::move(name), std::to_string(count)});
  };
  const auto& l = r.looks;
  row("recorded, given", l.recorded - l.recorded_passed);
  row("recorded, another model was asked instead", l.recorded_passed);
  row("candidate, given", l.given);
  row("candidate, another model is asked instead", l.passed_on);
  row("candidate, given without a look", l.not_looked_at);
  for (std::size_t i = 0; i < l.unknown.size(); ++i)
    row(fmt::format("not known: {}", explain(static_cast<triage::Unverified>(i))), l.unknown[i]);
  return out;
}

std::string money(double micro, const std::string& currency) {
  return fmt::format("{:.6f} {}", micro / kMicrosInOne, currency);
}

Section costs(const Report& r, const std::string& currency) {
  const auto& bill = r.bill;
  const auto recorded = static_cast<double>(r.recorded_cost);
  const auto of_unknown = static_cast<double>(bill.recorded_of_unknown);
  Section out{"Cost", {"", "cost", "runs"}, {}};
  out.rows.push_back({"recorded", money(recorded, currency), std::to_string(r.runs)});
  out.rows.push_back({"recorded, of the runs whose cost is known under the candidate",
                      money(recorded - of_unknown, currency), std::to_string(r.runs - bill.unknown_runs)});
  out.rows.push_back(
      {"candidate, known exactly", money(static_cast<double>(bill.known), currency), std::to_string(bill.known_runs)});
  if (bill.expected_runs > 0)
    out.rows.push_back({"candidate, other calls (expected, 95 % interval)",
                        fmt::format("{} +- {}", money(bill.expected, currency), money(bill.margin(), currency)),
                        std::to_string(bill.expected_runs)});
  if (bill.unknown_runs > 0)
    out.rows.push_back(
        {"not known under the candidate; recorded", money(of_unknown, currency), std::to_string(bill.unknown_runs)});
  if (r.recorded_all_large > 0)
    out.rows.push_back(
        {"control: all large, as counted then", money(static_cast<double>(r.recorded_all_large), currency), ""});
  for (const auto& control : r.controls)
    out.rows.push_back({fmt::format("control: everything to the candidate's {} (expected)", control.tier),
                        money(control.cost, currency), std::to_string(r.control_runs)});
  if (recorded - of_unknown > 0)
    out.notes.push_back(fmt::format("candidate against recorded, where both are known: {:+.2f} %",
                                    100 * (bill.total() / (recorded - of_unknown) - 1)));
  if (bill.changed_runs > 0)
    out.notes.push_back(
        fmt::format("{} of the runs whose cost is known exactly would cost another sum", bill.changed_runs));
  if (bill.refused_runs > 0)
    out.notes.push_back(fmt::format(
        "{} runs asked for a model or tier that the candidate does not have: they would fail", bill.refused_runs));
  if (bill.old_prices > 0)
    out.notes.push_back(fmt::format("{} calls are from before cached tokens were recorded: their cost may be too high",
                                    bill.old_prices));
  if (bill.unexplained != 0)
    out.notes.push_back(fmt::format("{} of it is for answers that had to be corrected, at the prices of then",
                                    money(static_cast<double>(bill.unexplained), currency)));
  if (bill.expected_runs > 0)
    out.notes.emplace_back(
        "expected: tokens asked as recorded, tokens answered as that deployment answers on record (else as "
        "all do); retries and fallbacks are not foreseen; another tokenizer counts otherwise");
  return out;
}

std::string seconds(Micros duration) {
  return fmt::format("{:.3f} s", static_cast<double>(duration) / kMicrosInOne);
}

Section times(const Report& r) {
  Section out{"Time to the answer", {"", "runs", "p50", "p95", "p99"}, {}};
  const auto row = [&](std::string name, const Durations& d) {
    if (d.count() > 0)
      out.rows.push_back({std::move(name), fmt::format("{:.0f}", d.count()), seconds(d.quantile(0.5)),
                          seconds(d.quantile(0.95)), seconds(d.quantile(0.99))});
  };
  for (const auto& [route, spread] : r.recorded_times) row("recorded, " + route, spread);
  row("recorded, all without people", r.times_before);
  row("candidate, all without people (expected)", r.times_after);
  if (r.untimed > 0)
    out.notes.push_back(
        fmt::format("{:.0f} runs are left out: where they would go is not known, or fewer than {} runs "
                    "went there",
                    r.untimed, kFewest));
  return out;
}

Section people(const Report& r) {
  Section out{"People, and what they decided",
              {"runs that a person saw", "approved", "95 % interval", "edited", "rejected", "undecided"},
              {}};
  const auto row = [&](std::string name, const Judged& j) {
    if (j.decided() + j.open == 0) return;
    const auto range = interval_of(j.approved, j.decided());
    out.rows.push_back({std::move(name), std::to_string(j.approved),
                        j.decided() == 0 ? "" : fmt::format("{:.1f} to {:.1f} %", 100 * range.low, 100 * range.high),
                        std::to_string(j.edited), std::to_string(j.rejected), std::to_string(j.open)});
  };
  row("the candidate asks a person too", r.people_stay);
  row("the candidate would answer without one", r.people_spared);
  row("not known", r.people_unknown);
  out.notes.push_back(fmt::format("{} runs would go to a person that did not", r.newly_to_people));
  out.notes.push_back(
      fmt::format("{} runs were seen by nobody: how good their answers were, or would be, is not known", r.unjudged));
  return out;
}

Section findings(const Report& r) {
  Section out{"Findings in requests", {"type", "action", "recorded", "candidate"}, {}};
  FindingCounts all = r.inbound_before;
  all.insert(r.inbound_after.begin(), r.inbound_after.end());
  const auto count_in = [](const FindingCounts& counts, const auto& what) {
    const auto found = counts.find(what);
    return std::to_string(found == counts.end() ? 0 : found->second);
  };
  for (const auto& [what, count] : all)
    out.rows.push_back({what.first, what.second, count_in(r.inbound_before, what), count_in(r.inbound_after, what)});
  if (r.findings_unknown_runs > 0)
    out.notes.push_back(
        fmt::format("{} runs are left out of the candidate's: it has another policy, and their texts "
                    "were not looked at",
                    r.findings_unknown_runs));
  if (r.taken_out > 0)
    out.notes.push_back(
        fmt::format("not known: {} values were taken out when recorded, no other policy sees them again", r.taken_out));
  std::uint64_t outbound = 0;
  for (const auto& [what, count] : r.outbound_before) outbound += count;
  out.notes.push_back(fmt::format(
      "{} findings in answers are on record; `signalbox policy diff` treats answers by another policy", outbound));
  return out;
}

std::vector<Section> sections(const Report& r, const Subject& subject) {
  std::vector<Section> all{decisions(r), routes(r)};
  if (auto section = looks(r); !section.rows.empty()) all.push_back(std::move(section));
  for (auto& section : {costs(r, subject.currency), times(r), people(r), findings(r)}) all.push_back(section);
  return all;
}

std::string verdict(const Report& r) {
  if (!r.routes.empty() && r.routes.begin()->first.first == kLogged)
    return fmt::format("{} calls of a log, {} of them routed", r.choices, r.choices - r.unknown_count());
  return r.nothing_differs() ? "nothing differs: every decision and every cost is exactly as recorded"
                             : fmt::format("{} of {} decisions would differ, {} are not known", r.changed, r.choices,
                                           r.unknown_count());
}

void append_table(const Section& section, std::string& out) {
  std::vector<std::size_t> widths;
  Rows all{section.head};
  all.insert(all.end(), section.rows.begin(), section.rows.end());
  for (const auto& row : all) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : all) {
    std::string line = " ";
    for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format(" {:<{}} ", row[i], widths[i]);
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
}

json::object json_of(const FindingCounts& counts) {
  json::object out;
  for (const auto& [what, count] : counts) {
    auto& actions = out[what.first];
    if (!actions.is_object()) actions = json::object();
    actions.get_object()[what.second] = count;
  }
  return out;
}

json::object json_of(const Durations& d) {
  return {{"runs", d.count()}, {"p50_us", d.quantile(0.5)}, {"p95_us", d.quantile(0.95)}, {"p99_us", d.quantile(0.99)}};
}

json::object json_of(const Judged& j) {
  const auto range = interval_of(j.approved, j.decided());
  return {{"approved", j.approved},
          {"edited", j.edited},
          {"rejected", j.rejected},
          {"undecided", j.open},
          {"approved_share_95", {range.low, range.high}}};
}

json::object json_of(const Bill& bill) {
  return {{"known_micro", bill.known},
          {"known_runs", bill.known_runs},
          {"changed_runs", bill.changed_runs},
          {"expected_micro", bill.expected},
          {"expected_runs", bill.expected_runs},
          {"margin_95_micro", bill.margin()},
          {"unknown_runs", bill.unknown_runs},
          {"unknown_recorded_micro", bill.recorded_of_unknown},
          {"refused_runs", bill.refused_runs},
          {"old_price_calls", bill.old_prices},
          {"unexplained_micro", bill.unexplained}};
}

Plot routes_plot(const Report& r) {
  constexpr std::array kOrder = {"logged", "script", "small", "large", "direct", "human", "blocked", "?"};
  std::map<std::string, std::array<double, 2>> mix;
  for (const auto& [pair, count] : r.routes) {
    mix[pair.first][0] += static_cast<double>(count);
    mix[pair.second][1] += static_cast<double>(count);
  }
  PlotSeries before{.name = "recorded", .kind = PlotSeries::Kind::bars};
  PlotSeries after{.name = "candidate", .kind = PlotSeries::Kind::bars};
  double at = 0;
  for (const char* route : kOrder) {
    const auto found = mix.find(route);
    if (found == mix.end()) continue;
    before.points.push_back({at, found->second[0], route});
    before.points.push_back({at + 0.4, 0, route});
    after.points.push_back({at + 0.4, found->second[1], route});
    after.points.push_back({at + 0.8, 0, route});
    at += 1;
  }
  return {.title = "Route mix: point at a bar for its route",
          .x = {"", 0, std::max(at, 1.0)},
          .y = {"decisions"},
          .series = {before, after}};
}

Plot times_plot(const Report& r) {
  const auto curve = [](std::string name, const Durations& d) {
    PlotSeries out{.name = std::move(name)};
    for (int i = 1; i < 100 && d.count() > 0; ++i)
      out.points.push_back({static_cast<double>(d.quantile(i / 100.0)) / kMicrosInOne, static_cast<double>(i)});
    return out;
  };
  return {.title = "Time to the answer, without people",
          .x = {"seconds"},
          .y = {"% of runs are at least as fast", 0, 100},
          .series = {curve("recorded", r.times_before), curve("candidate", r.times_after)}};
}

}  // namespace

std::string to_lines(const Report& report, const Subject& subject) {
  std::string out = fmt::format("{} under {}\n{}\n", subject.traffic, subject.candidate, verdict(report));
  for (const auto& note : subject.notes) out += note + "\n";
  for (const auto& section : sections(report, subject)) {
    out += fmt::format("\n{}\n", section.title);
    if (!section.rows.empty()) append_table(section, out);
    for (const auto& note : section.notes) out += fmt::format("  {}\n", note);
  }
  return out;
}

json::object to_json(const Report& r, const Subject& subject) {
  json::object unknown;
  for (std::size_t i = 0; i < kReasons; ++i) unknown[kMachineReasons[i]] = r.unknown[i];
  json::array routes;
  for (const auto& [pair, count] : r.routes)
    routes.push_back({{"recorded", pair.first}, {"candidate", pair.second}, {"decisions", count}});
  json::object times;
  for (const auto& [route, spread] : r.recorded_times) times[route] = json_of(spread);
  json::object controls;
  for (const auto& control : r.controls) controls[control.tier] = control.cost;
  return {{"traffic", subject.traffic},
          {"candidate", subject.candidate},
          {"notes", json::value_from(subject.notes)},
          {"nothing_differs", r.nothing_differs()},
          {"runs", r.runs},
          {"erased_runs", r.erased},
          {"runs_without_choice", r.without_choice},
          {"decisions",
           {{"all", r.choices},
            {"exact", r.exact},
            {"same_route", r.same},
            {"changed", r.changed},
            {"from_text", r.looked},
            {"unknown", std::move(unknown)}}},
          {"routes", std::move(routes)},
          {"looks",
           {{"recorded", r.looks.recorded},
            {"recorded_passed_on", r.looks.recorded_passed},
            {"exact", r.looks.exact},
            {"given", r.looks.given},
            {"passed_on", r.looks.passed_on},
            {"not_looked_at", r.looks.not_looked_at},
            {"unknown", {{"not_looked", r.looks.unknown[0]}, {"other_verifier", r.looks.unknown[1]}}}}},
          {"currency", subject.currency},
          {"cost",
           {{"recorded_micro", r.recorded_cost},
            {"recorded_all_large_micro", r.recorded_all_large},
            {"candidate", json_of(r.bill)},
            {"controls_micro", std::move(controls)},
            {"control_runs", r.control_runs}}},
          {"time",
           {{"recorded", std::move(times)},
            {"before", json_of(r.times_before)},
            {"after", json_of(r.times_after)},
            {"untimed_runs", r.untimed}}},
          {"people",
           {{"stay", json_of(r.people_stay)},
            {"spared", json_of(r.people_spared)},
            {"unknown", json_of(r.people_unknown)},
            {"newly", r.newly_to_people},
            {"unjudged", r.unjudged}}},
          {"findings",
           {{"inbound_recorded", json_of(r.inbound_before)},
            {"inbound_candidate", json_of(r.inbound_after)},
            {"outbound_recorded", json_of(r.outbound_before)},
            {"unknown_runs", r.findings_unknown_runs},
            {"taken_out_values", r.taken_out}}}};
}

std::string to_html(const Report& report, const Subject& subject) {
  HtmlPage page(fmt::format("{} under {}", subject.traffic, subject.candidate));
  page.paragraph(verdict(report));
  for (const auto& note : subject.notes) page.paragraph(note);
  page.charts({svg_of(routes_plot(report)), svg_of(times_plot(report))});
  for (const auto& section : sections(report, subject)) {
    page.heading(section.title);
    if (!section.rows.empty()) page.table(section.head, section.rows);
    for (const auto& note : section.notes) page.paragraph(note);
  }
  return page.text();
}

}  // namespace sb::replay
