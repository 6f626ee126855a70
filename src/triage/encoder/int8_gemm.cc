#include "triage/encoder/int8_gemm.h"

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/errors.h"

namespace sb::triage {
namespace {

// What a tile needs: up to eight rows of the input, one group of channels.
struct Tile {
  const std::int8_t* weights;  // [width / 4][32][4]
  std::size_t width;
  const std::int8_t* signed_rows;
  const std::uint8_t* unsigned_rows;
  const float* row_scales;
  const float* scales;
  const float* biases;
  const std::int32_t* sums;
  float* output;
  std::size_t output_stride;
};

std::int32_t load_word(const void* bytes) {
  std::int32_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

// |a| * sign(w, a) = a * w in 8 bits; pairs of products stay below 2 * 127 * 127 < 2^15, so nothing saturates.
template <int kRows>
void tile_avx2(const Tile& t) {
  __m256i sums[kRows][4] = {};
  const __m256i ones = _mm256_set1_epi16(1);
  for (std::size_t k = 0; k < t.width; k += 4) {
    const auto* weights = reinterpret_cast<const __m256i*>(t.weights + k * kChannelGroup);
    for (int row = 0; row < kRows; ++row) {
      const std::size_t at = static_cast<std::size_t>(row) * t.width + k;
      const __m256i sign = _mm256_set1_epi32(load_word(t.signed_rows + at));
      const __m256i size = _mm256_set1_epi32(load_word(t.unsigned_rows + at));
      for (int part = 0; part < 4; ++part) {
        const __m256i turned = _mm256_sign_epi8(_mm256_load_si256(weights + part), sign);
        const __m256i pairs = _mm256_maddubs_epi16(size, turned);
        sums[row][part] = _mm256_add_epi32(sums[row][part], _mm256_madd_epi16(pairs, ones));
      }
    }
  }
  for (int row = 0; row < kRows; ++row) {
    const __m256 row_scale = _mm256_set1_ps(t.row_scales[row]);
    for (int part = 0; part < 4; ++part) {
      const __m256 scale = _mm256_mul_ps(row_scale, _mm256_loadu_ps(t.scales + part * 8));
      const __m256 value =
          _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[row][part]), scale, _mm256_loadu_ps(t.biases + part * 8));
      _mm256_storeu_ps(t.output + static_cast<std::size_t>(row) * t.output_stride + part * 8, value);
    }
  }
}

#define SB_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

template <int kRows>
SB_VNNI void tile_vnni(const Tile& t) {
  __m512i sums[kRows][2] = {};
  for (std::size_t k = 0; k < t.width; k += 4) {
    const std::int8_t* weights = t.weights + k * kChannelGroup;
    const __m512i low = _mm512_load_si512(weights);
    const __m512i high = _mm512_load_si512(weights + 64);
    for (int row = 0; row < kRows; ++row) {
      const __m512i a = _mm512_set1_epi32(load_word(t.unsigned_rows + static_cast<std::size_t>(row) * t.width + k));
      sums[row][0] = _mm512_dpbusd_epi32(sums[row][0], a, low);
      sums[row][1] = _mm512_dpbusd_epi32(sums[row][1], a, high);
    }
  }
  for (int row = 0; row < kRows; ++row) {
    const __m512 row_scale = _mm512_set1_ps(t.row_scales[row]);
    for (int part = 0; part < 2; ++part) {
      const __m512i exact = _mm512_sub_epi32(sums[row][part], _mm512_loadu_si512(t.sums + part * 16));
      const __m512 scale = _mm512_mul_ps(row_scale, _mm512_loadu_ps(t.scales + part * 16));
      const __m512 value = _mm512_fmadd_ps(_mm512_cvtepi32_ps(exact), scale, _mm512_loadu_ps(t.biases + part * 16));
      _mm512_storeu_ps(t.output + static_cast<std::size_t>(row) * t.output_stride + part * 16, value);
    }
  }
}

using TileFunction = void (*)(const Tile&);
constexpr TileFunction kVnniTiles[] = {tile_vnni<1>, tile_vnni<2>, tile_vnni<3>, tile_vnni<4>,
                                       tile_vnni<5>, tile_vnni<6>, tile_vnni<7>, tile_vnni<8>};
constexpr TileFunction kAvx2Tiles[] = {tile_avx2<1>, tile_avx2<2>};

// Rounds half away from zero, eight at a time; `row` becomes -127..127.
void quantise_row(const float* input, std::size_t width, float up, std::int8_t* row) {
  for (std::size_t i = 0; i < width; ++i) {
    const float value = input[i] * up;
    row[i] = static_cast<std::int8_t>(static_cast<std::int32_t>(value + (value < 0 ? -0.5F : 0.5F)));
  }
}

float largest_size(const float* input, std::size_t width) {
  __m256 largest = _mm256_setzero_ps();
  const __m256 mask = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  for (std::size_t i = 0; i < width; i += 8)
    largest = _mm256_max_ps(largest, _mm256_and_ps(mask, _mm256_loadu_ps(input + i)));
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, largest);
  return *std::max_element(lanes, lanes + 8);
}

}  // namespace

