#include "triage/sentence_judge.h"

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace sb::triage {
namespace {

constexpr std::size_t kNeighbours = 10;
// Likeness (cosine) that halves a neighbour's say, times ln 2; and the share left to labels nobody near has.
constexpr float kReach = 0.1F;
constexpr float kElsewhere = 0.05F;

float dot(const float* __restrict a, const float* __restrict b, std::size_t count) {
  constexpr std::size_t kLanes = 16;
  float part[kLanes] = {};
  for (std::size_t i = 0; i + kLanes <= count; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) part[lane] += a[i + lane] * b[i + lane];
  }
  float sum = 0;
  for (const float value : part) sum += value;
  for (std::size_t i = count / kLanes * kLanes; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

// A text's direction beside those of the training texts, 16 numbers at a time. What is left over at the end is met once
// more with the 16 before the end, where those that were counted already are nothing: no number goes by itself.
class Compared {
 public:
  explicit Compared(std::span<const std::int8_t> place) : size_(place.size()) {
    std::ranges::copy(place, numbers_.begin());
    if (size_ < kStep) return;
    std::ranges::copy(place.last(size_ % kStep), end_.end() - static_cast<std::ptrdiff_t>(size_ % kStep));
  }

  std::int32_t dot(const std::int8_t* text) const {
    if (size_ < kStep) return dot_of_few(text);
    __m256i sum = _mm256_setzero_si256();
    for (std::size_t i = 0; i + kStep <= size_; i += kStep) sum = add(sum, &numbers_[i], text + i);
    if (size_ % kStep > 0) sum = add(sum, end_.data(), text + size_ - kStep);
    const __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    const __m128i quarter = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0b00'00'11'10));
    return _mm_cvtsi128_si32(quarter) + _mm_extract_epi32(quarter, 1);
  }

 private:
  static constexpr std::size_t kStep = 16;

  static __m256i add(__m256i sum, const std::int16_t* numbers, const std::int8_t* text) {
    const auto wide = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(text)));
    return _mm256_add_epi32(sum,
                            _mm256_madd_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(numbers)), wide));
  }
  std::int32_t dot_of_few(const std::int8_t* text) const {
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < size_; ++i) sum += numbers_[i] * text[i];
    return sum;
  }

  std::size_t size_;
  std::array<std::int16_t, kMaxSentenceDimension> numbers_;
  std::array<std::int16_t, kStep> end_{};
};

struct Near {
  std::int32_t likeness;
  std::uint32_t text;
};

// The nearest training texts, best first.
std::size_t nearest_texts(const SentenceHeads& heads, std::span<const std::int8_t> place,
                          std::array<Near, kNeighbours>& out) {
  const Compared compared(place);
  std::size_t count = 0;
  for (std::size_t text = 0; text < heads.text_labels.size(); ++text) {
    const auto likeness = compared.dot(&heads.texts[text * heads.dimension]);
    if (count == kNeighbours && likeness <= out[kNeighbours - 1].likeness) continue;
    std::size_t at = count < kNeighbours ? count++ : kNeighbours - 1;
    for (; at > 0 && out[at - 1].likeness < likeness; --at) out[at] = out[at - 1];
    out[at] = {likeness, static_cast<std::uint32_t>(text)};
  }
  return count;
}

std::vector<float> centred(const SentenceHeads& heads, std::span<const float> vector) {
  std::vector<float> out(heads.inputs);
  for (std::size_t i = 0; i < heads.inputs; ++i) out[i] = vector[i] - heads.centre[i];
  return out;
}

void project_centred(const SentenceHeads& heads, std::span<const float> from, std::span<float> out) {
  for (std::size_t i = 0; i < heads.dimension; ++i) {
    out[i] = dot(from.data(), &heads.projection[i * heads.inputs], heads.inputs);
  }
}

void regress(const SentenceHeads& heads, std::span<const float> from, std::span<float> out) {
  std::ranges::fill(out, 0.0F);
  if (heads.weights.empty()) return;
  for (std::size_t label = 0; label < out.size(); ++label) {
    out[label] = dot(from.data(), &heads.weights[label * heads.inputs], heads.inputs) + heads.biases[label];
  }
}

}  // namespace

void project(const SentenceHeads& heads, std::span<const float> vector, std::span<float> out) {
  project_centred(heads, centred(heads, vector), out);
}

void direction(std::span<const float> place, std::span<std::int8_t> out) {
  const float length = std::sqrt(dot(place.data(), place.data(), place.size()));
  const float up = length > 0 ? 127.0F / length : 0.0F;
  for (std::size_t i = 0; i < place.size(); ++i) out[i] = static_cast<std::int8_t>(std::lround(place[i] * up));
}

void SentenceJudge::look(std::span<const float> vector, SentenceEvidence& out) const {
  const auto& heads = *heads_;
  std::array<float, kMaxSentenceDimension> place;
  const auto from = centred(heads, vector);
  project_centred(heads, from, place);
  out.regression.resize(label_count_);
  regress(heads, from, out.regression);
  out.distance.resize(label_count_);
  float nearest = std::numeric_limits<float>::max();
  for (std::size_t label = 0; label < label_count_; ++label) {
    const float* mean = &heads.means[label * heads.dimension];
    float squared = 0;
    for (std::size_t i = 0; i < heads.dimension; ++i) squared += (place[i] - mean[i]) * (place[i] - mean[i]);
    out.distance[label] = -squared / 2;
    nearest = std::min(nearest, squared);
  }
  std::array<std::int8_t, kMaxSentenceDimension> turned;
  direction(std::span(place).first(heads.dimension), turned);
  std::array<Near, kNeighbours> near;
  const auto count = nearest_texts(heads, std::span(turned).first(heads.dimension), near);
  out.neighbours.assign(label_count_, 0);
  float total = 1e-9F;
  out.near.clear();
  for (std::size_t i = 0; i < count; ++i) {
    const double likeness = near[i].likeness / (127.0 * 127.0);
    out.near.push_back({likeness, near[i].text, heads.text_labels[near[i].text]});
    const float say = std::exp((static_cast<float>(near[i].likeness) / (127.0F * 127.0F) - 1) / kReach);
    out.neighbours[heads.text_labels[near[i].text]] += say;
    total += say;
  }
  const float most = *std::ranges::max_element(out.neighbours) / total;
  const float elsewhere = kElsewhere / static_cast<float>(label_count_);
  for (auto& share : out.neighbours) share = std::log(share / total * (1 - kElsewhere) + elsewhere);
  const double nearest_likeness = out.near.empty() ? 0 : out.near.front().likeness;
  out.gate = {std::log1p(static_cast<double>(nearest)), nearest_likeness, static_cast<double>(most)};
}

std::array<double, kOpinionCount> opinions_of(std::span<const float> logits, const SentenceEvidence& seen,
                                              std::size_t label) {
  return {logits[label], seen.distance[label], seen.neighbours[label], seen.regression[label]};
}

void fuse(std::span<const float> logits, const SentenceEvidence& seen, const Fusion& weights, std::span<float> out) {
  for (std::size_t i = 0; i < logits.size(); ++i) {
    out[i] = static_cast<float>(weights[0]) * logits[i] + static_cast<float>(weights[1]) * seen.distance[i] +
             static_cast<float>(weights[2]) * seen.neighbours[i] + static_cast<float>(weights[3]) * seen.regression[i];
  }
}

}  // namespace sb::triage
