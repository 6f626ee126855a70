#include "triage/discriminant.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/errors.h"
#include "triage/sentence_judge.h"
#include "triage/vector_math.h"

namespace sb::triage {
namespace {

// Share of the within-label scatter that is replaced by a sphere: keeps directions that few texts speak of in bounds.
constexpr float kShrinkage = 0.03F;
// Directions kept: neighbours in 96 were as good as in all (Banking77, HWU64, CLINC150), and a search costs half.
constexpr std::size_t kDirections = 96;
constexpr float kFar = 1e3F;

// products[i][j] += rows i and j of `columns` ([width][count]) multiplied, in blocks of 4 x 2 that stay in registers.
void add_products(const std::vector<float>& columns, std::size_t width, std::size_t count, std::vector<float>& out) {
  for (std::size_t i = 0; i < width; i += 4) {
    for (std::size_t j = 0; j <= i + 3; j += 2) {
      Lanes part[4][2] = {};
      for (std::size_t k = 0; k < count; k += 8) {
        const Lanes b0 = load(&columns[j * count + k]);
        const Lanes b1 = load(&columns[(j + 1) * count + k]);
        for (std::size_t r = 0; r < 4; ++r) {
          const Lanes a = load(&columns[(i + r) * count + k]);
          part[r][0] += a * b0;
          part[r][1] += a * b1;
        }
      }
      for (std::size_t r = 0; r < 4; ++r) {
        out[(i + r) * width + j] += sum(part[r][0]);
        out[(i + r) * width + j + 1] += sum(part[r][1]);
      }
    }
  }
}

// Cholesky: the lower triangle of `matrix` becomes L with L L' = matrix.
void factorise(std::vector<float>& matrix, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) {
    float* row = &matrix[i * width];
    for (std::size_t j = 0; j < i; ++j) row[j] = (row[j] - dot(row, &matrix[j * width], j)) / matrix[j * width + j];
    row[i] = std::sqrt(std::max(row[i] - dot(row, row, i), 1e-6F));
  }
}

// x = L^-1 x.
void solve_lower(const std::vector<float>& lower, std::size_t width, float* x) {
  for (std::size_t i = 0; i < width; ++i) x[i] = (x[i] - dot(&lower[i * width], x, i)) / lower[i * width + i];
}

// x = L'^-1 x.
void solve_upper(const std::vector<float>& lower, std::size_t width, float* x) {
  for (std::size_t i = width; i-- > 0;) {
    x[i] /= lower[i * width + i];
    add_scaled(x, &lower[i * width], -x[i], i);
  }
}

// Eigenvectors of a small symmetric matrix by Jacobi's rotations (1846); rows of `vectors`, matched by `values`.
void eigen(std::vector<double> a, std::size_t n, std::vector<double>& values, std::vector<double>& vectors) {
  constexpr int kSweeps = 12;
  vectors.assign(n * n, 0);
  for (std::size_t i = 0; i < n; ++i) vectors[i * n + i] = 1;
  const auto rotate_rows = [&](std::vector<double>& m, std::size_t p, std::size_t q, double c, double s) {
    for (std::size_t k = 0; k < n; ++k) {
      const double x = m[p * n + k];
      const double y = m[q * n + k];
      m[p * n + k] = c * x - s * y;
      m[q * n + k] = s * x + c * y;
    }
  };
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    double off = 0;
    double on = 0;
    for (std::size_t i = 0; i < n * n; ++i) (i % (n + 1) == 0 ? on : off) += a[i] * a[i];
    if (off <= 1e-16 * on) break;
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t q = p + 1; q < n; ++q) {
        if (std::abs(a[p * n + q]) < 1e-12 * std::sqrt(on / static_cast<double>(n))) continue;
        const double turn = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
        const double t = (turn < 0 ? -1 : 1) / (std::abs(turn) + std::sqrt(turn * turn + 1));
        const double c = 1 / std::sqrt(t * t + 1);
        rotate_rows(a, p, q, c, t * c);
        for (std::size_t k = 0; k < n; ++k) {
          const double x = a[k * n + p];
          const double y = a[k * n + q];
          a[k * n + p] = c * x - t * c * y;
          a[k * n + q] = t * c * x + c * y;
        }
        rotate_rows(vectors, p, q, c, t * c);
      }
    }
  }
  values.resize(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = a[i * n + i];
}

