#include "policy/tagger/train/learn.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/errors.h"
#include "policy/tagger/portable_exp.h"
#include "policy/tagger/sight.h"
#include "policy/tagger/train/random.h"

namespace sb::policy::tagger {
namespace {

constexpr std::size_t kMaxSequence = 256;
constexpr float kTooSmall = 0.002F;  // gradients below it are not worth the memory traffic

using Matrix = std::array<Scores, kLabels>;
using Rows = std::array<std::uint32_t, kFeatures>;

// Sums over all labellings of a chain that respect `allowed`: probabilities of labels and of pairs.
class Lattice {
 public:
  void run(std::span<const Scores> emissions, std::span<const std::uint8_t> allowed, const Matrix& next) {
    const std::size_t n = emissions.size();
    left_.resize(n);
    right_.resize(n);
    probability_.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
      Scores step{};
      if (i == 0) {
        step.fill(1);
      } else {
        for (std::size_t a = 0; a < kLabels; ++a) {
          for (std::size_t b = 0; b < kLabels; ++b) step[b] += left_[i - 1][a] * next[a][b];
        }
      }
      float total = 0;
      for (std::size_t b = 0; b < kLabels; ++b) {
        step[b] *= (allowed[i] >> b & 1) ? emissions[i][b] : 0;
        total += step[b];
      }
      total = std::max(total, 1e-30F);
      for (std::size_t b = 0; b < kLabels; ++b) left_[i][b] = step[b] / total;
    }
    right_[n - 1].fill(1);
    for (std::size_t i = n - 1; i-- > 0;) {
      Scores step{};
      for (std::size_t a = 0; a < kLabels; ++a) {
        for (std::size_t b = 0; b < kLabels; ++b) {
          if (allowed[i + 1] >> b & 1) step[a] += next[a][b] * emissions[i + 1][b] * right_[i + 1][b];
        }
      }
      const float most = std::max(*std::ranges::max_element(step), 1e-30F);
      for (std::size_t a = 0; a < kLabels; ++a) right_[i][a] = step[a] / most;
    }
    for (std::size_t i = 0; i < n; ++i) {
      float total = 1e-30F;
      for (std::size_t l = 0; l < kLabels; ++l) total += probability_[i][l] = left_[i][l] * right_[i][l];
      for (auto& p : probability_[i]) p /= total;
    }
  }

  const Scores& probability(std::size_t i) const { return probability_[i]; }

  // Adds sign * P(label a at i - 1, b at i) to `sum`.
  void add_pairs(std::size_t i, std::span<const Scores> emissions, std::span<const std::uint8_t> allowed,
                 const Matrix& next, float sign, Matrix& sum) const {
    Matrix pair;
    float total = 1e-30F;
    for (std::size_t a = 0; a < kLabels; ++a) {
      for (std::size_t b = 0; b < kLabels; ++b) {
        const float e = (allowed[i] >> b & 1) ? emissions[i][b] : 0;
        total += pair[a][b] = left_[i - 1][a] * next[a][b] * e * right_[i][b];
      }
    }
    for (std::size_t a = 0; a < kLabels; ++a) {
      for (std::size_t b = 0; b < kLabels; ++b) sum[a][b] += sign * pair[a][b] / total;
    }
  }

 private:
  std::vector<Scores> left_, right_, probability_;
};

class Learner {
 public:
  Learner(std::span<const Example> examples, const LearnOptions& options)
      : examples_(examples),
        options_(options),
        random_(options.seed),
        weights_(std::size_t{1} << options.row_bits),
        squares_(weights_.size()) {
    for (auto& row : next_) row.fill(0);
    for (auto& row : next_squares_) row.fill(1);
  }

  void epoch(float rate) {
    std::vector<std::size_t> order(examples_.size());
    std::iota(order.begin(), order.end(), 0);
    random_.shuffle(order);
    for (const auto index : order) {
      const Example& example = examples_[index];
      const bool no_lists = random_.chance(options_.list_dropout);
      for (std::size_t at = 0; at < example.tokens.size(); at += kMaxSequence)
        step(example, at, std::min(kMaxSequence, example.tokens.size() - at), no_lists, rate);
    }
  }

  ModelData take() const {
    ModelData out;
    out.row_bits = options_.row_bits;
    float most = 0;
    std::vector<float> sizes;
    for (const auto& row : weights_) {
      for (const float w : row) {
        if (w != 0) sizes.push_back(std::abs(w));
      }
    }
    if (!sizes.empty()) {
      const auto nth = sizes.begin() + static_cast<std::ptrdiff_t>(sizes.size() * 9995 / 10000);
      std::ranges::nth_element(sizes, nth);
      most = *nth;
    }
    out.scale = std::max(most, 1e-3F) / 127;
    out.weights.reserve(weights_.size() * kLabels);
    for (const auto& row : weights_) {
      for (const float w : row)
        out.weights.push_back(static_cast<std::int8_t>(std::lround(std::clamp(w / out.scale, -127.0F, 127.0F))));
    }
    out.next = next_;
    out.slope.fill(1);
    return out;
  }

