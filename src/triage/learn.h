/// Learns intents from a few labelled texts beside a trained model, in a fraction of a second and without the texts
/// that it was trained on: a softmax regression on what the model's own n-grams and sentence encoder see of a text,
/// held against the training texts that the model remembers (Remembered).
///
/// Texts of intents that the model knows already stand on its side: nothing that is learnt may take them. Where it
/// takes them for others, the known intent is learnt in one more way.
///
/// Pure and deterministic. What is learnt depends on the model and the labelled texts alone, not on what was learnt
/// before: there is nothing that could drift.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "triage/classifier.h"
#include "triage/learnt.h"

namespace sb::triage {

struct LabelledText {
  std::string text;
  std::string intent;
  /// Who answers an intent that the model does not know. A script does not before the intent is trained and a threshold
  /// is tuned on its texts: some 20 support no promise. Until then a model answers.
  AnswerKind kind = AnswerKind::generative;
};

struct LearnLimits {
  /// Texts of a new intent, and of a known one texts that the model takes for another; with fewer it is not learnt.
  std::size_t least = 5;
  /// Texts in all. Of more the newest of each intent in turn are learnt from: what everybody asks for leaves room for
  /// the others.
  std::size_t most = 2'000;
};

/// What is known of one intent that was learnt, from texts that the weights asked had not seen.
struct LearntIntent {
  std::string intent;
  AnswerKind kind = AnswerKind::generative;
  bool is_new = false;  ///< the model has no label of that name
  std::size_t texts = 0;
  std::size_t recognised = 0;  ///< of these
};

struct LearnReport {
  std::vector<LearntIntent> intents;
  std::vector<std::string> too_few;  ///< new intents with fewer texts than the limit
  std::size_t left_out = 0;          ///< older texts beyond the limit
  std::size_t remembered = 0;        ///< training texts that it was held against
  std::size_t taken = 0;             ///< of these, how many a learnt intent takes from the one they have
};

struct Learning {
  Learnt learnt;
  LearnReport report;
};

/// `texts`: oldest first. REQUIRES: nothing was learnt beside `model`. What has tiers is learnt for the tiers that
/// look: for both where it has an encoder. Errors: unsupported (the model remembers no texts: train it anew),
/// invalid_argument (nothing to learn; an intent with two kinds), too_large (more intents than can be learnt).
Result<Learning> learn_beside(const IntentModel& model, std::span<const LabelledText> texts, const LearnLimits& limits);

}  // namespace sb::triage