// The scatter of texts around their label's mean, shrunk; factorised.
std::vector<float> within(const Scatter& s, std::size_t width) {
  auto out = s.products;
  double texts = 0;
  double labels = 0;
  for (std::size_t label = 0; label < s.counts.size(); ++label) {
    if (s.counts[label] == 0) continue;
    texts += s.counts[label];
    ++labels;
    const float* sums = &s.sums[label * width];
    const float over = 1.0F / static_cast<float>(s.counts[label]);
    for (std::size_t i = 0; i < width; ++i) add_scaled(&out[i * width], sums, -sums[i] * over, i + 1);
  }
  const auto by = static_cast<float>((1 - kShrinkage) / std::max(texts - labels, 1.0));
  double trace = 0;
  for (std::size_t i = 0; i < width; ++i) trace += out[i * width + i] / std::max(texts - labels, 1.0);
  for (auto& value : out) value *= by;
  const auto sphere = static_cast<float>(kShrinkage * trace / static_cast<double>(width)) + 1e-6F;
  for (std::size_t i = 0; i < width; ++i) out[i * width + i] += sphere;
  factorise(out, width);
  return out;
}

}  // namespace

void standardise(SentenceVectors& v) {
  const std::size_t count = v.values.size() / v.width;
  std::vector<double> sums(v.width);
  std::vector<double> squares(v.width);
  for (std::size_t i = 0; i < v.values.size(); ++i) {
    sums[i % v.width] += v.values[i];
    squares[i % v.width] += static_cast<double>(v.values[i]) * v.values[i];
  }
  for (std::size_t i = 0; i < v.width; ++i) {
    const double mean = sums[i] / static_cast<double>(count);
    v.centre.push_back(static_cast<float>(mean));
    v.spread.push_back(
        static_cast<float>(std::sqrt(std::max(squares[i] / static_cast<double>(count) - mean * mean, 1e-8))));
  }
  for (std::size_t i = 0; i < v.values.size(); ++i)
    v.values[i] = (v.values[i] - v.centre[i % v.width]) / v.spread[i % v.width];
}

void Scatter::add(const Scatter& other, float sign) {
  for (std::size_t i = 0; i < products.size(); ++i) products[i] += sign * other.products[i];
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += sign * other.sums[i];
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += sign > 0 ? other.counts[i] : 0U - other.counts[i];
}

Scatter scatter_of(const SentenceVectors& vectors, std::span<const std::uint32_t> labels, std::size_t label_count,
                   std::span<const std::uint32_t> chosen) {
  constexpr std::size_t kBlock = 256;  // texts at a time: a row of the transposed block is one kilobyte
  const std::size_t width = vectors.width;
  SB_ASSERT(width % 4 == 0);
  Scatter out{std::vector<float>(width * width), std::vector<float>(label_count * width),
              std::vector<std::uint32_t>(label_count)};
  std::vector<float> columns(width * kBlock);
  for (std::size_t begin = 0; begin < chosen.size(); begin += kBlock) {
    const std::size_t count = std::min(kBlock, chosen.size() - begin);
    std::ranges::fill(columns, 0.0F);
    for (std::size_t k = 0; k < count; ++k) {
      const auto text = chosen[begin + k];
      const float* values = &vectors.values[text * width];
      for (std::size_t i = 0; i < width; ++i) columns[i * kBlock + k] = values[i];
      add_scaled(&out.sums[labels[text] * width], values, 1, width);
      ++out.counts[labels[text]];
    }
    add_products(columns, width, kBlock, out.products);
  }
  return out;
}