Int8Layer::Int8Layer(std::span<const std::int8_t> weights, std::span<const float> scales, std::span<const float> biases)
    : inputs_(weights.size() / scales.size()),
      packed_(weights.size() + 63),
      scales_(scales.begin(), scales.end()),
      biases_(biases.begin(), biases.end()),
      sums_(scales.size()) {
  SB_ASSERT(inputs_ % kChannelGroup == 0 && scales.size() % kChannelGroup == 0 && biases.size() == scales.size());
  std::int8_t* packed = aligned();
  for (std::size_t channel = 0; channel < scales.size(); ++channel) {
    for (std::size_t k = 0; k < inputs_; ++k) {
      const std::int8_t weight = weights[channel * inputs_ + k];
      sums_[channel] += 128 * weight;
      const std::size_t group = channel / kChannelGroup * inputs_ + k / 4 * 4;
      packed[group * kChannelGroup + channel % kChannelGroup * 4 + k % 4] = weight;
    }
  }
}

Int8Gemm::Kernel Int8Gemm::best() {
  return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512vl")
             ? Kernel::vnni
             : Kernel::avx2;
}

void Int8Gemm::quantise(const float* input, std::size_t rows, std::size_t width) {
  rows_ = rows;
  width_ = width;
  signed_.resize(rows * width);
  unsigned_.resize(rows * width);
  row_scales_.resize(rows);
  for (std::size_t row = 0; row < rows; ++row) {
    const float largest = std::max(largest_size(input + row * width, width), 1e-20F);
    row_scales_[row] = largest / 127.0F;
    quantise_row(input + row * width, width, 127.0F / largest, &signed_[row * width]);
  }
  const bool offset = kernel_ == Kernel::vnni;
  for (std::size_t i = 0; i < rows * width; ++i) {
    const int value = signed_[i];
    unsigned_[i] = static_cast<std::uint8_t>(offset ? value + 128 : value < 0 ? -value : value);
  }
}

void Int8Gemm::multiply(const Int8Layer& layer, float* output) const {
  SB_ASSERT(layer.inputs() == width_);
  const bool vnni = kernel_ == Kernel::vnni;
  const std::size_t most = vnni ? 8 : 2;
  // As even as possible: 9 rows are 5 and 4, not 8 and 1.
  const std::size_t passes = (rows_ + most - 1) / most;
  for (std::size_t channel = 0; channel < layer.outputs(); channel += kChannelGroup) {
    Tile tile{layer.aligned() + channel * width_,
              width_,
              signed_.data(),
              unsigned_.data(),
              row_scales_.data(),
              &layer.scales_[channel],
              &layer.biases_[channel],
              &layer.sums_[channel],
              output + channel,
              layer.outputs()};
    for (std::size_t pass = 0; pass < passes; ++pass) {
      const std::size_t rows = (rows_ * (pass + 1) / passes) - (rows_ * pass / passes);
      (vnni ? kVnniTiles : kAvx2Tiles)[rows - 1](tile);
      tile.signed_rows += rows * width_;
      tile.unsigned_rows += rows * width_;
      tile.row_scales += rows;
      tile.output += rows * tile.output_stride;
    }
  }
}

}  // namespace sb::triage
