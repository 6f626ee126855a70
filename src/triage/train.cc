#include "triage/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "triage/sentence_train.h"

namespace sb::triage {
namespace {

struct Prepared {
  std::vector<Label> labels;
  std::vector<Sample> samples;
};

Result<AnswerKind> kind_of(const Example& example, const RouteMap* routes, const TrainOptions& options) {
  if (example.intent == options.out_of_scope_label) return AnswerKind::none;
  if (routes) {
    const auto found = routes->kinds.find(example.intent);
    if (found == routes->kinds.end()) {
      return fail(Errc::invalid_argument,
                  fmt::format("intent {} has no route in the routes file; add it there", example.intent));
    }
    return found->second;
  }
  const auto kind = answer_kind(example.route);
  if (!kind) {
    return fail(Errc::invalid_argument, fmt::format("intent {}: route \"{}\" is not script, generative or human",
                                                    example.intent, example.route));
  }
  return *kind;
}

Result<Prepared> prepare(const Dataset& dataset, const RouteMap* routes, const TrainOptions& options) {
  std::map<std::string, AnswerKind, std::less<>> kinds;  // ordered: label numbers do not depend on the order of lines
  for (const auto& example : dataset.examples) {
    SB_TRY(const auto kind, kind_of(example, routes, options));
    const auto [at, fresh] = kinds.emplace(example.intent, kind);
    if (!fresh && at->second != kind) {
      return fail(Errc::invalid_argument, fmt::format("intent {} has two routes in the data: {} and {}", example.intent,
                                                      to_string(at->second), to_string(kind)));
    }
  }
  if (kinds.size() < 2)
    return fail(Errc::invalid_argument, "the data has fewer than two intents: nothing to tell apart");
  if (kinds.size() > kMaxLabels) {
    return fail(Errc::invalid_argument, fmt::format("{} intents; at most {} are possible", kinds.size(), kMaxLabels));
  }
  Prepared out;
  std::map<std::string_view, std::uint32_t> numbers;
  for (const auto& [name, kind] : kinds) {
    numbers[name] = static_cast<std::uint32_t>(out.labels.size());
    out.labels.push_back({name, kind, name == options.out_of_scope_label});
  }
  const auto features = std::make_unique<FeatureList>();
  for (const auto& example : dataset.examples) {
    extract_features(example.text, options.features, *features);
    Sample sample;
    sample.hashes.assign(features->hashes.begin(),
                         features->hashes.begin() + static_cast<std::ptrdiff_t>(features->count));
    sample.word_count = static_cast<std::uint32_t>(features->word_count);
    sample.label = numbers.at(example.intent);
    out.samples.push_back(std::move(sample));
  }
  return out;
}

void take_features(const Sample& sample, FeatureList& out) {
  std::ranges::copy(sample.hashes, out.hashes.begin());
  out.count = sample.hashes.size();
  out.word_count = sample.word_count;
}

// Each label's texts dealt out in turn: every part has its share of every label.
std::vector<std::uint32_t> deal_texts(const Prepared& prepared, std::uint32_t folds) {
  std::vector<std::uint32_t> dealt(prepared.labels.size());
  std::vector<std::uint32_t> part;
  for (const auto& sample : prepared.samples) part.push_back((sample.label + dealt[sample.label]++) % folds);
  return part;
}

constexpr std::uint32_t kWithheldParts = 2;
constexpr std::uint32_t kFewerParts = 2;

class Rehearsal {
 public:
  Rehearsal(const Prepared& prepared, const TrainOptions& options, const Progress& progress)
      : prepared_(prepared), options_(options), progress_(progress) {}

  // Predicts each part by weights learnt from the others.
  void by_texts() {
    const auto part = deal_texts(prepared_, options_.text_folds);
    for (std::uint32_t fold = 0; fold < options_.text_folds; ++fold) {
      run([&](std::uint32_t i) { return part[i] == fold; }, kAny, false, unseen_);
    }
  }