 private:
  void read(const Example& example, std::size_t from, std::size_t count, bool no_lists) {
    rows_.resize(count);
    kept_.resize(count);
    emissions_.resize(count);
    tokens_.assign(example.tokens.begin(), example.tokens.end());
    if (no_lists) {
      for (auto& token : tokens_) token.gazetteer = 0;
    }
    for (std::size_t i = 0; i < count; ++i) {
      Looked looked;
      extract_features(neighbours(tokens_, from + i, Sight::around(tokens_[from + i]), looked), rows_[i]);
      kept_[i] = 0;
      for (std::size_t f = 0; f < kFeatures; ++f)
        kept_[i] |= std::uint64_t{!random_.chance(options_.feature_dropout)} << f;
      Scores sum{};
      for (std::size_t f = 0; f < kFeatures; ++f) {
        if ((kept_[i] >> f & 1) == 0) continue;
        const auto& row = weights_[rows_[i][f] >> (32 - options_.row_bits)];
        for (std::size_t l = 0; l < kLabels; ++l) sum[l] += row[l];
      }
      const float most = *std::ranges::max_element(sum);
      for (std::size_t l = 0; l < kLabels; ++l) emissions_[i][l] = portable_exp(sum[l] - most);
    }
  }

  void step(const Example& example, std::size_t from, std::size_t count, bool no_lists, float rate) {
    read(example, from, count, no_lists);
    Matrix next;
    for (std::size_t a = 0; a < kLabels; ++a) {
      for (std::size_t b = 0; b < kLabels; ++b) next[a][b] = portable_exp(next_[a][b]);
    }
    const std::span allowed(example.allowed.data() + from, count);
    const std::vector<std::uint8_t> any(count, 0xff);
    free_.run(emissions_, any, next);
    told_.run(emissions_, allowed, next);
    Matrix pairs{};
    for (std::size_t i = 1; i < count; ++i) {
      free_.add_pairs(i, emissions_, any, next, 1, pairs);
      told_.add_pairs(i, emissions_, allowed, next, -1, pairs);
    }
    for (std::size_t a = 0; a < kLabels; ++a) {
      for (std::size_t b = 0; b < kLabels; ++b) {
        const float g = pairs[a][b] * example.weight;
        next_squares_[a][b] += g * g;
        next_[a][b] -= 0.5F * rate * g / std::sqrt(next_squares_[a][b]);
      }
    }
    for (std::size_t i = 0; i < count; ++i) {
      Scores gradient;
      float largest = 0;
      for (std::size_t l = 0; l < kLabels; ++l) {
        gradient[l] = (free_.probability(i)[l] - told_.probability(i)[l]) * example.weight;
        largest = std::max(largest, std::abs(gradient[l]));
      }
      if (largest >= kTooSmall) update(i, gradient, rate);
    }
  }

  void update(std::size_t i, const Scores& gradient, float rate) {
    for (std::size_t f = 0; f < kFeatures; ++f) {
      if ((kept_[i] >> f & 1) == 0) continue;
      const std::uint32_t at = rows_[i][f] >> (32 - options_.row_bits);
      auto& row = weights_[at];
      auto& squares = squares_[at];
      for (std::size_t l = 0; l < kLabels; ++l) {
        squares[l] += gradient[l] * gradient[l];
        row[l] -= rate * (gradient[l] + options_.decay * row[l]) / std::sqrt(squares[l] + 1.0F);
      }
    }
  }

  std::span<const Example> examples_;
  LearnOptions options_;
  Random random_;
  std::vector<Scores> weights_, squares_;
  Matrix next_, next_squares_;
  std::vector<Token> tokens_;
  std::vector<Rows> rows_;
  std::vector<std::uint64_t> kept_;
  std::vector<Scores> emissions_;
  Lattice free_, told_;
};

}  // namespace

ModelData learn(std::span<const Example> examples, const LearnOptions& options) {
  Learner learner(examples, options);
  for (int epoch = 0; epoch < options.epochs; ++epoch)
    learner.epoch(options.rate * (1 - 0.8F * static_cast<float>(epoch) / static_cast<float>(options.epochs)));
  return learner.take();
}

}  // namespace sb::policy::tagger
