#include "triage/calibrate.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "triage/classifier.h"
#include "triage/confidence.h"
#include "triage/linear_solve.h"
#include "triage/portable_math.h"

namespace sb::triage {

double six_digits(double value) {
  if (value == 0) return 0;
  const double unit = std::pow(10.0, std::floor(std::log10(std::abs(value))) - 5);
  return std::round(value / unit) * unit;
}

namespace {

double negative_log_likelihood(std::span<const Unseen> unseen, double temperature) {
  const auto over = static_cast<float>(1.0 / temperature);
  double total = 0;
  for (const auto& text : unseen) {
    if (text.withheld) continue;
    const float largest = *std::ranges::max_element(text.logits);
    float sum = 0;
    for (const float logit : text.logits) sum += exp_negative((logit - largest) * over);
    total += std::log(static_cast<double>(sum)) - static_cast<double>((text.logits[text.label] - largest) * over);
  }
  return total;
}

using Vector = std::array<double, kGateInputs>;
using Matrix = Square<kGateInputs>;

struct GateExample {
  Vector inputs;
  double target;
  double weight;
};

constexpr double kGateRidge = 1e-4;

double score_of(const GateExample& example, const Vector& weights) {
  double sum = 0;
  for (std::size_t i = 0; i < kGateInputs; ++i) sum += weights[i] * example.inputs[i];
  return sum;
}

double logistic_loss(std::span<const GateExample> examples, const Vector& weights) {
  double loss = 0;
  for (const double weight : weights) loss += kGateRidge / 2 * weight * weight;
  for (const auto& example : examples) {
    const double sum = score_of(example, weights);
    const double softplus = std::max(sum, 0.0) + std::log1p(std::exp(-std::abs(sum)));
    loss += example.weight * (softplus - example.target * sum);
  }
  return loss;
}

// The direction in which a parabola through the loss has its bottom.
Vector newton_step(std::span<const GateExample> examples, const Vector& weights) {
  Matrix curvature{};
  Vector slope{};
  for (std::size_t i = 0; i < kGateInputs; ++i) {
    curvature[i][i] = kGateRidge;
    slope[i] = -kGateRidge * weights[i];
  }
  for (const auto& example : examples) {
    const double p = 1 / (1 + std::exp(-score_of(example, weights)));
    const double bend = std::max(p * (1 - p), 1e-6) * example.weight;
    for (std::size_t i = 0; i < kGateInputs; ++i) {
      slope[i] += example.weight * (example.target - p) * example.inputs[i];
      for (std::size_t j = 0; j < kGateInputs; ++j) curvature[i][j] += bend * example.inputs[i] * example.inputs[j];
    }
  }
  return solve(curvature, slope);
}

// Newton's method (iteratively reweighted least squares) with a light ridge. A step that would not lower the loss is
// halved as a whole: where inputs say nearly the same their weights are large and of opposite signs, and cutting each
// by itself leads elsewhere.
Vector logistic_regression(std::span<const GateExample> examples) {
  constexpr int kRounds = 50;
  Vector weights{};
  double loss = logistic_loss(examples, weights);
  for (int round = 0; round < kRounds; ++round) {
    const Vector move = newton_step(examples, weights);
    const double before = loss;
    for (double step = 1; step > 1e-6; step /= 2) {
      Vector next = weights;
      for (std::size_t i = 0; i < kGateInputs; ++i) next[i] += step * move[i];
      const double there = logistic_loss(examples, next);
      if (there >= loss) continue;
      weights = next;
      loss = there;
      break;
    }
    if (before - loss <= 1e-10 * before) break;
  }
  return weights;
}

// Out-of-scope texts that say what such texts look like; fewer only hint at it.
constexpr std::ptrdiff_t kEnoughCollected = 50;

// One unseen text, reduced to what the thresholds look at.
struct Outcome {
  double script_score = 0;  // 0: not a script, or vetoed
  double human_mass = 0;
  double confidence = 0;
  AnswerKind truth = AnswerKind::none;
  bool right = false;
  bool out_of_scope = false;
  bool withheld = false;
};

// Texts of a withheld label that got a label of the same meaning were answered rightly: they teach nothing.
std::vector<Outcome> outcomes(std::span<const Unseen> unseen, const RouteMap* routes, std::span<const Label> labels,
                              const Calibration& calibration, const Thresholds& thresholds) {
  std::vector<Outcome> out;
  for (const auto& text : unseen) {
    const auto p = conclude(text.evidence(), labels, calibration, thresholds);
    const auto& truth = labels[text.label];
    const bool same = p.intent == truth.name || (routes && routes->same_intent(p.intent, truth.name));
    if (text.withheld && same) continue;
    const double human = p.kind_mass[static_cast<std::size_t>(AnswerKind::human)];
    const bool scriptable = p.kind == AnswerKind::script && human < thresholds.veto;
    out.push_back({scriptable ? p.script_score : 0, human, p.confidence,
                   text.out_of_scope ? AnswerKind::none : truth.kind, same && !text.out_of_scope, text.out_of_scope,
                   text.withheld});
  }
  return out;
}

struct Tally {
  std::uint64_t scripted = 0;  // in scope
  std::uint64_t wrong = 0;     // of those
  std::uint64_t outside = 0;   // out of scope and scripted
};

struct Totals {
  std::uint64_t inside = 0;
  std::uint64_t outside = 0;
};

// Shares of all traffic, `share` of it out of scope: wrongly scripted, and scripted at all.
struct Harm {
  double wrong = 0;
  double scripted = 0;
};

Harm harm(double scripted, double wrong, double outside, double share) {
  return {(1 - share) * scripted * wrong + share * outside, (1 - share) * scripted + share * outside};
}

// Upper bound of the wrong share of all traffic. Half of the risk of being wrong about it is spent on each of its two
// parts (Bonferroni).
double wrong_bound(const Tally& tally, const Totals& totals, double share) {
  const double outside = totals.outside > 0 ? upper_bound(tally.outside, totals.outside, 0.975) : 1.0;
  return harm(part(tally.scripted, totals.inside), upper_bound(tally.wrong, tally.scripted, 0.975), outside, share)
      .wrong;
}

// Wrong ones among the scripted, as counted.
double wrong_estimate(const Tally& tally, const Totals& totals, double share) {
  const auto h = harm(part(tally.scripted, totals.inside), part(tally.wrong, tally.scripted),
                      part(tally.outside, totals.outside), share);
  return h.scripted > 0 ? h.wrong / h.scripted : 0;
}

// Collected out-of-scope texts are the better witnesses; withheld labels, close to those that stayed, stand in where
// there are too few of them.
void keep_witnesses(std::vector<Outcome>& all) {
  const auto collected = [](const Outcome& one) { return one.out_of_scope && !one.withheld; };
  if (std::ranges::count_if(all, collected) < kEnoughCollected) return;
  std::erase_if(all, [](const Outcome& one) { return one.withheld; });
}

// The lowest threshold that keeps estimate and bound within the target; without one, the one that comes nearest.
void fit_script(std::vector<Outcome> all, const Target& target, Thresholds& thresholds, ThresholdReport& report) {
  keep_witnesses(all);
  Totals totals;
  std::uint64_t scriptable = 0;
  for (const auto& one : all) {
    ++(one.out_of_scope ? totals.outside : totals.inside);
    scriptable += one.truth == AnswerKind::script;
  }
  std::erase_if(all, [&](const Outcome& one) { return one.script_score <= 0 || one.human_mass >= thresholds.human; });
  std::ranges::sort(all, std::ranges::greater(), &Outcome::script_score);
  Tally tally;
  double best = 2;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].out_of_scope) {
      ++tally.outside;
    } else {
      ++tally.scripted;
      tally.wrong += !all[i].right;
    }
    if (i + 1 < all.size() && all[i + 1].script_score == all[i].script_score) continue;
    const double bound = wrong_bound(tally, totals, target.out_of_scope);
    const double estimate = wrong_estimate(tally, totals, target.out_of_scope);
    const double worse = std::max(bound, estimate);
    if (worse > target.wrong_scripts && worse >= best) continue;
    best = std::max(worse, target.wrong_scripts);
    thresholds.script = six_digits(all[i].script_score);
    report.wrong_scripts_bound = bound;
    report.wrong_scripts = estimate;
    report.scripted =
        static_cast<double>(tally.scripted - tally.wrong) / static_cast<double>(std::max<std::uint64_t>(scriptable, 1));
  }
}

