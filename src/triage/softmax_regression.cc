#include "triage/softmax_regression.h"

#include <algorithm>
#include <cmath>

#include "triage/generator.h"
#include "triage/portable_math.h"
#include "triage/vector_math.h"

namespace sb::triage {
namespace {

// Picked by cross-validation on the training files of Banking77, HWU64 and CLINC150; 20 passes were no better.
constexpr std::uint32_t kPasses = 10;
constexpr float kRate = 2;       // of the first step, for a vector of length 1; falls linearly to 0
constexpr float kDecay = 0.04F;  // of the weights, a pass
// Biases learn slowly: a label's frequency here says little about the traffic.
constexpr float kBiasRate = 0.1F;
// Labels whose probability is off by less are left as they are: most are, and that saves half of the time.
constexpr float kOff = 1e-4F;

class Descent {
 public:
  Descent(const SentenceVectors& vectors, std::span<const std::uint32_t> labels, SentenceHeads& heads)
      : vectors_(vectors), labels_(labels), heads_(heads), logits_(heads.biases.size()) {}

  void run(std::vector<std::uint32_t> texts) {
    Generator generator(1);
    const std::size_t steps = texts.size() * kPasses;
    std::size_t taken = 0;
    for (std::uint32_t pass = 0; pass < kPasses; ++pass) {
      for (std::size_t i = texts.size(); i > 1; --i) std::swap(texts[i - 1], texts[generator.below(i)]);
      for (auto& weight : heads_.weights) weight *= 1 - kDecay;
      for (const auto text : texts) {
        step(text, kRate * (1 - static_cast<float>(taken) / static_cast<float>(steps)));
        ++taken;
      }
    }
  }

 private:
  void step(std::uint32_t text, float rate) {
    const std::size_t width = vectors_.width;
    const float* vector = &vectors_.values[text * width];
    for (std::size_t label = 0; label < logits_.size(); ++label) {
      logits_[label] = dot(&heads_.weights[label * width], vector, width) + heads_.biases[label];
    }
    const float largest = *std::ranges::max_element(logits_);
    float total = 0;
    for (auto& value : logits_) {
      value = exp_negative(value - largest);
      total += value;
    }
    for (std::size_t label = 0; label < logits_.size(); ++label) {
      const float off = logits_[label] / total - (label == labels_[text] ? 1.0F : 0.0F);
      if (std::abs(off) < kOff) continue;
      // Standardised vectors are about sqrt(width) long.
      add_scaled(&heads_.weights[label * width], vector, -rate * off / static_cast<float>(width), width);
      heads_.biases[label] -= rate * kBiasRate * off;
    }
  }

  const SentenceVectors& vectors_;
  std::span<const std::uint32_t> labels_;
  SentenceHeads& heads_;
  std::vector<float> logits_;
};

// From standardised vectors to plain ones less the heads' centre.
void to_plain(const SentenceVectors& vectors, SentenceHeads& heads) {
  const std::size_t width = vectors.width;
  std::vector<float> shift(width);
  for (std::size_t i = 0; i < width; ++i) shift[i] = heads.centre[i] - vectors.centre[i];
  for (std::size_t label = 0; label < heads.biases.size(); ++label) {
    float* weights = &heads.weights[label * width];
    for (std::size_t i = 0; i < width; ++i) weights[i] /= vectors.spread[i];
    heads.biases[label] += dot(weights, shift.data(), width);
  }
}

}  // namespace

void fit_regression(const SentenceVectors& vectors, std::span<const std::uint32_t> labels, std::size_t label_count,
                    std::span<const std::uint32_t> chosen, SentenceHeads& heads) {
  heads.weights.assign(label_count * vectors.width, 0);
  heads.biases.assign(label_count, 0);
  Descent(vectors, labels, heads).run({chosen.begin(), chosen.end()});
  to_plain(vectors, heads);
}

}  // namespace sb::triage
