/// Why a text takes its route, for people: what decided, what spoke for it, and what would have to change.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "triage/dataset.h"
#include "triage/insight.h"
#include "triage/router.h"

namespace sb::triage {

/// A number held against a limit.
struct Check {
  std::string what;  ///< "script score", "needs a person"
  double value = 0;
  double limit = 0;
  bool at_least = true;  ///< holds where value >= limit; else where value < limit
  std::string then;      ///< what follows where it holds
  bool holds() const { return at_least ? value >= limit : value < limit; }
};

/// Another route, and the word without which the text would have taken it.
struct Counterfactual {
  std::string without;
  RouteDecision decision;
};

struct Explanation {
  RouteDecision decision;
  std::optional<Insight> insight;         ///< none: nobody looked, or a rule decided and there is no model
  std::vector<Check> checks;              ///< of the classifier, in the order in which they count
  std::optional<ThresholdOrigin> origin;  ///< of the threshold for scripts, where the model's own is in force
  std::vector<Counterfactual> changes;    ///< at most kMaxChanges
};

inline constexpr std::size_t kMaxChanges = 5;

/// Costs a prediction for each of the first sixty-four words.
Explanation explain(const Router& router, const RouteQuery& query);

/// `training`: the texts the model was trained on, to quote the nearest; empty: only their intents are told.
/// `features`: so many of the strongest are shown.
json::object to_json(const Explanation& explanation, std::span<const Example> training, std::size_t features);
/// The same as lines for people.
std::string to_lines(const Explanation& explanation, std::span<const Example> training, std::size_t features);

/// A decision as the record has it (`kind: route`), as lines for people.
std::string recorded_lines(const json::value& decision);

}  // namespace sb::triage
