#include "triage/learn.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "triage/generator.h"
#include "triage/vector_math.h"

namespace sb::triage {
namespace {

// Told apart on Banking77 (bench/triage/learn_bench.cc): 60 passes are no better, 10 leave the new labels too unsure.
// The rate is that of the first step, for rows whose parts have about the length 1; it falls linearly to 0.
constexpr float kLearnRate = 2;
constexpr std::uint32_t kLearnPasses = 20;
constexpr float kLearnDecay = 0.01F;  // of the weights, a pass
constexpr float kGateDeviation = 0.3F;
// Shares that are off by less are left as they are: most are, and that saves half of the time.
constexpr float kSettled = 1e-3F;
constexpr std::uint32_t kFolds = 2;
constexpr int kNobodys = -1;  // no learnt label: the model's own

// Labelled texts and remembered ones as one tier sees them. A row: vector (tier 1), place, gate inputs, 1.
struct Examples {
  std::size_t width = 0;
  std::vector<float> values;  // [rows][width]
  std::vector<int> labels;    // [rows]: learnt label, or kNobodys
  std::vector<int> own;       // [rows]: the learnt label that a remembered text has in the model already; or kNobodys

  std::span<const float> row(std::size_t i) const { return {&values[i * width], width}; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(labels.size()); }
};

// Softmax regression by stochastic gradient descent; the model's own labels together are one more, of logit 0.
class Regression {
 public:
  Regression(const Examples& examples, std::size_t labels)
      : examples_(examples), labels_(labels), weights_(labels * examples.width) {}

  // [labels][width]
  std::vector<float> fit(std::vector<std::uint32_t> rows) && {
    Generator generator(1);
    const std::size_t steps = rows.size() * kLearnPasses;
    std::size_t taken = 0;
    for (std::uint32_t pass = 0; pass < kLearnPasses; ++pass) {
      for (std::size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[generator.below(i)]);
      decay();
      for (const auto row : rows) step(row, kLearnRate * (1 - static_cast<float>(taken++) / static_cast<float>(steps)));
    }
    return std::move(weights_);
  }

 private:
  void decay() {
    for (std::size_t label = 0; label < labels_; ++label) {
      for (std::size_t i = 0; i + 1 < examples_.width; ++i) weights_[label * examples_.width + i] *= 1 - kLearnDecay;
    }
  }
  void step(std::uint32_t row, float rate) {
    const auto x = examples_.row(row);
    const auto shares = shares_of(weights_, labels_, {x.first(x.size() - 1)});
    for (std::size_t label = 0; label < labels_; ++label) {
      // A text that the model has under this very label says nothing against it.
      if (static_cast<int>(label) == examples_.own[row]) continue;
      const float off = shares.of[label] - (static_cast<int>(label) == examples_.labels[row] ? 1.0F : 0.0F);
      if (std::abs(off) < kSettled) continue;
      add_scaled(&weights_[label * x.size()], x.data(), -rate * off, x.size());
    }
  }

  const Examples& examples_;
  std::size_t labels_;
  std::vector<float> weights_;
};

// One tier's weights, from what it sees of the labelled and of the remembered texts.
class TierLearner {
 public:
  TierLearner(const ModelData& data, bool sentences, std::span<const Label> labels, std::span<const Sighting> seen,
              std::span<const int> seen_labels)
      : data_(data), kept_(*data.remembered), sentences_(sentences), label_count_(labels.size()) {
    set_units();
    for (std::size_t i = 0; i < seen.size(); ++i) add(row_of(seen[i]), seen_labels[i], kNobodys);
    for (std::size_t i = 0; i < kept_.labels.size(); ++i) {
      const auto own = std::ranges::find(labels, data.labels[kept_.labels[i]].name, &Label::name);
      add(row_of_remembered(i), kNobodys, own == labels.end() ? kNobodys : static_cast<int>(own - labels.begin()));
    }
  }

  // From the rows that `may` be used; for what a tier sees, not for scaled rows.
  template <class May>
  std::vector<float> fit(May may) const {
    std::vector<std::uint32_t> rows;
    for (std::uint32_t i = 0; i < examples_.size(); ++i) {
      if (may(i)) rows.push_back(i);
    }
    auto weights = Regression(examples_, label_count_).fit(std::move(rows));
    for (std::size_t label = 0; label < label_count_; ++label) {
      float* at = &weights[label * examples_.width];
      float& bias = at[examples_.width - 1];
      for (std::size_t i = 0; i + 1 < examples_.width; ++i) {
        at[i] *= scale_[i];
        bias -= at[i] * centre_[i];
      }
    }
    return weights;
  }

