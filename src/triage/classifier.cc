#include "triage/classifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>

#include "base/bytes.h"
#include "base/crypto.h"
#include "triage/portable_math.h"
#include "triage/scorer.h"

namespace sb::triage {
namespace {

constexpr std::size_t kMaxFileBytes = 64U << 20;

double log_odds(double p) {
  const double clamped = std::clamp(p, 1e-4, 1 - 1e-4);
  return std::log(clamped / (1 - clamped));
}

// Softmax in place at the calibrated temperature; returns the log of the normaliser, the text's "energy".
double soften(std::span<float> logits, double temperature) {
  const float largest = *std::ranges::max_element(logits);
  const auto over = static_cast<float>(1.0 / temperature);
  float total = 0;
  for (auto& value : logits) {
    value = exp_negative((value - largest) * over);
    total += value;
  }
  for (auto& value : logits) value /= total;
  return (static_cast<double>(largest) / temperature) + std::log(static_cast<double>(total));
}

struct Softened {
  std::array<float, kMaxLabels> probability;
  std::size_t best = 0;
  Observation observation;
};

void soften_and_observe(std::span<const float> logits, const ModelData& data, double word_coverage,
                        double total_coverage, Softened& out) {
  std::ranges::copy(logits, out.probability.begin());
  const std::span<float> probability(out.probability.data(), logits.size());
  const double energy = soften(probability, data.calibration.temperature);
  out.best = static_cast<std::size_t>(std::ranges::max_element(probability) - probability.begin());
  double outside = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) outside += data.labels[i].out_of_scope ? probability[i] : 0.0F;
  const double margin = log_odds(probability[out.best]);
  out.observation = {static_cast<std::uint32_t>(out.best),
                     {1.0, margin, energy, word_coverage, total_coverage, log_odds(outside)}};
}

double gate(const Observation& observation, std::span<const double> weights) {
  if (weights.size() != kGateInputs) return 0;
  double sum = 0;
  for (std::size_t i = 0; i < kGateInputs; ++i) sum += observation.gate[i] * weights[i];
  return 1 / (1 + std::exp(-sum));
}

void take_alternatives(std::span<const float> probability, const ModelData& data, Prediction& out) {
  std::size_t taken = 0;
  for (std::size_t i = 0; i < probability.size(); ++i) {
    std::size_t at = taken;
    while (at > 0 && out.alternatives[at - 1].probability < probability[i]) --at;
    if (at == kAlternatives) continue;
    if (taken < kAlternatives) ++taken;
    for (std::size_t j = taken - 1; j > at; --j) out.alternatives[j] = out.alternatives[j - 1];
    out.alternatives[at] = {data.labels[i].name, probability[i]};
  }
}

// The thresholds, in order of harm: a person missed, then a wrong script; a model's answer is the way out.
void decide(const ModelData& data, bool has_routes, Prediction& out) {
  const auto& limits = data.thresholds;
  const double human = out.kind_mass[static_cast<std::size_t>(AnswerKind::human)];
  if (!has_routes) {
    out.abstained = out.confidence < limits.confidence || data.labels.empty();
    return;
  }
  if (human >= limits.human) {
    out.route = AnswerKind::human;
  } else if (out.kind == AnswerKind::script && out.script_score >= limits.script && human < limits.veto) {
    out.route = AnswerKind::script;
  } else {
    out.route = AnswerKind::generative;
  }
  out.abstained = out.route != out.kind;
}

// What is said of a text nobody could read: nothing, so a model or a person takes it.
Prediction unread(bool has_routes, bool truncated) {
  Prediction out;
  out.route = has_routes ? AnswerKind::generative : AnswerKind::none;
  out.abstained = true;
  out.out_of_scope = 1;
  out.kind_mass[static_cast<std::size_t>(AnswerKind::none)] = 1;
  out.truncated = truncated;
  return out;
}

bool any_route(const ModelData& data) {
  return std::ranges::any_of(data.labels, [](const Label& label) { return label.kind != AnswerKind::none; });
}

}  // namespace

std::string_view to_string(AnswerKind kind) {
  switch (kind) {
    case AnswerKind::none:
      return "none";
    case AnswerKind::script:
      return "script";
    case AnswerKind::generative:
      return "generative";
    case AnswerKind::human:
      return "human";
  }
  return "none";
}

