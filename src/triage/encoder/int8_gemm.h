/// Products of small 8-bit matrices: a few tokens times the weights of a layer. The encoder's inner loop.
///
/// Two kernels, AVX2 and AVX-512 VNNI, picked once by what the processor has; both give the same bits, so that heads
/// trained on one machine fit the vectors of another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sb::triage {

/// Output channels come in groups of this many, inputs in groups of four bytes: `inputs` and `outputs` of every layer
/// are multiples of 32.
inline constexpr std::size_t kChannelGroup = 32;

/// A linear layer with 8-bit weights, one scale an output channel.
class Int8Layer {
 public:
  Int8Layer() = default;
  Int8Layer(Int8Layer&&) = default;
  Int8Layer& operator=(Int8Layer&&) = default;
  /// `weights`: [outputs][inputs], -127..127; `scales`, `biases`: [outputs].
  /// REQUIRES: both sizes are multiples of kChannelGroup.
  Int8Layer(std::span<const std::int8_t> weights, std::span<const float> scales, std::span<const float> biases);

  std::size_t inputs() const { return inputs_; }
  std::size_t outputs() const { return scales_.size(); }

 private:
  friend class Int8Gemm;
  // Whole cache lines: a weight is read once a tile, and a load that crosses a line costs twice. Moving a vector keeps
  // its address, copying does not: hence no copies.
  std::int8_t* aligned() { return packed_.data() + (-reinterpret_cast<std::uintptr_t>(packed_.data()) & 63U); }
  const std::int8_t* aligned() const { return const_cast<Int8Layer*>(this)->aligned(); }

  std::size_t inputs_ = 0;
  std::vector<std::int8_t> packed_;  // [outputs / 32][inputs / 4][32][4], from `aligned()` on
  std::vector<float> scales_;
  std::vector<float> biases_;
  std::vector<std::int32_t> sums_;  // of each channel's weights, times 128: undoes the unsigned kernel's offset
};

/// Quantises the rows of a float matrix (symmetric, one scale a row) and multiplies. Owns its scratch space: one a
/// thread.
class Int8Gemm {
 public:
  /// The kernels there are; `best()` asks the processor.
  enum class Kernel : std::uint8_t { avx2, vnni };
  static Kernel best();

  explicit Int8Gemm(Kernel kernel = best()) : kernel_(kernel) {}

  /// Reads `input` ([rows][width]); it may be overwritten afterwards.
  void quantise(const float* input, std::size_t rows, std::size_t width);
  /// output ([rows][layer.outputs()]) = what was quantised last, times the layer, plus its biases.
  /// REQUIRES: quantise() was called with width == layer.inputs().
  void multiply(const Int8Layer& layer, float* output) const;

 private:
  Kernel kernel_;
  std::size_t rows_ = 0;
  std::size_t width_ = 0;
  std::vector<std::int8_t> signed_;     // [rows][width]
  std::vector<std::uint8_t> unsigned_;  // the same: absolute values (AVX2), or plus 128 (VNNI)
  std::vector<float> row_scales_;
};

}  // namespace sb::triage
