#include "triage/trainer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <tuple>
#include <unordered_map>

#include "triage/generator.h"
#include "triage/portable_math.h"

// Fused multiply-add rounds once where we round twice: other bits on other machines.
#pragma clang fp contract(off)

namespace sb::triage {
namespace {

constexpr std::size_t kLanes = 8;
constexpr float kNever = -1e9F;  // bias of a label that is none

// Four floats side by side, which every x86-64 and ARM64 adds at once; sums are taken in the order written here.
typedef float Lanes __attribute__((vector_size(16)));
static_assert(2 * sizeof(Lanes) == kLanes * sizeof(float));

Lanes load(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

float sum(const Lanes& part) {
  return (part[0] + part[1]) + (part[2] + part[3]);
}

// REQUIRES, here and below: `size` is a multiple of kLanes.
float dot(const float* __restrict a, const float* __restrict b, std::size_t size) {
  Lanes low{};
  Lanes high{};
  for (std::size_t i = 0; i < size; i += kLanes) {
    low += load(a + i) * load(b + i);
    high += load(a + i + kLanes / 2) * load(b + i + kLanes / 2);
  }
  return sum(low + high);
}

void add_scaled(float* __restrict to, const float* __restrict from, float by, std::size_t size) {
  for (std::size_t i = 0; i < size; i += kLanes) {
    const Lanes low = load(to + i) + load(from + i) * by;
    const Lanes high = load(to + i + kLanes / 2) + load(from + i + kLanes / 2) * by;
    std::memcpy(to + i, &low, sizeof low);
    std::memcpy(to + i + kLanes / 2, &high, sizeof high);
  }
}

// The n-grams kept, and the texts written in them.
struct Corpus {
  std::vector<std::uint32_t> hashes;  // by row, ascending
  std::vector<float> weights;         // by row
  float unknown_word = 0;
  float unknown_char = 0;
  std::vector<std::uint32_t> rows;    // of all texts, one after the other
  std::vector<std::size_t> begins;    // [texts + 1], into rows
  std::vector<float> unknown_length;  // [texts], squared length of the n-grams not kept
  std::vector<std::uint32_t> labels;  // [texts]
};

struct Count {
  std::uint32_t texts = 0;
  std::uint32_t last_text = 0;
  bool word = false;
};

std::vector<std::pair<std::uint32_t, Count>> kept_features(std::span<const Sample> samples,
                                                           std::span<const std::uint32_t> chosen,
                                                           const LearnOptions& options) {
  std::unordered_map<std::uint32_t, Count> counts;
  std::uint32_t text = 0;
  for (const auto index : chosen) {
    ++text;
    const auto& sample = samples[index];
    for (std::size_t i = 0; i < sample.hashes.size(); ++i) {
      auto& count = counts[sample.hashes[i]];
      if (count.last_text == text) continue;
      count.last_text = text;
      ++count.texts;
      count.word = count.word || i < sample.word_count;
    }
  }
  std::vector<std::pair<std::uint32_t, Count>> kept;
  for (const auto& entry : counts) {
    if (entry.second.texts >= options.min_count) kept.push_back(entry);
  }
  // Words first among equals: they mean more than the n-grams inside them.
  std::ranges::sort(kept, [](const auto& a, const auto& b) {
    return std::tuple(b.second.texts, b.second.word, a.first) < std::tuple(a.second.texts, a.second.word, b.first);
  });
  if (kept.size() > options.max_rows) kept.resize(options.max_rows);
  std::ranges::sort(kept, {}, [](const auto& entry) { return entry.first; });
  return kept;
}

Corpus make_corpus(std::span<const Sample> samples, std::span<const std::uint32_t> chosen,
                   const LearnOptions& options) {
  Corpus corpus;
  const auto weight = [&](std::uint32_t texts, bool word) {
    const double idf = 1.0 + std::log(static_cast<double>(chosen.size()) / std::max(texts, 1U));
    return static_cast<float>(std::pow(idf, options.idf_power) * (word ? options.word_weight : 1.0));
  };
  std::unordered_map<std::uint32_t, std::uint32_t> row_of;
  for (const auto& [hash, count] : kept_features(samples, chosen, options)) {
    row_of[hash] = static_cast<std::uint32_t>(corpus.hashes.size());
    corpus.hashes.push_back(hash);
    corpus.weights.push_back(weight(count.texts, count.word));
  }
  corpus.unknown_word = weight(1, true);
  corpus.unknown_char = weight(1, false);
  corpus.begins.push_back(0);
  for (const auto index : chosen) {
    const auto& sample = samples[index];
    float unknown = 0;
    for (std::size_t i = 0; i < sample.hashes.size(); ++i) {
      const auto found = row_of.find(sample.hashes[i]);
      if (found != row_of.end()) {
        corpus.rows.push_back(found->second);
      } else {
        const float length = i < sample.word_count ? corpus.unknown_word : corpus.unknown_char;
        unknown += length * length;
      }
    }
    corpus.begins.push_back(corpus.rows.size());
    corpus.unknown_length.push_back(unknown);
    corpus.labels.push_back(sample.label);
  }
  return corpus;
}

struct Weights {
  std::vector<float> embeddings;  // [rows][dimension]
  std::vector<float> heads;       // [dimension][padded]: whole vectors of labels, no sums across a vector
  std::vector<float> biases;      // [padded]
  std::size_t padded = 0;         // labels rounded up to whole vectors
};

// One learner: its weights, its generator and the scratch space of a step.
class Member {
 public:
  Member(const Corpus& corpus, std::size_t label_count, const LearnOptions& options, std::uint64_t seed)
      : corpus_(corpus),
        options_(options),
        dimension_(options.dimension),
        labels_(label_count),
        padded_((label_count + kLanes - 1) / kLanes * kLanes),
        generator_(seed) {
    weights_.embeddings.resize(corpus.hashes.size() * dimension_);
    const float spread = 1.0F / std::sqrt(static_cast<float>(dimension_));
    for (auto& value : weights_.embeddings) value = (generator_.uniform() * 2 - 1) * spread;
    weights_.padded = padded_;
    weights_.heads.resize(padded_ * dimension_);
    weights_.biases.resize(padded_, kNever);
    std::fill_n(weights_.biases.begin(), labels_, 0.0F);
    logits_.resize(padded_);
    hidden_.resize(dimension_);
    back_.resize(dimension_);
  }

  void train(const std::function<void(double)>& progress) {
    std::vector<std::uint32_t> order(corpus_.labels.size());
    for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    const std::size_t steps = order.size() * options_.epochs;
    std::size_t step_index = 0;
    for (std::uint32_t epoch = 0; epoch < options_.epochs; ++epoch) {
      for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[generator_.below(i)]);
      for (const auto text : order) {
        const double left = 1.0 - static_cast<double>(step_index++) / static_cast<double>(steps);
        step(text, static_cast<float>(options_.rate * left));
      }
      progress(static_cast<double>(epoch + 1) / options_.epochs);
    }
  }

  const Weights& weights() const { return weights_; }

 private:
  void step(std::uint32_t text, float rate) {
    if (!forward(text)) return;
    softmax_gradient(corpus_.labels[text]);
    backward(rate);
  }

  // hidden = sum of the kept rows / length. False: nothing is known of the text.
  bool forward(std::uint32_t text) {
    used_.clear();
    const auto keep = static_cast<float>(1.0 - options_.feature_dropout);
    float squared = corpus_.unknown_length[text] * keep;
    for (std::size_t i = corpus_.begins[text]; i < corpus_.begins[text + 1]; ++i) {
      if (generator_.uniform() >= keep) continue;
      const auto row = corpus_.rows[i];
      used_.push_back(row);
      // Rows lie all over a few megabytes: ask for them before they are needed.
      __builtin_prefetch(&weights_.embeddings[row * dimension_]);
      __builtin_prefetch(&weights_.embeddings[row * dimension_ + 16]);
      squared += corpus_.weights[row] * corpus_.weights[row];
    }
    if (used_.empty()) return false;
    over_length_ = 1.0F / std::sqrt(squared);
    std::ranges::fill(hidden_, 0.0F);
    for (const auto row : used_) {
      add_scaled(hidden_.data(), &weights_.embeddings[row * dimension_], corpus_.weights[row] * over_length_,
                 dimension_);
    }
    return true;
  }

  // logits_ becomes the loss's gradient by logit: probability minus (smoothed) target.
  void softmax_gradient(std::uint32_t label) {
    std::ranges::copy(weights_.biases, logits_.begin());
    for (std::size_t i = 0; i < dimension_; ++i) {
      add_scaled(logits_.data(), &weights_.heads[i * padded_], hidden_[i], padded_);
    }
    const float largest = *std::max_element(logits_.begin(), logits_.begin() + static_cast<std::ptrdiff_t>(labels_));
    for (auto& value : logits_) value = exp_negative(std::min(value - largest, 0.0F));
    Lanes part{};
    for (std::size_t i = 0; i < padded_; i += kLanes / 2) part += load(&logits_[i]);
    // Padding has a bias that makes its probability 0.
    const float over = 1.0F / sum(part);
    const auto smoothing = static_cast<float>(options_.label_smoothing);
    const float share = smoothing / static_cast<float>(labels_);
    for (std::size_t i = 0; i < labels_; ++i) logits_[i] = logits_[i] * over - share;
    logits_[label] -= 1.0F - smoothing;
  }

  void backward(float rate) {
    for (std::size_t i = 0; i < dimension_; ++i) {
      float* heads = &weights_.heads[i * padded_];
      back_[i] = dot(heads, logits_.data(), padded_);
      add_scaled(heads, logits_.data(), -rate * hidden_[i], padded_);
    }
    // Biases learn slowly: a label's frequency here says little about the traffic.
    for (std::size_t i = 0; i < labels_; ++i) weights_.biases[i] -= rate * 0.1F * logits_[i];
    for (const auto row : used_) {
      add_scaled(&weights_.embeddings[row * dimension_], back_.data(), -rate * corpus_.weights[row] * over_length_,
                 dimension_);
    }
  }

  const Corpus& corpus_;
  const LearnOptions& options_;
  std::size_t dimension_;
  std::size_t labels_;
  std::size_t padded_;
  Generator generator_;
  Weights weights_;
  std::vector<std::uint32_t> used_;
  std::vector<float> hidden_;
  std::vector<float> back_;
  std::vector<float> logits_;
  float over_length_ = 0;
};

// Rounds the members' floats to the model's integers; their dimensions stand side by side.
class Quantiser {
 public:
  Quantiser(const Corpus& corpus, std::span<const Weights> members, std::size_t member_dimension, std::size_t labels)
      : corpus_(corpus), members_(members), member_dimension_(member_dimension), labels_(labels) {}