// The lowest threshold that hands over at most the allowed share of what needs no person: recall comes first.
void fit_human(std::span<const Outcome> all, const Target& target, Thresholds& thresholds, ThresholdReport& report) {
  std::vector<double> others;
  std::uint64_t needing = 0;
  for (const auto& one : all) {
    if (one.withheld) continue;
    if (one.truth == AnswerKind::human)
      ++needing;
    else
      others.push_back(one.human_mass);
  }
  if (needing == 0 || others.empty()) return;
  std::ranges::sort(others, std::ranges::greater());
  const auto allowed = static_cast<std::size_t>(target.needless_human * static_cast<double>(others.size()));
  // Above the first one too many, and never so low that noise decides.
  const double first_over = allowed < others.size() ? others[allowed] : 0.0;
  thresholds.human = six_digits(std::clamp(first_over + 1e-3, 0.02, 0.9));
  std::uint64_t found = 0;
  for (const auto& one : all)
    found += !one.withheld && one.truth == AnswerKind::human && one.human_mass >= thresholds.human;
  const auto needless = std::ranges::count_if(others, [&](double mass) { return mass >= thresholds.human; });
  report.human_recall = static_cast<double>(found) / static_cast<double>(needing);
  report.needless_human = static_cast<double>(needless) / static_cast<double>(others.size());
}

