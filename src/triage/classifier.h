/// The intent classifier: one text in, a label with an honest probability out, in microseconds and in process.
///
/// Tier 0 of triage. Linear over hashed word and character n-grams with low-rank 8-bit weights; probabilities are
/// calibrated, so that of the queries with confidence 0.9 nine in ten carry the right label. It abstains rather than
/// guess: on text in another language, on noise, on what its labels do not cover.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "triage/encoder/encoder.h"
#include "triage/model_data.h"

namespace sb::triage {

struct Alternative {
  std::string_view intent;  ///< lives as long as the model
  double probability = 0;
};

inline constexpr std::size_t kAlternatives = 3;

struct Prediction {
  std::string_view intent;             ///< likeliest label; lives as long as the model
  AnswerKind kind = AnswerKind::none;  ///< who answers that label's queries
  AnswerKind route =
      AnswerKind::none;     ///< `kind` after the model's thresholds; an abstention is `generative`, never `script`
  bool abstained = false;   ///< `route` is not `kind`, or (models without routes) the confidence is too low
  double confidence = 0;    ///< calibrated probability that `intent` is right
  double script_score = 0;  ///< confidence that a script for `intent` is right: in scope, too; against the thresholds
  double out_of_scope = 0;  ///< probability that no label fits
  double coverage = 0;      ///< share of the text's n-grams that training saw
  std::array<double, kAnswerKinds> kind_mass{};           ///< probability by AnswerKind; sums to 1
  std::array<Alternative, kAlternatives> alternatives{};  ///< likeliest labels, best first; empty names where fewer
  bool truncated = false;                                 ///< longer than kMaxTextBytes: the end was not read
  std::uint8_t tier = 0;                                  ///< who looked: 0 n-grams, 1 the sentence encoder too
  bool early = false;                                     ///< ... its first blocks alone
  Thresholds limits;                                      ///< what `route` was decided by
  bool readable = false;  ///< false: empty, no UTF-8, or binary; nothing above means anything
};

/// What is kept of a prediction beside its intent: other thresholds can be held against it.
struct Seen {
  std::uint8_t tier = 0;
  bool early = false;
  bool readable = false;
  bool truncated = false;
  double confidence = 0;
  double script_score = 0;
  double human = 0;  ///< probability of needing a person
};
Seen seen_of(const Prediction& prediction);

struct Insight;  // insight.h
struct Learnt;   // learnt.h

/// What a model sees of a text before it concludes anything: what intents are learnt from.
struct Sighting {
  std::vector<float> place;  ///< Scorer::score
  GateInputs gate{};
  std::vector<float> vector;  ///< of tier 1, less the heads' centre; empty without an encoder
  GateInputs sentence_gate{};
  Prediction said;  ///< the weights' own word, of the last tier there is
};

/// Immutable; any number of threads may predict at once. Cheap to copy (shared).
class IntentModel {
 public:
  /// Reads a model file's bytes. Errors: corrupt, unsupported (another format version); `detail` says which.
  static Result<IntentModel> load(std::string_view bytes);
  /// The same from disk; `detail` names the file. Errors: as load, and not_found, too_large (over 64 MiB).
  static Result<IntentModel> load_file(const std::string& path);
  /// From data already checked (fresh from training).
  static IntentModel from_data(ModelData data);

  /// The same model with tier 1: `encoder` looks at what tier 0 is not sure of.
  /// Errors: conflict (the model has no heads for it, or heads for another encoder); `detail` says which.
  Result<IntentModel> with_encoder(const Encoder& encoder) const;
  bool has_encoder() const;
  /// The same model with what was learnt beside it in place of what was there.
  /// Errors: conflict (it was learnt beside another model, or for one without tier 1), corrupt.
  Result<IntentModel> with_learnt(Learnt learnt) const;
  /// The weights alone.
  IntentModel without_learnt() const;
  /// Null: nothing was learnt.
  const Learnt* learnt() const;
  /// Of the weights alone, whatever was learnt beside them.
  const std::string& base_version() const;
  /// Whether any label says who answers it.
  bool has_routes() const;

  /// Never fails. Allocates only where an encoder looks, and then once a thread. Looks at the first kMaxTextBytes
  /// bytes; anything unreadable or longer abstains.
  Prediction predict(std::string_view text) const;

  /// A prediction again from what was kept of one by these weights, as this model's thresholds have it: without out of
  /// scope, coverage and alternatives. Nothing where no label has this name.
  std::optional<Prediction> recall(const Seen& seen, std::string_view intent) const;

  /// Nothing where the text cannot be read to its end. Both tiers look, all of the encoder, however sure the first is.
  /// Allocates.
  std::optional<Sighting> look(std::string_view text) const;

  /// The same as `predict` with what it is made of, for explanations: slower, allocates.
  Insight look_into(std::string_view text) const;

  /// First 16 hex digits of the file's SHA-256, or of one over that and what was learnt beside it; names the model in
  /// every decision.
  const std::string& version() const;
  const ModelData& data() const;
  /// Null where no label has this name, a learnt one neither.
  const Label* find_label(std::string_view name) const;

 private:
  struct State;
  explicit IntentModel(std::shared_ptr<const State> state);
  std::shared_ptr<const State> state_;
};

inline constexpr std::size_t kSentenceInputs = 3;

/// What was measured of a text before anything is concluded from it.
struct Evidence {
  std::span<const float> logits;
  double word_coverage = 0;
  double total_coverage = 0;
  /// Tier 1 only: distance to the nearest label's mean, likeness of the nearest training text, agreement of those near.
  std::array<double, kSentenceInputs> sentence{};
};

/// What the out-of-scope gate weighs, before calibration; also what training fits it on.
GateInputs gate_inputs(const Evidence& evidence, std::span<const Label> labels, const Calibration& calibration);

/// Everything `predict` derives from evidence; pure, so that thresholds are fitted through the very code that applies
/// them.
/// `observed`: takes what gate_inputs() tells; may be null.
Prediction conclude(const Evidence& evidence, std::span<const Label> labels, const Calibration& calibration,
                    const Thresholds& thresholds, GateInputs* observed = nullptr);

/// Whether nobody else is asked.
bool is_enough(const Prediction& prediction, const Certainty& rule);

/// Route and abstention of a prediction by its limits.
void decide(bool has_routes, Prediction& prediction);

}  // namespace sb::triage
