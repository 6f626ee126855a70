/// A classifier as plain data: what training makes, what the model file holds, what prediction reads.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "triage/features.h"

namespace sb::triage {

/// What may answer a label's queries. The file knows three; the router splits `generative` into small and large models.
enum class AnswerKind : std::uint8_t { none = 0, script = 1, generative = 2, human = 3 };
inline constexpr std::size_t kAnswerKinds = 4;
std::string_view to_string(AnswerKind kind);

/// Limits of a model; a file beyond them is refused, so that a query's time stays bounded.
inline constexpr std::size_t kMaxLabels = 1024;
inline constexpr std::size_t kMaxDimension = 512;
inline constexpr std::size_t kMaxRows = 1U << 20;
inline constexpr std::size_t kMaxSentenceInputs = 1U << 14;
inline constexpr std::size_t kMaxSentenceDimension = 256;
inline constexpr std::size_t kMaxSentenceTexts = 1U << 20;
inline constexpr std::int32_t kMaxRowWeight = 4095;
inline constexpr std::int32_t kMaxHeadWeight = 2047;
inline constexpr std::size_t kMaxRemembered = 1U << 15;

struct Label {
  std::string name;
  AnswerKind kind = AnswerKind::none;
  bool out_of_scope = false;  ///< the label that means "none of the others"
};

struct Level {
  double from = 0;   ///< least softmax probability of the level
  double mean = 0;   ///< mean of those in it
  double right = 0;  ///< share of right ones among them
};

/// Softmax probability of the likeliest label -> share of such predictions that were right.
struct Confidence {
  /// Of equal size (histogram binning: Zadrozny and Elkan, 2001); empty: the softmax itself.
  std::vector<Level> levels = {};
  bool lines = false;  ///< in straight lines between the levels' middles; false: in steps
};

/// Scores to probabilities, fitted on predictions for texts that the predicting model had not seen.
struct Calibration {
  double temperature =
      1.0;  ///< logits are divided by it (Guo et al., "On calibration of modern neural networks", 2017)
  /// Logistic regression of "out of scope": bias, then the weights of classifier.cc's observations; empty: no gate.
  std::vector<double> out_of_scope = {};
  /// From this out-of-scope probability on the intent is the out-of-scope label, whatever the logits say: they know
  /// that label from a few texts, the gate also from labels withheld. Above 1: never.
  double outside_at = 2;
  Confidence confidence = {};
};

/// A query is scripted, or handed to a person, only beyond these.
struct Thresholds {
  double script = 1.1;      ///< least script score; above 1: no query is ever scripted
  double human = 0.5;       ///< least probability of needing a person that sends it to one
  double veto = 0.2;        ///< at or above this probability of needing a person nothing is scripted
  double confidence = 0.5;  ///< models without routes: below it the model abstains
};

/// What the threshold for scripts rests on.
struct ThresholdOrigin {
  std::string by;            ///< "train" (texts withheld from the weights) or "tune"
  double wrong_scripts = 0;  ///< the target: of the scripted, as promised by tune; of all queries by train
  double confidence = 0;     ///< of the bound
  double out_of_scope = 0;   ///< share of such queries in the traffic it speaks of; 0: as in the data
  double bound = 1;          ///< at most so much is wrong; above the target: nothing could be promised
  std::uint64_t texts = 0;   ///< labelled texts it was fitted on
};

struct TrainingFile {
  std::string name;  ///< without its folder
  std::string sha256;
  std::uint64_t rows = 0;
};

/// Where a model comes from: enough to make it again, byte for byte.
struct Provenance {
  std::vector<TrainingFile> files;
  std::string routes_sha256;  ///< of the label -> route file; empty without one
  std::string command;
  std::uint64_t seed = 0;
};

/// Where the word of who looked before is enough; learnt (certainty.h). As it stands: tier 0's, of models that were
/// learnt before it was.
struct Certainty {
  double probability = 0.995;  ///< least softmax probability of the likeliest label
  double out_of_scope = 0.01;  ///< greatest probability of being out of scope
};

/// What is weighed in tier 1: tier 0's logits, the distance to means, the neighbours, the regression.
inline constexpr std::size_t kOpinionCount = 4;
using Fusion = std::array<double, kOpinionCount>;

/// Tier 1: what a sentence encoder's vectors add. Means and texts lie in the space that tells the labels apart best
/// (Fisher, 1936).
struct SentenceHeads {
  std::string encoder;             ///< version of the encoder whose vectors these are
  std::uint32_t blocks = 0;        ///< of it, the first so many, have looked; 0: all
  std::uint32_t inputs = 0;        ///< its dimension after them
  std::uint32_t dimension = 0;     ///< of the space
  std::vector<float> centre;       ///< [inputs]
  std::vector<float> projection;   ///< [dimension][inputs]; a label's texts scatter by 1 in every direction
  std::vector<float> means;        ///< [labels][dimension]
  std::vector<std::int8_t> texts;  ///< [texts][dimension]: the training texts' directions, length 127
  std::vector<std::uint16_t> text_labels;
  std::vector<float> weights;  ///< [labels][inputs]: regression on the vector less `centre`; empty: none
  std::vector<float> biases;   ///< [labels]
  Fusion fusion = {1, 0, 0, 0};
  Certainty certainty;      ///< of tier 0, or of the early heads: beyond it these are not asked
  Calibration calibration;  ///< of the fused logits
  Thresholds thresholds;
  std::optional<ThresholdOrigin> origin = {};
};

/// What the out-of-scope gate weighs (classifier.h).
inline constexpr std::size_t kGateInputs = 9;
using GateInputs = std::array<double, kGateInputs>;

/// Training texts of every label as the weights see them, so that an intent can be learnt later without the texts
/// (learn.h): what it must not be taken for.
struct Remembered {
  std::vector<std::uint16_t> labels;  ///< [texts]
  std::vector<std::int8_t> places;    ///< [texts][dimension]: direction of the sum of the n-grams' rows, length 127
  std::vector<float> gates;           ///< [texts][kGateInputs], as weights saw it that had not learnt from the text
  // Of tier 1; empty without it.
  std::vector<float> spread;          ///< [inputs]: deviation of the vectors' components
  std::vector<std::int8_t> vectors;   ///< [texts][inputs]: less the centre, in kVectorStep of the spread
  std::vector<float> sentence_gates;  ///< [texts][kGateInputs]
};
inline constexpr float kVectorStep = 1.0F / 32;

struct ModelData {
  FeatureConfig features;
  std::vector<Label> labels;
  std::uint32_t dimension = 0;

