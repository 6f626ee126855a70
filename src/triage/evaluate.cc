#include "triage/evaluate.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <ostream>
#include <random>

#include "base/json.h"

namespace sb::triage {
namespace {

double share(std::size_t part, std::size_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

struct Scored {
  double score;
  bool outside;
};

// Probability that an out-of-scope text scores higher than one in scope (Mann-Whitney), ties counted half.
double area_under_curve(std::vector<Scored> all) {
  std::ranges::sort(all, {}, &Scored::score);
  double pairs = 0;
  double inside_before = 0;
  std::size_t outside_total = 0;
  for (std::size_t begin = 0; begin < all.size();) {
    std::size_t end = begin;
    double inside = 0;
    double outside = 0;
    for (; end < all.size() && all[end].score == all[begin].score; ++end) (all[end].outside ? outside : inside) += 1;
    pairs += outside * (inside_before + inside / 2);
    inside_before += inside;
    outside_total += static_cast<std::size_t>(outside);
    begin = end;
  }
  const double possible = static_cast<double>(outside_total) * inside_before;
  return possible > 0 ? pairs / possible : 0.5;
}

// Share of the out-of-scope texts above the score that 95 % of the others do not exceed.
double found_outside(const std::vector<Scored>& all) {
  constexpr double kKept = 0.95;
  std::vector<double> inside;
  std::size_t outside = 0;
  for (const auto& one : all) {
    if (one.outside)
      ++outside;
    else
      inside.push_back(one.score);
  }
  if (inside.empty()) return 0;
  const auto kept = static_cast<std::size_t>(std::ceil(kKept * static_cast<double>(inside.size())));
  std::ranges::nth_element(inside, inside.begin() + static_cast<std::ptrdiff_t>(kept - 1));
  const double cut = inside[kept - 1];
  return share(static_cast<std::size_t>(
                   std::ranges::count_if(all, [&](const Scored& one) { return one.outside && one.score > cut; })),
               outside);
}

struct Counts {
  std::size_t right = 0, inside = 0, inside_right = 0, outside = 0;
  std::size_t scriptable = 0, scripted = 0, scripted_right = 0, outside_scripted = 0, human_scripted = 0;
  std::size_t human = 0, human_found = 0, others = 0, needless = 0, abstained = 0;
};

void count_route(const Trial& trial, Counts& out) {
  out.scriptable += trial.truth == AnswerKind::script;
  if (trial.route == Route::script) {
    ++out.scripted;
    out.scripted_right += trial.right_script();
    out.outside_scripted += trial.outside;
    out.human_scripted += trial.truth == AnswerKind::human;
  }
  if (trial.outside) return;
  const bool handed_over = trial.route == Route::human;
  if (trial.truth == AnswerKind::human) {
    ++out.human;
    out.human_found += handed_over;
  } else {
    ++out.others;
    out.needless += handed_over;
  }
}

// Of confidences that are exact: which texts are right is drawn anew, many times, as the confidences say.
double error_by_chance(std::vector<Sure> texts) {
  constexpr int kDraws = 400;  // the mean of so many is within .0002 on a thousand texts
  std::mt19937_64 random(1);
  double total = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    for (auto& text : texts) text.right = static_cast<double>(random() >> 11) * 0x1p-53 < text.confidence;
    total += calibration_error(texts);
  }
  return total / kDraws;
}

// The bins' squared error without the variance of their shares of right ones.
void fill_bins(std::span<const Sure> texts, Evaluation& out) {
  out.bins = reliability_of(texts);
  out.calibration_error = calibration_error(texts);
  out.chance_error = error_by_chance({texts.begin(), texts.end()});
  double squares = 0;
  for (const auto& bin : out.bins) {
    if (bin.count == 0) continue;
    const auto count = static_cast<double>(bin.count);
    const double off = bin.accuracy - bin.confidence;
    const double chance = bin.count > 1 ? bin.accuracy * (1 - bin.accuracy) / (count - 1) : off * off;
    squares += count * (off * off - chance);
  }
  if (!texts.empty()) out.debiased_error = std::sqrt(std::max(squares / static_cast<double>(texts.size()), 0.0));
}

json::object object_of(const Bill& bill, const Economics& e) {
  return {{"models", bill.models},
          {"people", bill.people},
          {"harm", bill.harm},
          {"saved_of_all_large", bill.saved(e.all_large)},
          {"saved_of_all_small", bill.saved(e.all_small)},
          {"quality", bill.quality()},
          {"wrong_scripts", bill.wrong_scripts},
          {"missed_human", bill.missed},
          {"needless_human", bill.needless}};
}

}  // namespace

Evaluation evaluate(std::span<const Trial> trials, bool has_routes) {
  Evaluation out;
  Counts counts;
  std::vector<double> latencies;
  std::vector<Scored> scored;
  std::vector<Sure> confidences;
  for (const auto& trial : trials) {
    latencies.push_back(trial.latency_us);
    counts.right += trial.right;
    counts.abstained += trial.said.abstained;
    ++(trial.outside ? counts.outside : counts.inside);
    counts.inside_right += trial.right_script();
    scored.push_back({trial.said.out_of_scope, trial.outside});
    confidences.push_back({trial.said.confidence, trial.right});
    count_route(trial, counts);
  }
  out.has_routes = has_routes;
  out.count = trials.size();
  out.accuracy = share(counts.right, out.count);
  out.in_scope_accuracy = share(counts.inside_right, counts.inside);
  fill_bins(confidences, out);
  out.out_of_scope_found = found_outside(scored);
  out.out_of_scope_auroc = area_under_curve(std::move(scored));
  out.scripted_right = share(counts.scripted_right, counts.scriptable);
  out.wrong_scripts = share(counts.scripted - counts.scripted_right, counts.scripted);
  out.wrong_scripts_of_all = share(counts.scripted - counts.scripted_right, out.count);
  out.out_of_scope_scripted = share(counts.outside_scripted, counts.outside);
  out.human_scripted = counts.human_scripted;
  out.human_recall = share(counts.human_found, counts.human);
  out.needless_human = share(counts.needless, counts.others);
  out.abstained = share(counts.abstained, out.count);
  std::ranges::sort(latencies);
  if (!latencies.empty()) {
    out.latency_us_mean =
        std::accumulate(latencies.begin(), latencies.end(), 0.0) / static_cast<double>(latencies.size());
    out.latency_us_p50 = latencies[latencies.size() / 2];
    out.latency_us_p99 = latencies[latencies.size() * 99 / 100];
  }
  return out;
}

void print(const Evaluation& e, std::ostream& out) {
  fmt::print(out, "texts                    {}\n", e.count);
  fmt::print(out, "accuracy                 {:.4f}   (in scope {:.4f})\n", e.accuracy, e.in_scope_accuracy);
  fmt::print(out, "calibration error (ECE)  {:.4f}   (were the confidences exact {:.4f} by chance; debiased {:.4f})\n",
             e.calibration_error, e.chance_error, e.debiased_error);
  fmt::print(out, "out-of-scope AUROC       {:.4f}   (found with 95 % of the others kept {:.4f})\n",
             e.out_of_scope_auroc, e.out_of_scope_found);
  fmt::print(out, "abstained                {:.4f}\n", e.abstained);
  fmt::print(out, "latency p50 / p99 / mean {:.1f} / {:.1f} / {:.1f} us\n", e.latency_us_p50, e.latency_us_p99,
             e.latency_us_mean);
  if (!e.has_routes) return;
  fmt::print(out, "scriptable and scripted  {:.4f}\n", e.scripted_right);
  fmt::print(out, "wrong scripts            {:.4f} of scripted, {:.4f} of all\n", e.wrong_scripts,
             e.wrong_scripts_of_all);
  fmt::print(out, "out of scope, scripted   {:.4f}\n", e.out_of_scope_scripted);
  fmt::print(out, "for people, scripted     {}\n", e.human_scripted);
  fmt::print(out, "people: recall           {:.4f}   (needless {:.4f})\n", e.human_recall, e.needless_human);
}

void print_json(const Evaluation& e, const Economics* economics, std::ostream& out) {
  json::object object{{"texts", e.count},
                      {"accuracy", e.accuracy},
                      {"in_scope_accuracy", e.in_scope_accuracy},
                      {"calibration_error", e.calibration_error},
                      {"calibration_error_by_chance", e.chance_error},
                      {"calibration_error_debiased", e.debiased_error},
                      {"out_of_scope_auroc", e.out_of_scope_auroc},
                      {"out_of_scope_found", e.out_of_scope_found},
                      {"abstained", e.abstained},
                      {"latency_us_mean", e.latency_us_mean},
                      {"latency_us_p50", e.latency_us_p50},
                      {"latency_us_p99", e.latency_us_p99}};
  if (e.has_routes) {
    object["scripted_right"] = e.scripted_right;
    object["wrong_scripts"] = e.wrong_scripts;
    object["wrong_scripts_of_all"] = e.wrong_scripts_of_all;
    object["out_of_scope_scripted"] = e.out_of_scope_scripted;
    object["human_scripted"] = e.human_scripted;
    object["human_recall"] = e.human_recall;
    object["needless_human"] = e.needless_human;
  }
  if (economics) {
    object["cost"] = {{"all_large", object_of(economics->all_large, *economics)},
                      {"all_small", object_of(economics->all_small, *economics)},
                      {"without_small", object_of(economics->without_small, *economics)},
                      {"routed", object_of(economics->routed, *economics)},
                      {"best", object_of(economics->best, *economics)}};
  }
  out << to_text(object) << '\n';
}

}  // namespace sb::triage