Observation observe(std::span<const float> logits, const ModelData& data, double word_coverage, double total_coverage) {
  Softened softened;
  soften_and_observe(logits, data, word_coverage, total_coverage, softened);
  return softened.observation;
}

Prediction conclude(std::span<const float> logits, const ModelData& data, double word_coverage, double total_coverage) {
  Softened softened;
  soften_and_observe(logits, data, word_coverage, total_coverage, softened);
  const std::span<const float> probability(softened.probability.data(), logits.size());
  const auto& best = data.labels[softened.best];
  Prediction out;
  out.readable = true;
  out.intent = best.name;
  out.kind = best.kind;
  out.confidence = probability[softened.best];
  out.out_of_scope = gate(softened.observation, data.calibration.out_of_scope);
  out.coverage = total_coverage;
  out.script_score = best.out_of_scope ? 0 : out.confidence * (1 - out.out_of_scope);
  bool has_routes = false;
  for (std::size_t i = 0; i < probability.size(); ++i) {
    out.kind_mass[static_cast<std::size_t>(data.labels[i].kind)] += probability[i];
    has_routes = has_routes || data.labels[i].kind != AnswerKind::none;
  }
  take_alternatives(probability, data, out);
  decide(data, has_routes, out);
  return out;
}

struct IntentModel::State {
  State(ModelData d, std::string v)
      : data(std::move(d)), scorer(data), version(std::move(v)), has_routes(any_route(data)) {}

  ModelData data;
  Scorer scorer;
  std::string version;
  bool has_routes;
};

IntentModel::IntentModel(std::shared_ptr<const State> state) : state_(std::move(state)) {}

IntentModel IntentModel::from_data(ModelData data) {
  const auto digest = sha256(encode_model(data));
  auto version = to_hex(digest).substr(0, 16);
  return IntentModel(std::make_shared<const State>(std::move(data), std::move(version)));
}

Result<IntentModel> IntentModel::load(std::string_view bytes) {
  SB_TRY(auto data, decode_model(bytes));
  const auto digest = sha256(bytes);
  return IntentModel(std::make_shared<const State>(std::move(data), to_hex(digest).substr(0, 16)));
}

Result<IntentModel> IntentModel::load_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) {
    return fail(Errc::not_found,
                fmt::format("triage model {}: cannot be opened; make one with `signalbox triage train`", path));
  }
  const auto size = file.tellg();
  if (size < 0 || static_cast<std::size_t>(size) > kMaxFileBytes) {
    return fail(Errc::too_large,
                fmt::format("triage model {}: over {} bytes, no model is that large", path, kMaxFileBytes));
  }
  std::string bytes(static_cast<std::size_t>(size), '\0');
  file.seekg(0);
  if (!file.read(bytes.data(), size)) return fail(Errc::corrupt, fmt::format("triage model {}: cannot be read", path));
  auto model = load(bytes);
  if (!model) return fail(model.error().code, fmt::format("triage model {}: {}", path, model.error().detail));
  return model;
}

Prediction IntentModel::predict(std::string_view text) const {
  FeatureList features;
  extract_features(text, state_->data.features, features);
  if (!features.readable) return unread(state_->has_routes, features.truncated);
  std::array<float, kMaxLabels> logits;
  const std::span<float> used(logits.data(), state_->data.labels.size());
  const auto coverage = state_->scorer.score(features, used);
  auto out = conclude(used, state_->data, coverage.word, coverage.total);
  if (features.truncated) {
    out.truncated = true;
    out.abstained = true;
    // Nothing scripted answers a text that was not read to its end.
    if (out.route == AnswerKind::script) out.route = AnswerKind::generative;
  }
  return out;
}

const std::string& IntentModel::version() const {
  return state_->version;
}
const ModelData& IntentModel::data() const {
  return state_->data;
}

const Label* IntentModel::find_label(std::string_view name) const {
  const auto found = std::ranges::find(state_->data.labels, name, &Label::name);
  return found == state_->data.labels.end() ? nullptr : &*found;
}

}  // namespace sb::triage