  // The first parts again, by weights learnt from one part less: what more texts are worth.
  void by_fewer_texts() {
    const auto part = deal_texts(prepared_, options_.text_folds);
    for (std::uint32_t fold = 0; fold < kFewerParts && options_.text_folds > 2; ++fold) {
      const std::uint32_t also = (fold + 1) % options_.text_folds;
      run([&](std::uint32_t i) { return part[i] == fold; }, [&](std::uint32_t i) { return part[i] != also; }, false,
          fewer_);
    }
  }

  // The same with whole labels withheld, two parts of them; the out-of-scope label stays, it is no label that could be
  // new. Two parts are enough: what out of scope looks like depends little on which labels are missing.
  void by_labels() {
    if (prepared_.labels.size() < 2 * options_.label_folds) return;
    for (std::uint32_t fold = 0; fold < kWithheldParts; ++fold) {
      const auto left = [&](std::uint32_t i) {
        const auto label = prepared_.samples[i].label;
        return label % options_.label_folds == fold && !prepared_.labels[label].out_of_scope;
      };
      run(left, kAny, true, unseen_);
    }
  }

  // From everything: the model itself.
  ModelData learn_all() {
    std::vector<std::uint32_t> all(prepared_.samples.size());
    for (std::uint32_t i = 0; i < all.size(); ++i) all[i] = i;
    auto data = learn_from(all);
    data.labels = prepared_.labels;
    return data;
  }

  /// From now on tier 1 rehearses, too.
  void with_sentences(std::span<const SentenceTrainer> sentences) {
    sentences_ = sentences;
    unseen_.seen.resize(sentences.size());
    fewer_.seen.resize(sentences.size());
  }

  struct Rehearsed {
    std::vector<Unseen> texts;
    std::vector<std::uint32_t> samples;  ///< which of the samples each is
    /// [trainers][texts]: tier 1's opinions of the same texts, by each of with_sentences().
    std::vector<std::vector<SentenceEvidence>> seen;
  };
  const Rehearsed& unseen() const { return unseen_; }
  /// The first texts of `unseen`, by weights learnt from fewer texts.
  const Rehearsed& fewer() const { return fewer_; }

 private:
  ModelData learn_from(std::span<const std::uint32_t> chosen) {
    const double rounds = 1.0 + options_.text_folds + kWithheldParts + kFewerParts;
    const double before = done_++;
    return learn(prepared_.samples, chosen, prepared_.labels.size(), options_.features, options_.learn, options_.seed,
                 [&](double share) { progress_((before + share) / rounds); });
  }

  static constexpr auto kAny = [](std::uint32_t) { return true; };

  // Predicts the texts that are `left` out by weights learnt from those of the others that `may` be used.
  template <class Left, class May>
  void run(Left left, May may, bool withheld, Rehearsed& out) {
    std::vector<std::uint32_t> chosen;
    std::vector<std::uint32_t> rest;
    std::vector<std::uint32_t> unused;
    for (std::uint32_t i = 0; i < prepared_.samples.size(); ++i) {
      if (left(i)) rest.push_back(i);
      (!left(i) && may(i) ? chosen : unused).push_back(i);
    }
    if (chosen.empty()) return;
    auto data = learn_from(chosen);
    data.labels = prepared_.labels;
    const Scorer scorer(data);
    const auto features = std::make_unique<FeatureList>();
    for (const auto i : rest) {
      const auto& sample = prepared_.samples[i];
      take_features(sample, *features);
      Unseen text;
      text.logits.resize(prepared_.labels.size());
      text.coverage = scorer.score(*features, text.logits);
      text.label = sample.label;
      text.withheld = withheld;
      text.out_of_scope = withheld || prepared_.labels[sample.label].out_of_scope;
      out.texts.push_back(std::move(text));
      out.samples.push_back(i);
    }
    for (std::size_t i = 0; i < sentences_.size(); ++i) look(sentences_[i], rest, unused, out.seen[i]);
  }

  void look(const SentenceTrainer& sentences, std::span<const std::uint32_t> rest,
            std::span<const std::uint32_t> unused, std::vector<SentenceEvidence>& out) {
    const auto heads = sentences.without(unused);
    const SentenceJudge judge(heads, prepared_.labels.size());
    for (const auto i : rest) judge.look(sentences.vector_of(i), out.emplace_back());
  }