  void fill(ModelData& out) {
    const std::size_t rows = corpus_.hashes.size();
    out.dimension = static_cast<std::uint32_t>(member_dimension_ * members_.size());
    out.hashes = corpus_.hashes;
    out.embeddings.reserve(rows * out.dimension);
    std::vector<float> weighted(rows);
    float heaviest = 1e-30F;
    for (std::size_t row = 0; row < rows; ++row) {
      heaviest = std::max(heaviest, weighted[row] = corpus_.weights[row] * row_maximum(row));
    }
    const float unit = heaviest / static_cast<float>(kMaxRowWeight);
    for (std::size_t row = 0; row < rows; ++row) {
      const auto weight = static_cast<std::uint16_t>(std::clamp(std::lround(weighted[row] / unit), 1L, 4095L));
      out.row_weights.push_back(weight);
      out.length_weights.push_back(length(corpus_.weights[row]));
      // Rounding the row's weight is made good in its numbers.
      fill_row(row, 127.0F * corpus_.weights[row] / (static_cast<float>(weight) * unit), out);
    }
    out.unknown_word_weight = length(corpus_.unknown_word);
    out.unknown_char_weight = length(corpus_.unknown_char);
    fill_heads(unit / 127.0F, out);
  }

 private:
  static std::uint16_t length(float weight) {
    return static_cast<std::uint16_t>(std::clamp(std::lround(weight * kLengthUnit), 1L, 4095L));
  }