  LearntShares shares(std::span<const float> weights, const Sighting& seen) const {
    return shares_of(weights, label_count_, {row_of(seen)});
  }
  // Whether a remembered text goes to a learnt label that it has not in the model.
  bool takes(std::span<const float> weights, std::size_t text) const {
    const auto shares = shares_of(weights, label_count_, {row_of_remembered(text)});
    const auto odds_of_best = remembered_gate(text)[1];
    const float best = shares.left / (1 + std::exp(-odds_of_best));
    const int own = examples_.own[examples_.own.size() - kept_.labels.size() + text];
    for (std::size_t label = 0; label < label_count_; ++label) {
      if (shares.of[label] > best && static_cast<int>(label) != own) return true;
    }
    return false;
  }

 private:
  std::span<const float> remembered_gate(std::size_t text) const {
    return std::span(sentences_ ? kept_.sentence_gates : kept_.gates).subspan(text * kGateInputs, kGateInputs);
  }
  std::vector<float> row_of_remembered(std::size_t text) const {
    std::vector<float> out;
    for (std::size_t i = 0; sentences_ && i < kept_.spread.size(); ++i)
      out.push_back(static_cast<float>(kept_.vectors[text * kept_.spread.size() + i]) * kVectorStep * kept_.spread[i]);
    for (std::size_t i = 0; i < data_.dimension; ++i)
      out.push_back(static_cast<float>(kept_.places[text * data_.dimension + i]) / 127.0F);
    const auto gate = remembered_gate(text);
    out.insert(out.end(), gate.begin(), gate.end());
    return out;
  }
  std::vector<float> row_of(const Sighting& seen) const {
    std::vector<float> out;
    if (sentences_) out = seen.vector;
    out.insert(out.end(), seen.place.begin(), seen.place.end());
    const auto& gate = sentences_ ? seen.sentence_gate : seen.gate;
    out.insert(out.end(), gate.begin(), gate.end());
    return out;
  }

  // Vectors and places get the length 1, each of the gate's inputs a deviation of kGateDeviation.
  void set_units() {
    if (sentences_) {
      for (const float spread : kept_.spread)
        scale_.push_back(1 / (spread * std::sqrt(static_cast<float>(kept_.spread.size()))));
    }
    scale_.resize(scale_.size() + data_.dimension, 1);
    centre_.resize(scale_.size());
    const auto count = static_cast<double>(kept_.labels.size());
    for (std::size_t input = 0; input < kGateInputs; ++input) {
      double sum = 0;
      double squares = 0;
      for (std::size_t text = 0; text < kept_.labels.size(); ++text) {
        const double value = remembered_gate(text)[input];
        sum += value;
        squares += value * value;
      }
      const double mean = sum / count;
      const double variance = squares / count - mean * mean;
      centre_.push_back(static_cast<float>(mean));
      scale_.push_back(variance > 1e-9 ? kGateDeviation / static_cast<float>(std::sqrt(variance)) : 0.0F);
    }
    examples_.width = scale_.size() + 1;
  }

  void add(const std::vector<float>& row, int label, int own) {
    for (std::size_t i = 0; i < row.size(); ++i) examples_.values.push_back((row[i] - centre_[i]) * scale_[i]);
    examples_.values.push_back(1);
    examples_.labels.push_back(label);
    examples_.own.push_back(own);
  }

