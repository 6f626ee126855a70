#include "triage/certainty.h"

#include <algorithm>
#include <vector>

namespace sb::triage {
namespace {

constexpr double kProbabilities[] = {0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995};
constexpr double kOutOfScope[] = {0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5};
constexpr double kShareOfTarget = 0.1;  // of the wrong scripts that the target allows
constexpr std::size_t kOutsideALoss = 200;

// What it means for a text that the second look is not asked.
struct Unasked {
  double probability = 0;
  double out_of_scope = 0;
  bool inside = false;   // one of the labels is right
  bool outside = false;  // out of scope
  int lost = 0;          // 1: the second alone has the right one, -1: the first alone has it
  bool wrong_script = false;
  bool missed_person = false;
  bool missed_outside = false;
};

Unasked unasked(const Unseen& text, const Prediction& first, const Prediction& second, const Label& label) {
  constexpr double kKnown = 0.5;
  const bool right = !text.withheld && first.intent == label.name;
  const bool second_right = !text.withheld && second.intent == label.name;
  Unasked out{.probability = first.alternatives[0].probability, .out_of_scope = first.out_of_scope};
  out.inside = !text.withheld;
  out.outside = text.out_of_scope;
  out.lost = static_cast<int>(second_right) - static_cast<int>(right);
  out.wrong_script = first.route == AnswerKind::script && !right && second.route != AnswerKind::script;
  out.missed_person = !text.withheld && label.kind == AnswerKind::human && first.route != AnswerKind::human &&
                      second.route == AnswerKind::human;
  out.missed_outside = text.out_of_scope && second.out_of_scope >= kKnown;
  return out;
}

struct Sum {
  std::size_t enough = 0;
  std::ptrdiff_t lost = 0;
  double wrong_scripts = 0;  // share of the traffic
  std::size_t missed_persons = 0;
  std::size_t missed_outside = 0;
};

// What one text is of the traffic.
struct Shares {
  double inside = 0;
  double outside = 0;  // of one that is out of scope
};

Sum sum_of(std::span<const Unasked> outcomes, const Certainty& rule, const Shares& shares) {
  Sum sum;
  for (const auto& outcome : outcomes) {
    if (outcome.probability < rule.probability || outcome.out_of_scope > rule.out_of_scope) continue;
    sum.enough += outcome.inside ? 1 : 0;
    sum.lost += outcome.lost;
    if (outcome.wrong_script) sum.wrong_scripts += outcome.outside ? shares.outside : shares.inside;
    sum.missed_persons += outcome.missed_person ? 1 : 0;
    sum.missed_outside += outcome.missed_outside ? 1 : 0;
  }
  return sum;
}

}  // namespace

Certainty fit_certainty(std::span<const Unseen> unseen, std::span<const Prediction> first,
                        std::span<const Prediction> second, const Target& target, std::span<const Label> labels,
                        CertaintyReport& report) {
  std::vector<Unasked> outcomes;
  std::size_t inside = 0;
  std::size_t outside = 0;
  for (std::size_t i = 0; i < unseen.size(); ++i) {
    outcomes.push_back(unasked(unseen[i], first[i], second[i], labels[unseen[i].label]));
    inside += unseen[i].withheld ? 0 : 1;
    outside += unseen[i].out_of_scope ? 1 : 0;
  }
  const auto texts = [](std::size_t count) { return static_cast<double>(std::max<std::size_t>(count, 1)); };
  const Shares shares{(1 - target.out_of_scope) / texts(unseen.size() - outside), target.out_of_scope / texts(outside)};
  Certainty best;
  Sum best_sum = sum_of(outcomes, best, shares);
  for (const double probability : kProbabilities) {
    for (const double out_of_scope : kOutOfScope) {
      const Certainty rule{probability, out_of_scope};
      const Sum sum = sum_of(outcomes, rule, shares);
      const bool keeps = sum.lost <= 0 && sum.wrong_scripts <= kShareOfTarget * target.wrong_scripts &&
                         sum.missed_persons == 0 && sum.missed_outside <= outside / kOutsideALoss;
      if (!keeps || sum.enough <= best_sum.enough) continue;
      best = rule;
      best_sum = sum;
    }
  }
  report = {static_cast<double>(best_sum.enough) / texts(inside), static_cast<double>(best_sum.lost) / texts(inside)};
  return best;
}

}  // namespace sb::triage
