#include "triage/classifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>

#include "base/bytes.h"
#include "base/crypto.h"
#include "triage/confidence.h"
#include "triage/insight.h"
#include "triage/learnt.h"
#include "triage/portable_math.h"
#include "triage/scorer.h"
#include "triage/sentence_judge.h"

namespace sb::triage {
namespace {

constexpr std::size_t kMaxModelBytes = 64U << 20;

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
  GateInputs gate{};
};

void soften_and_observe(const Evidence& evidence, std::span<const Label> labels, const Calibration& calibration,
                        Softened& out) {
  std::ranges::copy(evidence.logits, out.probability.begin());
  const std::span<float> probability(out.probability.data(), evidence.logits.size());
  const double energy = soften(probability, calibration.temperature);
  out.best = static_cast<std::size_t>(std::ranges::max_element(probability) - probability.begin());
  double outside = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) outside += labels[i].out_of_scope ? probability[i] : 0.0F;
  out.gate = {1.0,
              log_odds(probability[out.best]),
              energy,
              evidence.word_coverage,
              evidence.total_coverage,
              log_odds(outside),
              evidence.sentence[0],
              evidence.sentence[1],
              evidence.sentence[2]};
}

double gate(std::span<const double> inputs, std::span<const double> weights) {
  if (weights.empty()) return 0;
  double sum = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) sum += inputs[i] * weights[i];
  return 1 / (1 + std::exp(-sum));
}

// What a text is taken for: its likeliest label, or the out-of-scope label where the gate says so.
struct Said {
  std::size_t label;
  double probability;
};

Said verdict(const Softened& softened, double outside, std::span<const Label> labels, double outside_at) {
  if (outside >= outside_at) {
    const auto found = std::ranges::find_if(labels, &Label::out_of_scope);
    if (found != labels.end()) return {static_cast<std::size_t>(found - labels.begin()), outside};
  }
  return {softened.best, softened.probability[softened.best]};
}