  const ModelData& data_;
  const Remembered& kept_;
  bool sentences_;
  std::size_t label_count_;
  std::vector<float> centre_;  // of what is seen
  std::vector<float> scale_;
  Examples examples_;
};

// The texts that can be learnt from, and the labels with enough of them.
struct Lesson {
  std::vector<Label> labels;
  std::vector<std::uint32_t> texts;  // [labels]
  std::vector<Sighting> seen;
  std::vector<int> seen_labels;
  std::vector<std::string> too_few;
};

// The newest texts of each intent in turn, `most` in all, oldest first as they came.
std::vector<const LabelledText*> newest(std::span<const LabelledText> texts, std::size_t most) {
  std::map<std::string_view, std::size_t> newer;  // texts of the intent
  std::vector<std::pair<std::size_t, std::size_t>> by_turn;
  for (std::size_t i = texts.size(); i-- > 0;) by_turn.emplace_back(newer[texts[i].intent]++, i);
  if (by_turn.size() > most) {
    std::ranges::stable_sort(by_turn, {}, &std::pair<std::size_t, std::size_t>::first);
    by_turn.resize(most);
  }
  std::ranges::sort(by_turn, {}, &std::pair<std::size_t, std::size_t>::second);
  std::vector<const LabelledText*> out;
  for (const auto& [turn, i] : by_turn) out.push_back(&texts[i]);
  return out;
}

Result<Lesson> lesson_of(const IntentModel& model, std::span<const LabelledText* const> texts,
                         const LearnLimits& limits) {
  struct Intent {
    AnswerKind kind = AnswerKind::generative;
    bool is_known = false;
    std::vector<Sighting> seen = {};
    std::size_t mistaken = 0;  // taken for another
  };
  std::map<std::string_view, Intent> intents;
  for (const LabelledText* text : texts) {
    const auto* known = model.find_label(text->intent);
    const auto [at, fresh] =
        intents.try_emplace(text->intent, Intent{known ? known->kind : text->kind, known != nullptr});
    auto& intent = at->second;
    if (!known && intent.kind != text->kind)
      return fail(Errc::invalid_argument, fmt::format("intent {} has two routes in the labels: {} and {}", text->intent,
                                                      to_string(intent.kind), to_string(text->kind)));
    auto seen = model.look(text->text);
    if (!seen) continue;
    intent.mistaken += seen->said.intent != text->intent;
    intent.seen.push_back(*std::move(seen));
  }
  Lesson out;
  for (auto& [name, intent] : intents) {
    const bool learns = (intent.is_known ? intent.mistaken : intent.seen.size()) >= limits.least;
    if (!learns && !intent.is_known) out.too_few.emplace_back(name);
    if (!learns && !intent.is_known) continue;
    const int label = learns ? static_cast<int>(out.labels.size()) : kNobodys;
    out.seen_labels.resize(out.seen_labels.size() + intent.seen.size(), label);
    if (learns) {
      const bool waits = !intent.is_known && intent.kind == AnswerKind::script;
      out.labels.push_back({std::string(name), waits ? AnswerKind::generative : intent.kind});
      out.texts.push_back(static_cast<std::uint32_t>(intent.seen.size()));
    }
    std::ranges::move(intent.seen, std::back_inserter(out.seen));
  }
  if (out.labels.size() > kMaxLearnt)
    return fail(Errc::too_large, fmt::format("labels of {} intents; {} can be learnt beside a model: train it anew",
                                             out.labels.size(), kMaxLearnt));
  if (out.labels.empty())
    return fail(
        Errc::invalid_argument,
        fmt::format("there is nothing to learn: no new intent has {} labelled texts that can be read, and of no "
                    "other so many are taken for something else",
                    limits.least));
  return out;
}

// Each fifth of the texts, labelled and remembered, as weights have it that were learnt from the others.
LearnReport rehearse(const IntentModel& model, const Lesson& lesson, const TierLearner& learner) {
  LearnReport out;
  for (std::size_t i = 0; i < lesson.labels.size(); ++i) {
    const auto& [name, kind, outside] = lesson.labels[i];
    out.intents.push_back({name, kind, model.find_label(name) == nullptr, lesson.texts[i], 0});
  }
  out.too_few = lesson.too_few;
  out.remembered = model.data().remembered->labels.size();
  const auto labelled = static_cast<std::uint32_t>(lesson.seen.size());
  for (std::uint32_t fold = 0; fold < kFolds; ++fold) {
    const auto weights = learner.fit([&](std::uint32_t row) { return row % kFolds != fold; });
    for (std::uint32_t i = fold; i < labelled; i += kFolds) {
      if (lesson.seen_labels[i] == kNobodys) continue;
      auto said = lesson.seen[i].said;
      set_beside(learner.shares(weights, lesson.seen[i]), lesson.labels, said);
      auto& intent = out.intents[static_cast<std::size_t>(lesson.seen_labels[i])];
      intent.recognised += said.intent == intent.intent;
    }
    for (std::uint32_t row = labelled; row < labelled + out.remembered; ++row)
      out.taken += row % kFolds == fold && learner.takes(weights, row - labelled);
  }
  return out;
}

}  // namespace

Result<Learning> learn_beside(const IntentModel& model, std::span<const LabelledText> texts,
                              const LearnLimits& limits) {
  SB_ASSERT(!model.learnt());
  const auto& data = model.data();
  if (!data.remembered || data.remembered->labels.empty())
    return fail(Errc::unsupported,
                "the triage model remembers no training texts, so nothing can be learnt beside it; train it anew with "
                "`signalbox triage train`");
  const auto taken = newest(texts, limits.most);
  SB_TRY(const auto lesson, lesson_of(model, taken, limits));
  const auto everything = [](std::uint32_t) { return true; };
  const TierLearner first(data, false, lesson.labels, lesson.seen, lesson.seen_labels);
  Learning out;
  out.learnt.base = model.version();
  out.learnt.labels = lesson.labels;
  out.learnt.texts = lesson.texts;
  out.learnt.weights = first.fit(everything);
  if (model.has_encoder()) {
    const TierLearner second(data, true, lesson.labels, lesson.seen, lesson.seen_labels);
    out.learnt.sentence_weights = second.fit(everything);
    out.report = rehearse(model, lesson, second);
  } else {
    out.report = rehearse(model, lesson, first);
  }
  out.report.left_out = texts.size() - taken.size();
  return out;
}

}  // namespace sb::triage