void fit_space(const SentenceVectors& vectors, const Scatter& scatter, SentenceHeads& heads) {
  const std::size_t width = vectors.width;
  const auto lower = within(scatter, width);
  std::vector<std::uint32_t> present;
  std::vector<float> middle(width);
  for (std::uint32_t label = 0; label < scatter.counts.size(); ++label) {
    if (scatter.counts[label] == 0) continue;
    present.push_back(label);
    add_scaled(middle.data(), &scatter.sums[label * width], 1.0F / static_cast<float>(scatter.counts[label]), width);
  }
  const std::size_t n = present.size();
  SB_ASSERT(n >= 2);
  for (auto& value : middle) value /= static_cast<float>(n);
  std::vector<float> whitened(n * width);  // L^-1 (mean - middle)
  for (std::size_t i = 0; i < n; ++i) {
    const float over = 1.0F / static_cast<float>(scatter.counts[present[i]]);
    for (std::size_t k = 0; k < width; ++k) {
      whitened[i * width + k] = scatter.sums[present[i] * width + k] * over - middle[k];
    }
    solve_lower(lower, width, &whitened[i * width]);
  }
  std::vector<double> gram(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) gram[i * n + j] = dot(&whitened[i * width], &whitened[j * width], width);
  }
  std::vector<double> values;
  std::vector<double> eigenvectors;
  eigen(gram, n, values, eigenvectors);
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });

  heads.inputs = static_cast<std::uint32_t>(width);
  heads.dimension = static_cast<std::uint32_t>(std::min(kDirections, (n - 1 + 15) / 16 * 16));
  heads.projection.assign(heads.dimension * width, 0);
  heads.means.assign(scatter.counts.size() * heads.dimension, kFar);
  for (const auto label : present) std::fill_n(&heads.means[label * heads.dimension], heads.dimension, 0.0F);
  for (std::size_t d = 0; d < std::min<std::size_t>(heads.dimension, n - 1); ++d) {
    float* axis = &heads.projection[d * width];
    const double* eigenvector = &eigenvectors[order[d] * n];
    const double over = 1 / std::sqrt(std::max(values[order[d]], 1e-9));
    for (std::size_t i = 0; i < n; ++i) {
      add_scaled(axis, &whitened[i * width], static_cast<float>(eigenvector[i] * over), width);
      heads.means[present[i] * heads.dimension + d] = static_cast<float>(eigenvector[i] / over);
    }
    solve_upper(lower, width, axis);
  }
  // From standardised to plain vectors.
  heads.centre.resize(width);
  for (std::size_t i = 0; i < width; ++i) {
    heads.centre[i] = vectors.centre[i] + middle[i] * vectors.spread[i];
    for (std::size_t d = 0; d < heads.dimension; ++d) heads.projection[d * width + i] /= vectors.spread[i];
  }
}

std::vector<float> fit_ridge(const SentenceVectors& vectors, std::span<const float> targets, float ridge) {
  const std::size_t width = vectors.width;
  std::vector<std::uint32_t> all(targets.size());
  std::iota(all.begin(), all.end(), 0U);
  auto lower = scatter_of(vectors, std::vector<std::uint32_t>(targets.size()), 1, all).products;
  std::vector<float> out(width);
  for (std::size_t text = 0; text < targets.size(); ++text) {
    add_scaled(out.data(), &vectors.values[text * width], targets[text], width);
  }
  for (std::size_t i = 0; i < width; ++i) lower[i * width + i] += ridge;
  factorise(lower, width);
  solve_lower(lower, width, out.data());
  solve_upper(lower, width, out.data());
  return out;
}

void keep_texts(const SentenceVectors& vectors, std::span<const std::uint32_t> labels,
                std::span<const std::uint32_t> chosen, SentenceHeads& heads) {
  heads.texts.resize(chosen.size() * heads.dimension);
  heads.text_labels.clear();
  std::vector<float> plain(vectors.width);
  std::vector<float> place(heads.dimension);
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const float* values = &vectors.values[chosen[i] * vectors.width];
    for (std::size_t k = 0; k < vectors.width; ++k) plain[k] = values[k] * vectors.spread[k] + vectors.centre[k];
    project(heads, plain, place);
    direction(place, std::span(heads.texts).subspan(i * heads.dimension, heads.dimension));
    heads.text_labels.push_back(static_cast<std::uint16_t>(labels[chosen[i]]));
  }
}

}  // namespace sb::triage