// Whoever needs a person and would have run a script in the rehearsal shows how small a sign of a person can be. The
// smallest of a few is no bound: a fifth of it. The largest veto stays where there was nobody.
double fit_veto(std::span<const Outcome> all, const Thresholds& thresholds) {
  constexpr double kSmaller = 5;
  double veto = thresholds.veto;
  for (const auto& one : all) {
    const bool missed = one.truth == AnswerKind::human && !one.withheld && one.human_mass < thresholds.human &&
                        one.script_score >= thresholds.script;
    if (missed) veto = std::min(veto, six_digits(one.human_mass / kSmaller));
  }
  return veto;
}

// A stricter veto may allow a lower threshold, and that shows who else would have been missed: until nobody is.
void fit_script_and_veto(std::vector<Outcome>& all, const Target& target, Thresholds& thresholds,
                         ThresholdReport& report) {
  for (;;) {
    fit_script(all, target, thresholds, report);
    const double veto = fit_veto(all, thresholds);
    if (veto == thresholds.veto) return;
    thresholds.veto = veto;
    for (auto& one : all) {
      if (one.human_mass >= veto) one.script_score = 0;
    }
  }
}

void fit_least_confidence(std::vector<Outcome> all, const Target& target, Thresholds& thresholds) {
  std::ranges::sort(all, std::ranges::greater(), &Outcome::confidence);
  double right = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    right += all[i].right;
    if (right >= (1 - target.wrong_answers) * static_cast<double>(i + 1))
      thresholds.confidence = six_digits(all[i].confidence);
  }
}

}  // namespace

void fit_temperature(std::span<const Unseen> unseen, Calibration& calibration) {
  // Golden section: the loss is convex in 1 / temperature, so unimodal in its logarithm.
  constexpr double kGolden = 0.6180339887498949;
  double low = std::log(0.05);
  double high = std::log(20.0);
  while (high - low > 1e-3) {
    const double a = high - kGolden * (high - low);
    const double b = low + kGolden * (high - low);
    if (negative_log_likelihood(unseen, std::exp(a)) < negative_log_likelihood(unseen, std::exp(b)))
      high = b;
    else
      low = a;
  }
  calibration.temperature = six_digits(std::exp((low + high) / 2));
}

double mistakes_left(double errors_fewer, double errors, std::uint32_t parts) {
  if (parts < 3 || errors <= 0 || errors_fewer <= errors) return 1;
  const double share = parts;
  const double power = std::min(std::log(errors_fewer / errors) / std::log((share - 1) / (share - 2)), 1.0);
  return std::pow((share - 1) / share, power);
}

void fit_confidence(std::span<const Unseen> unseen, double left, std::span<const Label> labels,
                    Calibration& calibration) {
  calibration.confidence = {};
  std::vector<Sure> answers;
  for (const auto& text : unseen) {
    if (text.withheld) continue;
    const auto p = conclude(text.evidence(), labels, calibration, {});
    answers.push_back({p.confidence, p.intent == labels[text.label].name});
  }
  calibration.confidence = learn_confidence(std::move(answers), left);
}

