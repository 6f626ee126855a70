#include "triage/outcomes.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>

#include "triage/features.h"

namespace sb::triage {
namespace {

// Ridge of the checks (picked by cross-validation on the training files of bench/triage), and how much tighter the
// vector's many components are held (settled while looking at the validation files too).
constexpr float kRidge = 100;
constexpr float kVectorScale = 0.058F;
// A subject's gain is drawn to the mean gain as if by this many more queries; its probability is softened by this much.
constexpr double kShrink = 20;
constexpr double kSoftness = 10;
constexpr std::uint32_t kFolds = 5;

double gain_of(const OutcomeRow& row) {
  return static_cast<double>(row.strong_ok) - static_cast<double>(row.weak_ok);
}

void append(const OutcomeRow& row, std::vector<float>& out) {
  out.insert(out.end(), row.checks.begin(), row.checks.end());
  out.insert(out.end(), row.vector.begin(), row.vector.end());
}

// Probability of each domain.
std::vector<double> domains_of(const ModelData& data, std::span<const float> vector) {
  SentenceEvidence seen;
  SentenceJudge(*data.sentence, data.labels.size()).look(vector, seen);
  const float largest = *std::ranges::max_element(seen.distance);
  std::vector<double> out;
  double total = 0;
  for (const float distance : seen.distance) {
    out.push_back(std::exp((static_cast<double>(distance) - largest) / kSoftness));
    total += out.back();
  }
  for (auto& value : out) value /= total;
  return out;
}

// Domains as labels of a space of their own. Nothing where fewer than two are named.
std::optional<ModelData> fit_domains(const std::vector<OutcomeRow>& rows, std::vector<std::uint32_t>& of_row) {
  std::map<std::string, std::uint32_t> numbers;
  for (const auto& row : rows) numbers.emplace(row.domain, 0);
  if (numbers.size() < 2 || numbers.size() > kMaxLabels) return std::nullopt;
  ModelData out;
  for (auto& [name, number] : numbers) {
    number = static_cast<std::uint32_t>(out.labels.size());
    out.labels.push_back({name, AnswerKind::none, false});
  }
  SentenceVectors vectors;
  vectors.width = rows[0].vector.size();
  for (const auto& row : rows) {
    of_row.push_back(numbers.at(row.domain));
    vectors.values.insert(vectors.values.end(), row.vector.begin(), row.vector.end());
  }
  standardise(vectors);
  std::vector<std::uint32_t> all(rows.size());
  std::iota(all.begin(), all.end(), 0U);
  fit_space(vectors, scatter_of(vectors, of_row, out.labels.size(), all), out.sentence.emplace());
  return out;
}

}  // namespace

std::vector<float> hashed_vector(std::string_view text) {
  constexpr std::size_t kWidth = 512;
  const auto features = std::make_unique<FeatureList>();
  extract_features(text, {.word_max = 2, .char_min = 3, .char_max = 4, .skip_pairs = true}, *features);
  std::vector<float> out(kWidth);
  for (std::size_t i = 0; i < features->count; ++i) {
    out[features->hashes[i] % kWidth] += (features->hashes[i] & 0x80000000U) != 0 ? 1.0F : -1.0F;
  }
  const float over = 1.0F / std::sqrt(static_cast<float>(std::max<std::size_t>(features->count, 1)));
  for (auto& value : out) value *= over;
  return out;
}

OutcomeModel OutcomeModel::fit(const std::vector<OutcomeRow>& rows) {
  OutcomeModel out;
  std::vector<std::uint32_t> domain;
  out.domains_ = fit_domains(rows, domain);
  std::vector<float> targets;
  for (const auto& row : rows) targets.push_back(static_cast<float>(gain_of(row)));
  const double mean = std::accumulate(targets.begin(), targets.end(), 0.0) / static_cast<double>(rows.size());
  if (out.domains_) {
    std::vector<double> counts(out.domains_->labels.size(), kShrink);
    out.domain_gains_.assign(counts.size(), kShrink * mean);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      out.domain_gains_[domain[i]] += targets[i];
      ++counts[domain[i]];
    }
    for (std::size_t i = 0; i < counts.size(); ++i) out.domain_gains_[i] /= counts[i];
    for (std::size_t i = 0; i < rows.size(); ++i) targets[i] -= static_cast<float>(out.domain_gains_[domain[i]]);
  }
  // Beside the domains, which bring their own mean.
  out.offset_ = out.domains_ ? 0 : mean;
  for (auto& target : targets) target -= static_cast<float>(out.offset_);
  SentenceVectors vectors;
  vectors.width = rows[0].checks.size() + rows[0].vector.size();
  for (const auto& row : rows) append(row, vectors.values);
  standardise(vectors);
  const std::size_t checks = rows[0].checks.size();
  for (std::size_t i = 0; i < vectors.values.size(); ++i) {
    if (i % vectors.width >= checks) vectors.values[i] *= kVectorScale;
  }
  for (std::size_t i = checks; i < vectors.width; ++i) vectors.spread[i] /= kVectorScale;
  out.weights_ = fit_ridge(vectors, targets, kRidge);
  vectors.values.clear();
  out.scale_ = std::move(vectors);
  return out;
}

double OutcomeModel::gain(const OutcomeRow& row) const {
  std::vector<float> values;
  append(row, values);
  double out = offset_;
  for (std::size_t i = 0; i < values.size(); ++i) {
    out += static_cast<double>((values[i] - scale_.centre[i]) / scale_.spread[i] * weights_[i]);
  }
  if (domains_) {
    const auto probability = domains_of(*domains_, row.vector);
    for (std::size_t i = 0; i < probability.size(); ++i) out += probability[i] * domain_gains_[i];
  }
  return std::clamp(out, -1.0, 1.0);
}

double calls_avoided(const std::vector<double>& gains, const std::vector<OutcomeRow>& rows, double quality) {
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return gains[a] < gains[b]; });
  double right = 0;
  for (const auto& row : rows) right += row.strong_ok;
  const double needed = quality * right;
  std::size_t most = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    right -= gain_of(rows[order[i]]);
    if (right >= needed - 1e-9) most = i + 1;
  }
  return rows.empty() ? 0 : static_cast<double>(most) / static_cast<double>(rows.size());
}

std::vector<double> cross_validated(const std::vector<OutcomeRow>& rows, const Progress& progress) {
  std::vector<double> out(rows.size());
  for (std::uint32_t fold = 0; fold < kFolds; ++fold) {
    std::vector<OutcomeRow> kept;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (i % kFolds != fold) kept.push_back(rows[i]);
    }
    const auto model = OutcomeModel::fit(kept);
    for (std::size_t i = fold; i < rows.size(); i += kFolds) out[i] = model.gain(rows[i]);
    progress(static_cast<double>(fold + 1) / kFolds);
  }
  return out;
}

}  // namespace sb::triage