  const Prepared& prepared_;
  const TrainOptions& options_;
  const Progress& progress_;
  std::span<const SentenceTrainer> sentences_;
  Rehearsed unseen_;
  Rehearsed fewer_;
  double done_ = 0;
};

double accuracy_of(std::span<const Unseen> unseen) {
  double right = 0;
  double all = 0;
  for (const auto& text : unseen) {
    if (text.withheld) continue;
    ++all;
    right += std::ranges::max_element(text.logits) - text.logits.begin() == static_cast<std::ptrdiff_t>(text.label);
  }
  return all > 0 ? right / all : 0;
}

double errors_of(std::span<const Unseen> unseen) {
  return (1 - accuracy_of(unseen)) * static_cast<double>(unseen.size());
}

// Of what a rehearsal says, for weights that have learnt from all texts. `fewer`: the first of the same texts.
double error_left(std::span<const Unseen> unseen, std::span<const Unseen> fewer, std::uint32_t parts) {
  return mistakes_left(errors_of(fewer), errors_of(unseen.first(fewer.size())), parts);
}

std::vector<Unseen> fuse_all(std::span<const Unseen> unseen, std::span<const SentenceEvidence> seen,
                             const Fusion& weights) {
  std::vector<Unseen> out(unseen.begin(), unseen.end());
  for (std::size_t i = 0; i < out.size(); ++i) {
    fuse(unseen[i].logits, seen[i], weights, out[i].logits);
    out[i].sentence = seen[i].gate;
  }
  return out;
}

// Which of the unseen texts are kept: the first few of each label, no withheld ones. So many in all that learning from
// them stays a matter of a tenth of a second.
std::vector<std::size_t> to_remember(std::span<const Unseen> unseen, std::size_t labels) {
  constexpr std::size_t kInAll = 1500;
  const auto of_each = std::clamp<std::size_t>(kInAll / labels, 2, 10);
  std::vector<std::uint32_t> taken(labels);
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < unseen.size(); ++i) {
    if (!unseen[i].withheld && taken[unseen[i].label]++ < of_each) out.push_back(i);
  }
  return out;
}

void put_gates(const Unseen& text, std::span<const Label> labels, const Calibration& calibration,
               std::vector<float>& out) {
  for (const double value : gate_inputs(text.evidence(), labels, calibration))
    out.push_back(static_cast<float>(six_digits(value)));
}

Remembered remember(const ModelData& data, const Prepared& prepared, std::span<const Unseen> unseen,
                    std::span<const std::uint32_t> samples, std::span<const std::size_t> chosen) {
  Remembered out;
  const Scorer scorer(data);
  const auto features = std::make_unique<FeatureList>();
  std::vector<float> logits(data.labels.size());
  std::vector<float> place(data.dimension);
  for (const auto at : chosen) {
    const auto& sample = prepared.samples[samples[at]];
    take_features(sample, *features);
    scorer.score(*features, logits, place);
    out.labels.push_back(static_cast<std::uint16_t>(sample.label));
    for (const float value : place) out.places.push_back(static_cast<std::int8_t>(std::lround(value * 127)));
    put_gates(unseen[at], data.labels, data.calibration, out.gates);
  }
  return out;
}

// `fused`: the unseen texts as tier 1 has them.
void remember_sentences(const ModelData& data, const SentenceTrainer& sentences, std::span<const Unseen> fused,
                        std::span<const std::uint32_t> samples, std::span<const std::size_t> chosen, Remembered& out) {
  const auto& heads = *data.sentence;
  out.spread = sentences.spread();
  for (const auto at : chosen) {
    const auto vector = sentences.vector_of(samples[at]);
    for (std::size_t i = 0; i < vector.size(); ++i) {
      const float steps = (vector[i] - heads.centre[i]) / (out.spread[i] * kVectorStep);
      out.vectors.push_back(static_cast<std::int8_t>(std::clamp(std::lround(steps), -127L, 127L)));
    }
    put_gates(fused[at], data.labels, heads.calibration, out.sentence_gates);
  }
}

ThresholdReport calibrate(std::span<const Unseen> unseen, double left, const Target& target, const RouteMap* routes,
                          std::span<const Label> labels, Calibration& calibration, Thresholds& thresholds) {
  fit_temperature(unseen, calibration);
  fit_gate(unseen, target.out_of_scope, labels, calibration);
  fit_outside(unseen, target.out_of_scope, labels, calibration);
  fit_confidence(unseen, left, labels, calibration);
  return fit_thresholds(unseen, target, routes, labels, calibration, thresholds);
}

// What a look says of each text.
std::vector<Prediction> conclude_all(std::span<const Unseen> texts, std::span<const Label> labels,
                                     const Calibration& calibration, const Thresholds& thresholds) {
  std::vector<Prediction> out;
  for (const auto& text : texts) out.push_back(conclude(text.evidence(), labels, calibration, thresholds));
  return out;
}

// The same where the second look is asked of what the first does not settle.
std::vector<Prediction> cascade(std::span<const Prediction> first, std::span<const Prediction> second,
                                const Certainty& rule) {
  std::vector<Prediction> out;
  for (std::size_t i = 0; i < first.size(); ++i) out.push_back(is_enough(first[i], rule) ? first[i] : second[i]);
  return out;
}

// Fills tier 1's heads from what was rehearsed with `sentences`, the trainer number `at`; all but their certainty.
// Returns the unseen texts as these heads have them.
std::vector<Unseen> fit_heads(const Rehearsal& rehearsal, const SentenceTrainer& sentences, std::size_t at,
                              const TrainOptions& options, const RouteMap* routes, std::span<const Label> labels,
                              SentenceHeads& heads, HeadsReport& report) {
  const auto& unseen = rehearsal.unseen();
  const auto& fewer = rehearsal.fewer();
  heads = sentences.without({});
  heads.fusion = fit_fusion(unseen.texts, unseen.seen[at]);
  auto fused = fuse_all(unseen.texts, unseen.seen[at], heads.fusion);
  const auto fused_fewer = fuse_all(fewer.texts, fewer.seen[at], heads.fusion);
  report.accuracy = accuracy_of(fused);
  report.thresholds = calibrate(fused, error_left(fused, fused_fewer, options.text_folds), options.target, routes,
                                labels, heads.calibration, heads.thresholds);
  return fused;
}

// When each look is enough, from the last back: what it is held against is what all that follow say together.
// `fused`: the unseen texts as each of tier 1's heads have them.
void fit_certainties(std::span<const Unseen> unseen, std::span<const std::vector<Unseen>> fused, const Target& target,
                     ModelData& data, TrainReport& report) {
  const auto said_by = [&](std::span<const Unseen> texts, const SentenceHeads& heads) {
    return conclude_all(texts, data.labels, heads.calibration, heads.thresholds);
  };
  const auto first = conclude_all(unseen, data.labels, data.calibration, data.thresholds);
  auto later = said_by(fused.back(), *data.sentence);
  if (data.early) {
    const auto early = said_by(fused.front(), *data.early);
    auto& rule = data.sentence->certainty;
    rule = fit_certainty(unseen, early, later, target, data.labels, report.sentence.certainty);
    later = cascade(early, later, rule);
  }
  auto& asked = data.early ? *data.early : *data.sentence;
  auto& asked_report = data.early ? report.early : report.sentence;
  asked.certainty = fit_certainty(unseen, first, later, target, data.labels, asked_report.certainty);
}

Result<> check_options(const TrainOptions& o) {
  const auto& f = o.features;
  if (f.word_max < 1 || f.word_max > 3 || f.char_min < 1 || f.char_max < f.char_min || f.char_max > 8) {
    return fail(Errc::invalid_argument, "word n-grams are of 1 to 3 words, character n-grams of 1 to 8 bytes");
  }
  const auto& l = o.learn;
  if (l.dimension == 0 || l.dimension % 8 != 0 || l.members == 0 || l.dimension * l.members > kMaxDimension) {
    return fail(Errc::invalid_argument,
                fmt::format("dimension must be a multiple of 8, dimension x members at most {}", kMaxDimension));
  }
  if (l.epochs == 0 || l.epochs > 1000 || !(l.rate > 0 && l.rate <= 2) ||
      !(l.feature_dropout >= 0 && l.feature_dropout < 1)) {
    return fail(Errc::invalid_argument, "epochs are 1 to 1000, the rate is in (0, 2], dropout in [0, 1)");
  }
  if (l.max_rows == 0 || l.max_rows > kMaxRows || o.text_folds < 2 || o.text_folds > 20 ||
      o.label_folds < kWithheldParts) {
    return fail(Errc::invalid_argument, fmt::format("rows are 1 to {}, folds 2 to 20", kMaxRows));
  }
  return {};
}

}  // namespace