void fit_gate(std::span<const Unseen> unseen, double share, std::span<const Label> labels, Calibration& calibration) {
  std::vector<GateExample> examples;
  std::array<double, 3> counts{};  // in scope, out of scope, withheld
  const auto group = [](const Unseen& text) { return text.withheld ? 2U : text.out_of_scope ? 1U : 0U; };
  for (const auto& text : unseen) ++counts[group(text)];
  if (counts[0] == 0 || counts[1] + counts[2] == 0) return;
  const double kinds = (counts[1] > 0) + (counts[2] > 0);
  for (const auto& text : unseen) {
    const auto inputs = gate_inputs(text.evidence(), labels, calibration);
    const unsigned g = group(text);
    // Collected and withheld texts speak for half of the out-of-scope traffic each, however many there are.
    const double weight = (g == 0 ? 1 - share : share / kinds) / counts[g];
    examples.push_back({inputs, g == 0 ? 0.0 : 1.0, weight * static_cast<double>(unseen.size())});
  }
  const auto weights = logistic_regression(examples);
  calibration.out_of_scope.clear();
  for (const double weight : weights) calibration.out_of_scope.push_back(six_digits(weight));
}

void fit_outside(std::span<const Unseen> unseen, double share, std::span<const Label> labels,
                 Calibration& calibration) {
  // Below a half of it the text is likelier one of the others.
  constexpr double kLeast = 0.5;
  // Traffic with fewer texts out of scope than `share` loses more than it wins: one right answer in 400 is the price.
  constexpr double kMostLost = 0.0025;
  struct Change {
    double outside;
    bool outside_label;  // its label is the out-of-scope one
    bool right_alone;    // the logits alone give it its label
  };
  std::vector<Change> all;
  std::array<double, 2> counts{};
  for (const auto& text : unseen) {
    if (text.withheld) continue;
    const auto p = conclude(text.evidence(), labels, calibration, {});
    all.push_back({p.out_of_scope, text.out_of_scope, p.intent == labels[text.label].name});
    ++counts[text.out_of_scope];
  }
  if (calibration.out_of_scope.empty() || counts[0] == 0 || counts[1] < kEnoughCollected) return;
  std::ranges::sort(all, std::ranges::greater(), &Change::outside);
  double won = 0;
  double lost = 0;
  double best = 0;
  for (std::size_t i = 0; i < all.size() && all[i].outside >= kLeast && lost <= kMostLost; ++i) {
    const auto& one = all[i];
    if (one.outside_label && !one.right_alone) won += share / counts[1];
    if (!one.outside_label && one.right_alone) lost += 1 / counts[0];
    const bool last_of_equals = i + 1 == all.size() || all[i + 1].outside < one.outside;
    const double gain = won - (1 - share) * lost;
    if (!last_of_equals || lost > kMostLost || gain <= best) continue;
    best = gain;
    calibration.outside_at = six_digits(one.outside);
  }
}

ThresholdReport fit_thresholds(std::span<const Unseen> unseen, const Target& target, const RouteMap* routes,
                               std::span<const Label> labels, const Calibration& calibration, Thresholds& thresholds) {
  ThresholdReport report;
  // A label for people with a twentieth of the probability is reason enough not to run a script; or with less.
  thresholds.veto = 0.05;
  auto all = outcomes(unseen, routes, labels, calibration, thresholds);
  const bool has_routes =
      std::ranges::any_of(labels, [](const Label& label) { return label.kind != AnswerKind::none; });
  if (has_routes) {
    fit_human(all, target, thresholds, report);
    fit_script_and_veto(all, target, thresholds, report);
  } else {
    fit_least_confidence(all, target, thresholds);
  }
  return report;
}

double upper_bound(std::uint64_t errors, std::uint64_t trials, double confidence) {
  if (errors >= trials) return 1;
  const auto n = static_cast<double>(trials);
  // P(X <= errors) under rate p, as the sum of its terms beside the first, which is often too small for a double.
  const auto tail = [&](double p) {
    double first = n * std::log1p(-p);
    double term = 1;
    double sum = 1;
    for (std::uint64_t k = 1; k <= errors; ++k) {
      term *= (n - static_cast<double>(k) + 1) / static_cast<double>(k) * p / (1 - p);
      sum += term;
      if (sum > 1e200) {
        first += std::log(sum);
        term /= sum;
        sum = 1;
      }
    }
    return std::exp(first + std::log(sum));
  };
  double low = 0;
  double high = 1;
  for (int i = 0; i < 50; ++i) {
    const double middle = (low + high) / 2;
    if (tail(middle) > 1 - confidence)
      low = middle;
    else
      high = middle;
  }
  return high;
}

}  // namespace sb::triage