  /// By row, ascending hash: which feature, its weight in the sum, its weight in the length.
  std::vector<std::uint32_t> hashes;
  std::vector<std::uint16_t> row_weights;     ///< 1..kMaxRowWeight
  std::vector<std::uint16_t> length_weights;  ///< 1..kMaxRowWeight, in units of 1 / kLengthUnit
  std::vector<std::int8_t> embeddings;        ///< [rows][dimension], -127..127
  std::uint16_t unknown_word_weight = 0;      ///< length of an n-gram that training never saw twice
  std::uint16_t unknown_char_weight = 0;

  std::vector<std::int16_t> heads;  ///< [labels][dimension], -kMaxHeadWeight..kMaxHeadWeight
  std::vector<float> biases;        ///< [labels]
  float scale = 1.0F;               ///< integer dot product * scale / length = logit

  Calibration calibration;
  Thresholds thresholds;
  std::optional<ThresholdOrigin> origin;  ///< none: written before origins were kept, or no routes
  /// Heads for the encoder's first blocks: where they are sure the others do not look (Teerapittayanon et al.,
  /// "BranchyNet: fast inference via early exiting", 2016). None without `sentence`.
  std::optional<SentenceHeads> early;
  std::optional<SentenceHeads> sentence;
  std::optional<Remembered> remembered;  ///< none: trained before it was kept
  Provenance provenance;
};

inline constexpr double kLengthUnit = 256.0;

/// The file: "SBTRIAGE", u32 version, u64 size of the rest, SHA-256 of the rest; then a JSON header (u32 size), then
/// the arrays, little endian. See docs in README.md. Equal data gives equal bytes.
std::string encode_model(const ModelData& data);

/// Errors: corrupt (not a model, cut, changed, or inconsistent inside), unsupported (another version of the format).
Result<ModelData> decode_model(std::string_view bytes);

}  // namespace sb::triage
