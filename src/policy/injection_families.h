/// How a classifier of injections does on kinds of attacks that it never met.
#pragma once

#include <functional>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/errors.h"
#include "policy/guards/check.h"

namespace sb::policy {

/// A labelled text to learn from.
struct FamilyText {
  std::string text;
  std::string family;
  bool attack = false;
};

/// Learns a classifier. Errors: what the learner says.
using TrainScorer =
    std::function<Result<std::unique_ptr<const InjectionScorer>>(std::span<const FamilyText* const> texts)>;

/// Leaves out each family of attacks in turn, with a fifth of the other texts; learns from the rest; takes the least
/// threshold that objects to at most `target` of that fifth, and prints how much of the family it finds. Errors: the
/// learner's.
Result<> print_families(std::span<const FamilyText> texts, double target, const TrainScorer& train, std::ostream& out);

}  // namespace sb::policy
