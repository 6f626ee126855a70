#include "triage/economics.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace sb::triage {
namespace {

constexpr std::size_t kSweep = 60;

void add(const Trial& trial, Route route, const Prices& prices, Bill& out) {
  const bool wrong = route == Route::script && !trial.right_script();
  const bool missed = trial.truth == AnswerKind::human && route != Route::human;
  const bool needless = trial.truth != AnswerKind::human && !trial.outside && route == Route::human;
  const double price[] = {prices.script, prices.small, prices.large, 0};
  ++out.texts;
  out.models += price[static_cast<std::size_t>(route)];
  out.people += route == Route::human ? prices.human : 0;
  out.scripted += route == Route::script;
  out.wrong_scripts += wrong;
  out.missed += missed;
  out.needless += needless;
  out.faults += wrong || missed || needless;  // a text for people that ran a script is one
  out.harm +=
      (wrong ? prices.wrong_script : 0) + (missed ? prices.missed_human : 0) + (needless ? prices.needless_human : 0);
}

template <class RouteOf>
Bill bill(std::string name, std::span<const Trial> trials, const Prices& prices, RouteOf route_of) {
  Bill out{.name = std::move(name)};
  for (const auto& trial : trials) add(trial, route_of(trial), prices, out);
  return out;
}

Route best_route(const Trial& trial) {
  if (trial.truth == AnswerKind::script) return Route::script;
  return trial.truth == AnswerKind::human ? Route::human : Route::small;
}

// The script that the oracle runs is the right one, whatever the model would have run.
Bill best_bill(std::span<const Trial> trials, const Prices& prices) {
  Bill out{.name = "best possible"};
  for (auto trial : trials) {
    trial.right = true;
    add(trial, best_route(trial), prices, out);
  }
  return out;
}

std::vector<Bill> sweep(std::span<const Trial> trials, const Prices& prices) {
  std::vector<double> scores;
  for (const auto& trial : trials) {
    if (trial.score() > 0) scores.push_back(trial.score());
  }
  std::ranges::sort(scores, std::greater());
  std::vector<Bill> out;
  for (std::size_t i = 0; i <= kSweep; ++i) {
    const std::size_t at = scores.size() * i / kSweep;
    const double threshold = at == 0 ? 2 : scores[at - 1];
    out.push_back(bill(fmt::format("script at {:.4f}", threshold), trials, prices, [&](const Trial& trial) {
      return trial.score() >= threshold ? Route::script : trial.unscripted;
    }));
    if (scores.empty()) break;
  }
  return out;
}

}  // namespace

double Bill::quality() const {
  return texts > 0 ? 1 - static_cast<double>(faults) / static_cast<double>(texts) : 0;
}

double Bill::saved(const Bill& control) const {
  return control.models > 0 ? 1 - models / control.models : 0;
}

Economics economics(std::span<const Trial> trials, const Prices& prices) {
  const auto large_only = [](const Trial& trial) { return trial.route == Route::small ? Route::large : trial.route; };
  return {
      .all_large = bill("all large", trials, prices, [](const Trial&) { return Route::large; }),
      .all_small =
          bill("all small (best single cheaper model)", trials, prices, [](const Trial&) { return Route::small; }),
      .routed = bill("routed", trials, prices, [](const Trial& trial) { return trial.route; }),
      .without_small = bill("routed, no small model", trials, prices, large_only),
      .best = best_bill(trials, prices),
      .sweep = sweep(trials, prices),
  };
}

std::vector<std::vector<std::string>> rows_of(const Economics& economics) {
  std::vector<std::vector<std::string>> out{{"", "models", "people", "harm", "saved of all large", "of all small",
                                             "as labels ask", "wrong scripts", "people missed", "needless"}};
  for (const auto* one :
       {&economics.all_large, &economics.all_small, &economics.without_small, &economics.routed, &economics.best}) {
    const double per_thousand = one->texts > 0 ? 1000 / static_cast<double>(one->texts) : 0;
    out.push_back({one->name, fmt::format("{:.0f}", one->models * per_thousand),
                   fmt::format("{:.0f}", one->people * per_thousand), fmt::format("{:.0f}", one->harm * per_thousand),
                   fmt::format("{:.1f} %", one->saved(economics.all_large) * 100),
                   fmt::format("{:.1f} %", one->saved(economics.all_small) * 100),
                   fmt::format("{:.2f} %", one->quality() * 100), std::to_string(one->wrong_scripts),
                   std::to_string(one->missed), std::to_string(one->needless)});
  }
  return out;
}

}  // namespace sb::triage