Result<Trained> train(const Dataset& dataset, const RouteMap* routes, const TrainOptions& options,
                      const Progress& progress) {
  SB_CHECK(check_options(options));
  SB_TRY(const auto prepared, prepare(dataset, routes, options));
  Rehearsal rehearsal(prepared, options, progress);
  std::vector<SentenceTrainer> sentences;
  if (options.encoder) {
    std::vector<std::string_view> texts;
    std::vector<std::uint32_t> labels;
    for (const auto& example : dataset.examples) texts.push_back(example.text);
    for (const auto& sample : prepared.samples) labels.push_back(sample.label);
    sentences = sentence_trainers(*options.encoder, texts, labels, prepared.labels.size());
    rehearsal.with_sentences(sentences);
  }
  const auto origin = [&](const ThresholdReport& report) {
    return ThresholdOrigin{.by = "train",
                           .wrong_scripts = options.target.wrong_scripts,
                           .confidence = 0.95,
                           .out_of_scope = options.target.out_of_scope,
                           .bound = six_digits(report.wrong_scripts_bound),
                           .texts = prepared.samples.size()};
  };
  rehearsal.by_texts();
  rehearsal.by_fewer_texts();
  rehearsal.by_labels();
  Trained out{rehearsal.learn_all(), {}};
  auto& data = out.data;
  if (data.hashes.empty()) {
    return fail(Errc::invalid_argument, "no word or n-gram occurs in two texts: too little data to learn from");
  }
  const auto& unseen = rehearsal.unseen().texts;
  const auto& samples = rehearsal.unseen().samples;
  const auto& fewer = rehearsal.fewer();
  out.report.thresholds = calibrate(unseen, error_left(unseen, fewer.texts, options.text_folds), options.target, routes,
                                    data.labels, data.calibration, data.thresholds);
  const bool has_routes =
      std::ranges::any_of(data.labels, [](const Label& label) { return label.kind != AnswerKind::none; });
  if (has_routes) data.origin = origin(out.report.thresholds);
  const auto kept = to_remember(unseen, data.labels.size());
  data.remembered = remember(data, prepared, unseen, samples, kept);
  if (!sentences.empty()) {
    std::vector<std::vector<Unseen>> fused;
    const auto fit = [&](SentenceHeads& heads, HeadsReport& report) {
      const auto at = fused.size();
      fused.push_back(fit_heads(rehearsal, sentences[at], at, options, routes, data.labels, heads, report));
      if (has_routes) heads.origin = origin(report.thresholds);
      data.thresholds.veto = std::min(data.thresholds.veto, heads.thresholds.veto);
    };
    if (sentences.size() > 1) fit(data.early.emplace(), out.report.early);
    fit(data.sentence.emplace(), out.report.sentence);
    // What any look has shown about signs of a person holds for all: each alone answers what it is sure of.
    data.sentence->thresholds.veto = data.thresholds.veto;
    if (data.early) data.early->thresholds.veto = data.thresholds.veto;
    remember_sentences(data, sentences.back(), fused.back(), samples, kept, *data.remembered);
    fit_certainties(unseen, fused, options.target, data, out.report);
  }
  out.report.samples = prepared.samples.size();
  out.report.labels = prepared.labels.size();
  out.report.rows = data.hashes.size();
  out.report.accuracy = accuracy_of(unseen);
  out.report.temperature = data.calibration.temperature;
  data.provenance = {dataset.files, routes ? routes->sha256 : "", options.command, options.seed};
  return out;
}

}  // namespace sb::triage