  float row_maximum(std::size_t row) const {
    float largest = 0;
    for (const auto& member : members_) {
      for (std::size_t i = 0; i < member_dimension_; ++i) {
        largest = std::max(largest, std::abs(member.embeddings[row * member_dimension_ + i]));
      }
    }
    return largest;
  }

  void fill_row(std::size_t row, float by, ModelData& out) const {
    for (const auto& member : members_) {
      for (std::size_t i = 0; i < member_dimension_; ++i) {
        const float value = member.embeddings[row * member_dimension_ + i] * by;
        out.embeddings.push_back(static_cast<std::int8_t>(std::clamp(std::lround(value), -127L, 127L)));
      }
    }
  }

  void fill_heads(float embedding_unit, ModelData& out) const {
    float largest = 1e-30F;
    for (const auto& member : members_) {
      for (const float value : member.heads) largest = std::max(largest, std::abs(value));
    }
    const float unit = largest / static_cast<float>(kMaxHeadWeight);
    for (std::size_t label = 0; label < labels_; ++label) {
      float bias = 0;
      for (const auto& member : members_) {
        for (std::size_t i = 0; i < member_dimension_; ++i) {
          const float value = member.heads[i * member.padded + label] / unit;
          out.heads.push_back(static_cast<std::int16_t>(std::clamp(std::lround(value), -2047L, 2047L)));
        }
        bias += member.biases[label];
      }
      out.biases.push_back(bias / static_cast<float>(members_.size()));
    }
    out.scale = unit * embedding_unit / static_cast<float>(members_.size());
  }

  const Corpus& corpus_;
  std::span<const Weights> members_;
  std::size_t member_dimension_;
  std::size_t labels_;
};

}  // namespace

ModelData learn(std::span<const Sample> samples, std::span<const std::uint32_t> chosen, std::size_t label_count,
                const FeatureConfig& features, const LearnOptions& options, std::uint64_t seed,
                const Progress& progress) {
  SB_ASSERT(!chosen.empty() && options.dimension % kLanes == 0);
  const Corpus corpus = make_corpus(samples, chosen, options);
  std::vector<Weights> members;
  for (std::uint32_t i = 0; i < options.members; ++i) {
    Member member(corpus, label_count, options, seed + 0x51ed2701ULL * (i + 1));
    member.train([&](double share) { progress((i + share) / options.members); });
    members.push_back(member.weights());
  }
  ModelData model;
  model.features = features;
  Quantiser(corpus, members, options.dimension, label_count).fill(model);
  return model;
}

}  // namespace sb::triage