// The verdict first, then the others, likeliest first.
void take_alternatives(const Said& first, std::span<const float> probability, std::span<const Label> labels,
                       Prediction& out) {
  out.alternatives[0] = {labels[first.label].name, first.probability};
  std::size_t taken = 1;
  for (std::size_t i = 0; i < probability.size(); ++i) {
    if (i == first.label) continue;
    std::size_t at = taken;
    while (at > 1 && out.alternatives[at - 1].probability < probability[i]) --at;
    if (at == kAlternatives) continue;
    if (taken < kAlternatives) ++taken;
    for (std::size_t j = taken - 1; j > at; --j) out.alternatives[j] = out.alternatives[j - 1];
    out.alternatives[at] = {labels[i].name, probability[i]};
  }
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

// Nothing scripted answers a text that was not read to its end.
void distrust_the_end(Prediction& out) {
  out.truncated = true;
  out.abstained = true;
  if (out.route == AnswerKind::script) out.route = AnswerKind::generative;
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

// The thresholds, in order of harm: a person missed, then a wrong script; a model's answer is the way out.
void decide(bool has_routes, Prediction& out) {
  const auto& limits = out.limits;
  const double human = out.kind_mass[static_cast<std::size_t>(AnswerKind::human)];
  if (!has_routes) {
    out.abstained = out.confidence < limits.confidence;
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

GateInputs gate_inputs(const Evidence& evidence, std::span<const Label> labels, const Calibration& calibration) {
  Softened softened;
  soften_and_observe(evidence, labels, calibration, softened);
  return softened.gate;
}

Prediction conclude(const Evidence& evidence, std::span<const Label> labels, const Calibration& calibration,
                    const Thresholds& thresholds, GateInputs* observed) {
  Softened softened;
  soften_and_observe(evidence, labels, calibration, softened);
  if (observed) *observed = softened.gate;
  const std::span<const float> probability(softened.probability.data(), labels.size());
  Prediction out;
  out.out_of_scope = gate(softened.gate, calibration.out_of_scope);
  const auto said = verdict(softened, out.out_of_scope, labels, calibration.outside_at);
  const auto& best = labels[said.label];
  out.readable = true;
  out.limits = thresholds;
  out.intent = best.name;
  out.kind = best.kind;
  out.confidence = confidence_of(said.probability, calibration.confidence);
  out.coverage = evidence.total_coverage;
  out.script_score = best.out_of_scope ? 0 : said.probability * (1 - out.out_of_scope);
  bool has_routes = false;
  for (std::size_t i = 0; i < probability.size(); ++i) {
    out.kind_mass[static_cast<std::size_t>(labels[i].kind)] += probability[i];
    has_routes = has_routes || labels[i].kind != AnswerKind::none;
  }
  take_alternatives(said, probability, labels, out);
  decide(has_routes, out);
  return out;
}

bool is_enough(const Prediction& prediction, const Certainty& rule) {
  return prediction.alternatives[0].probability >= rule.probability && prediction.out_of_scope <= rule.out_of_scope;
}

struct IntentModel::State {
  State(ModelData d, std::string v)
      : data(std::move(d)), scorer(data), version(std::move(v)), has_routes(any_route(data)) {}

  // Tier 0 is sure enough that a second look would change nothing worth a millisecond.
  bool sure(const Prediction& p) const {
    return is_enough(p, data.early ? data.early->certainty : data.sentence->certainty);
  }

  // What tier 0 measures of a text.
  struct First {
    std::array<float, kMaxLabels> logits;
    std::array<float, kMaxDimension> place;
    GateInputs gate{};
    Coverage coverage;
  };
  // What tier 1 does.
  struct Second {
    Encoding encoding;
    SentenceEvidence seen;
    GateInputs gate{};
  };

  // The weights' word alone. `places`: whether anybody looks at `first.place`.
  Prediction look_first(const FeatureList& features, bool places, First& first) const {
    const std::span<float> logits(first.logits.data(), data.labels.size());
    first.coverage = scorer.score(features, logits, places ? place_of(first) : std::span<float>());
    return conclude({logits, first.coverage.word, first.coverage.total, {}}, data.labels, data.calibration,
                    data.thresholds, &first.gate);
  }

  // The second look: of the encoder's first blocks where that is enough, of all of them otherwise.
  Prediction look_again(std::string_view text, First& first, Second& second) const {
    if (data.early) {
      auto out = look_early(text, first, second);
      if (is_enough(out, data.sentence->certainty)) return out;
    }
    return look_whole(text, first, second);
  }

  Prediction look_early(std::string_view text, First& first, Second& second) const {
    encoder->begin(text, data.early->blocks, second.encoding);
    auto out = weigh(*data.early, first, second);
    out.early = true;
    return out;
  }

  // Goes on where look_early() has begun with this text.
  Prediction look_whole(std::string_view text, First& first, Second& second) const {
    if (data.early)
      encoder->go_on(second.encoding);
    else
      encoder->encode(text, second.encoding);
    return weigh(*data.sentence, first, second);
  }

  // Fused logits and their own calibration.
  Prediction weigh(const SentenceHeads& heads, First& first, Second& second) const {
    SentenceJudge(heads, data.labels.size()).look(second.encoding.vector, second.seen);
    std::array<float, kMaxLabels> fused;
    const std::span<float> logits(fused.data(), data.labels.size());
    fuse({first.logits.data(), logits.size()}, second.seen, heads.fusion, logits);
    auto out = conclude({logits, first.coverage.word, first.coverage.total, second.seen.gate}, data.labels,
                        heads.calibration, heads.thresholds, &second.gate);
    out.tier = 1;
    out.truncated = second.encoding.truncated;
    return out;
  }

  void set_learnt_beside(First& first, Prediction& out) const {
    if (!learnt) return;
    const auto gate = as_floats(first.gate);
    set_beside(shares_of(learnt->weights, learnt->labels.size(), {place_of(first), gate}), learnt->labels, out);
    decide(has_routes, out);
  }
  void set_learnt_beside(First& first, Second& second, Prediction& out) const {
    if (!learnt) return;
    const auto gate = as_floats(second.gate);
    centre(second);
    const auto shares = shares_of(learnt->sentence_weights, learnt->labels.size(),
                                  {std::span<const float>(second.encoding.vector), place_of(first), gate});
    set_beside(shares, learnt->labels, out);
    decide(has_routes, out);
  }

  // What is learnt stands on vectors less the heads' centre.
  void centre(Second& second) const {
    for (std::size_t i = 0; i < data.sentence->inputs; ++i) second.encoding.vector[i] -= data.sentence->centre[i];
  }

  std::span<float> place_of(First& first) const { return {first.place.data(), data.dimension}; }
  static std::array<float, kGateInputs> as_floats(const GateInputs& gate) {
    std::array<float, kGateInputs> out;
    std::ranges::transform(gate, out.begin(), [](double value) { return static_cast<float>(value); });
    return out;
  }

  ModelData data;
  std::optional<Encoder> encoder;
  std::optional<Learnt> learnt;
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
  if (size < 0 || static_cast<std::size_t>(size) > kMaxModelBytes) {
    return fail(Errc::too_large,
                fmt::format("triage model {}: over {} bytes, no model is that large", path, kMaxModelBytes));
  }
  std::string bytes(static_cast<std::size_t>(size), '\0');
  file.seekg(0);
  if (!file.read(bytes.data(), size)) return fail(Errc::corrupt, fmt::format("triage model {}: cannot be read", path));
  auto model = load(bytes);
  if (!model) return fail(model.error().code, fmt::format("triage model {}: {}", path, model.error().detail));
  return model;
}

Result<IntentModel> IntentModel::with_encoder(const Encoder& encoder) const {
  const auto& heads = state_->data.sentence;
  if (!heads) {
    return fail(Errc::conflict, "the triage model was trained without a sentence encoder; train it with --encoder");
  }
  const auto& early = state_->data.early;
  const bool fits = heads->encoder == encoder.version() && heads->inputs == encoder.dimension() &&
                    (!early || (early->encoder == heads->encoder && early->blocks < encoder.blocks() &&
                                early->inputs == encoder.dimension(early->blocks)));
  if (!fits) {
    return fail(Errc::conflict, fmt::format("the triage model was trained for the sentence encoder {}, this is {}",
                                            heads->encoder, encoder.version()));
  }
  auto state = std::make_shared<State>(state_->data, state_->version);
  state->encoder = encoder;
  return IntentModel(std::move(state));
}

bool IntentModel::has_encoder() const {
  return state_->encoder.has_value();
}

Result<IntentModel> IntentModel::with_learnt(Learnt learnt) const {
  const auto& data = state_->data;
  if (learnt.base != base_version())
    return fail(Errc::conflict, fmt::format("it was learnt beside the triage model {}, this is {}; learn it anew",
                                            learnt.base, base_version()));
  const std::size_t width = data.dimension + kGateInputs + 1;
  const std::size_t wide = state_->encoder ? data.sentence->inputs + width : 0;
  if (state_->encoder && learnt.sentence_weights.empty())
    return fail(Errc::conflict, "it was learnt without the sentence encoder; learn it anew");
  if (learnt.weights.size() != learnt.labels.size() * width ||
      (wide > 0 && learnt.sentence_weights.size() != learnt.labels.size() * wide))
    return fail(Errc::corrupt, "what was learnt does not fit the triage model");
  const auto all = learnt.base + encode_learnt(learnt);
  auto state = std::make_shared<State>(data, to_hex(sha256(all)).substr(0, 16));
  state->encoder = state_->encoder;
  state->learnt = std::move(learnt);
  return IntentModel(std::move(state));
}

IntentModel IntentModel::without_learnt() const {
  if (!state_->learnt) return *this;
  auto state = std::make_shared<State>(state_->data, base_version());
  state->encoder = state_->encoder;
  return IntentModel(std::move(state));
}

const Learnt* IntentModel::learnt() const {
  return state_->learnt ? &*state_->learnt : nullptr;
}

const std::string& IntentModel::base_version() const {
  return state_->learnt ? state_->learnt->base : state_->version;
}

bool IntentModel::has_routes() const {
  return state_->has_routes;
}

Prediction IntentModel::predict(std::string_view text) const {
  const State& state = *state_;
  FeatureList features;
  extract_features(text, state.data.features, features);
  if (!features.readable) return unread(state.has_routes, features.truncated);
  State::First first;
  auto out = state.look_first(features, state.learnt.has_value(), first);
  // Which tier speaks is the weights' own affair: what is learnt beside them makes neither of them speak.
  if (state.encoder && !features.truncated && !state.sure(out)) {
    thread_local State::Second second;
    out = state.look_again(text, first, second);
    // What is learnt beside the weights stands on the whole encoder's vector, whoever of them has spoken.
    if (state.learnt && out.early) state.look_whole(text, first, second);
    state.set_learnt_beside(first, second, out);
  } else {
    state.set_learnt_beside(first, out);
  }
  if (features.truncated || out.truncated) distrust_the_end(out);
  return out;
}

std::optional<Sighting> IntentModel::look(std::string_view text) const {
  const State& state = *state_;
  const auto features = std::make_unique<FeatureList>();
  extract_features(text, state.data.features, *features);
  if (!features->readable || features->truncated) return std::nullopt;
  State::First first;
  auto said = state.look_first(*features, true, first);
  const auto place = state.place_of(first);
  Sighting out;
  out.place.assign(place.begin(), place.end());
  out.gate = first.gate;
  out.said = std::move(said);
  if (!state.encoder) return out;
  State::Second second;
  if (state.data.early) state.look_early(text, first, second);
  out.said = state.look_whole(text, first, second);
  if (out.said.truncated) return std::nullopt;
  state.centre(second);
  out.vector = std::move(second.encoding.vector);
  out.sentence_gate = second.gate;
  return out;
}

Seen seen_of(const Prediction& prediction) {
  return {prediction.tier,
          prediction.early,
          prediction.readable,
          prediction.truncated,
          prediction.confidence,
          prediction.script_score,
          prediction.kind_mass[static_cast<std::size_t>(AnswerKind::human)]};
}

std::optional<Prediction> IntentModel::recall(const Seen& seen, std::string_view intent) const {
  if (!seen.readable) return unread(state_->has_routes, seen.truncated);
  const auto* label = find_label(intent);
  const auto& data = state_->data;
  const bool second = seen.tier == 1;
  if (!label || (second && !(seen.early ? data.early : data.sentence))) return std::nullopt;
  Prediction out;
  out.readable = true;
  out.tier = seen.tier;
  out.early = seen.early;
  out.limits = !second ? data.thresholds : seen.early ? data.early->thresholds : data.sentence->thresholds;
  out.intent = label->name;
  out.kind = label->kind;
  out.confidence = seen.confidence;
  out.script_score = seen.script_score;
  out.kind_mass[static_cast<std::size_t>(AnswerKind::human)] = seen.human;
  decide(state_->has_routes, out);
  if (seen.truncated) distrust_the_end(out);
  return out;
}

Insight IntentModel::look_into(std::string_view text) const {
  const State& state = *state_;
  Insight out{.said = predict(text)};
  if (!out.said.readable) return out;
  const auto features = std::make_unique<FeatureList>();
  extract_features(text, state.data.features, *features);
  State::First first;
  State::Second second;
  state.look_first(*features, false, first);
  const std::span<const float> logits(first.logits.data(), state.data.labels.size());
  if (out.said.tier == 1) {
    state.look_again(text, first, second);
    out.fusion = (out.said.early ? state.data.early : state.data.sentence)->fusion;
    for (const auto& one : second.seen.near)
      out.near.push_back({one.likeness, one.text, state.data.labels[one.label].name});
  }
  for (std::size_t i = 0; i < out.labels.size(); ++i) {
    const auto label = std::ranges::find(state.data.labels, out.said.alternatives[i].intent, &Label::name);
    if (label == state.data.labels.end()) return out;  // none, or a learnt one: no weights of ours speak for it
    const auto at = static_cast<std::size_t>(label - state.data.labels.begin());
    out.labels[i] = at;
    out.logits[i] = {logits[at], 0, 0, 0};
    if (out.said.tier == 1) out.logits[i] = opinions_of(logits, second.seen, at);
  }
  const auto names = feature_names(text, state.data.features);
  const auto effects = state.scorer.effects(*features, out.labels);
  for (std::size_t i = 0; i < features->count; ++i) {
    auto& effect = out.features[names[i]];
    for (std::size_t at = 0; at < out.labels.size(); ++at) effect[at] += effects[(i * out.labels.size()) + at];
  }
  for (std::size_t at = 0; at < out.labels.size(); ++at) out.bias[at] = state.scorer.bias(out.labels[at]);
  return out;
}

const std::string& IntentModel::version() const {
  return state_->version;
}
const ModelData& IntentModel::data() const {
  return state_->data;
}

const Label* IntentModel::find_label(std::string_view name) const {
  const auto& own = state_->data.labels;
  if (const auto found = std::ranges::find(own, name, &Label::name); found != own.end()) return &*found;
  if (!state_->learnt) return nullptr;
  const auto& others = state_->learnt->labels;
  const auto found = std::ranges::find(others, name, &Label::name);
  return found == others.end() ? nullptr : &*found;
}

}  // namespace sb::triage
