#include "triage/encoder/encoder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "triage/encoder/wordpiece.h"

namespace sb::triage {
namespace {

constexpr float kNormEpsilon = 1e-12F;

// Eight floats at a time, in plain operators: the compiler turns them into AVX.
using Lanes = float __attribute__((vector_size(32)));
using IntLanes = std::int32_t __attribute__((vector_size(32)));

Lanes load(const float* at) {
  Lanes value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

void store(float* at, Lanes value) {
  std::memcpy(at, &value, sizeof value);
}

float sum(Lanes v) {
  return ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7]));
}

Lanes all(float value) {
  return Lanes{value, value, value, value, value, value, value, value};
}

// e^x, relative error below 1e-6 in +-87: two to the whole part by the exponent's bits, the rest by its Taylor series.
Lanes exponential(Lanes x) {
  x = x < -87.0F ? all(-87.0F) : x;
  x = x > 87.0F ? all(87.0F) : x;
  const Lanes y = x * 1.44269504F;
  const IntLanes whole = __builtin_convertvector(y + (y < 0.0F ? all(-0.5F) : all(0.5F)), IntLanes);
  const Lanes f = (y - __builtin_convertvector(whole, Lanes)) * 0.69314718F;
  Lanes series = all(1.0F / 720);
  for (const float c : {1.0F / 120, 1.0F / 24, 1.0F / 6, 1.0F / 2, 1.0F, 1.0F}) series = series * f + c;
  return series * std::bit_cast<Lanes>((whole + 127) << 23);
}

// GELU by its tanh form (Hendrycks and Gimpel, 2016), as x times a logistic: within 5e-4 of the exact one.
void gelu(float* values, std::size_t count) {
  for (std::size_t i = 0; i < count; i += 8) {
    const Lanes x = load(values + i);
    const Lanes u = x * (1.5957691F + 0.071354816F * x * x);
    store(values + i, x / (1.0F + exponential(-u)));
  }
}

void add(float* values, const float* other, std::size_t count) {
  for (std::size_t i = 0; i < count; i += 8) store(values + i, load(values + i) + load(other + i));
}

void normalise(float* row, std::size_t width, const EncoderData::Norm& norm) {
  Lanes total = all(0);
  for (std::size_t i = 0; i < width; i += 8) total += load(row + i);
  const float mean = sum(total) / static_cast<float>(width);
  Lanes squares = all(0);
  for (std::size_t i = 0; i < width; i += 8) {
    const Lanes off = load(row + i) - mean;
    squares += off * off;
  }
  const float scale = 1.0F / std::sqrt(sum(squares) / static_cast<float>(width) + kNormEpsilon);
  for (std::size_t i = 0; i < width; i += 8) {
    store(row + i, (load(row + i) - mean) * scale * load(&norm.gain[i]) + load(&norm.bias[i]));
  }
}

void softmax(float* row, std::size_t count, std::size_t padded) {
  float largest = row[0];
  for (std::size_t i = 1; i < count; ++i) largest = std::max(largest, row[i]);
  std::fill(row + count, row + padded, -1e30F);
  Lanes total = all(0);
  for (std::size_t i = 0; i < padded; i += 8) {
    const Lanes value = exponential(load(row + i) - largest);
    store(row + i, value);
    total += value;
  }
  const float over = 1.0F / sum(total);
  for (std::size_t i = 0; i < count; ++i) row[i] *= over;
}

// A thread's scratch space; grows to the longest text it met.
struct Scratch {
  explicit Scratch(Int8Gemm::Kernel kernel) : gemm(kernel) {}
  Int8Gemm gemm;
  Pieces pieces;
  std::size_t count = 0;      // of pieces
  std::vector<float> hidden;  // [pieces][width]
  std::vector<float> wide;    // [pieces][3 width] or [pieces][inner]
  std::vector<float> update;  // [pieces][width]
};

struct Block {
  Int8Layer query_key_value, attention_out, up, down;
  EncoderData::Norm attention_norm, out_norm;
};

Int8Layer make_layer(const EncoderData::Layer& layer) {
  return {layer.weights, layer.scales, layer.biases};
}

}  // namespace

struct Encoder::State {
  State(const EncoderData& data, WordPiece w, std::string v, Int8Gemm::Kernel k)
      : width(data.width),
        heads(data.heads),
        inner(data.inner),
        kernel(k),
        words(std::move(w)),
        version(std::move(v)),
        pieces(data.pieces),
        piece_scales(data.piece_scales),
        positions(data.positions),
        input_norm(data.input_norm) {
    for (const auto& b : data.blocks) {
      blocks.push_back({make_layer(b.query_key_value), make_layer(b.attention_out), make_layer(b.up),
                        make_layer(b.down), b.attention_norm, b.out_norm});
    }
  }

  void embed(Scratch& s) const {
    const auto& ids = s.pieces.ids;
    s.count = ids.size();
    s.hidden.resize(s.count * width);
    for (std::size_t at = 0; at < ids.size(); ++at) {
      float* row = &s.hidden[at * width];
      const std::int8_t* piece = &pieces[std::size_t{ids[at]} * width];
      const float scale = piece_scales[ids[at]];
      for (std::size_t i = 0; i < width; ++i) row[i] = static_cast<float>(piece[i]) * scale + positions[at * width + i];
      normalise(row, width, input_norm);
    }
  }

  // update = softmax(q k' / sqrt(size)) v, head by head; s.wide holds q, k and v of each piece side by side.
  void attend(Scratch& s) const {
    const std::size_t count = s.count;
    const std::size_t size = width / heads;
    const float scale = 1.0F / std::sqrt(static_cast<float>(size));
    s.update.resize(count * width);
    std::array<float, kMaxPieces + 8> weights;
    for (std::size_t head = 0; head < heads; ++head) {
      const float* q = &s.wide[head * size];
      const float* k = q + width;
      const float* v = k + width;
      for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t j = 0; j < count; ++j) {
          Lanes dot = all(0);
          for (std::size_t d = 0; d < size; d += 8) dot += load(q + i * 3 * width + d) * load(k + j * 3 * width + d);
          weights[j] = sum(dot) * scale;
        }
        softmax(weights.data(), count, (count + 7) / 8 * 8);
        float* out = &s.update[i * width + head * size];
        for (std::size_t d = 0; d < size; d += 8) {
          Lanes mixed = all(0);
          for (std::size_t j = 0; j < count; ++j) mixed += weights[j] * load(v + j * 3 * width + d);
          store(out + d, mixed);
        }
      }
    }
  }

  // hidden = norm(hidden + update), row by row.
  void settle(Scratch& s, const EncoderData::Norm& norm) const {
    add(s.hidden.data(), s.update.data(), s.hidden.size());
    for (std::size_t at = 0; at < s.count; ++at) normalise(&s.hidden[at * width], width, norm);
  }

  void run(const Block& block, Scratch& s) const {
    const std::size_t count = s.count;
    s.wide.resize(count * std::max<std::size_t>(3 * width, inner));
    s.gemm.quantise(s.hidden.data(), count, width);
    s.gemm.multiply(block.query_key_value, s.wide.data());
    attend(s);
    s.gemm.quantise(s.update.data(), count, width);
    s.gemm.multiply(block.attention_out, s.update.data());
    settle(s, block.attention_norm);
    s.gemm.quantise(s.hidden.data(), count, width);
    s.gemm.multiply(block.up, s.wide.data());
    gelu(s.wide.data(), count * inner);
    s.gemm.quantise(s.wide.data(), count, inner);
    s.gemm.multiply(block.down, s.update.data());
    settle(s, block.out_norm);
  }

  // The mean of the pieces' vectors.
  void pool(const Scratch& s, float* out) const {
    for (std::size_t i = 0; i < width; i += 8) {
      Lanes total = all(0);
      for (std::size_t at = 0; at < s.count; ++at) total += load(&s.hidden[at * width + i]);
      store(out + i, total * (1.0F / static_cast<float>(s.count)));
    }
  }

  // Lets the blocks from out.blocks up to `until` look; of the means before those stay that belong to the vector.
  void look(Scratch& s, std::size_t until, Encoding& out) const {
    const auto pooled = [](std::size_t read) { return std::min(kPooledBlocks, read); };
    const std::size_t from = until - pooled(until);  // the first block whose mean belongs to the vector
    const std::size_t before = out.blocks - pooled(out.blocks);
    const std::size_t gone = std::clamp<std::size_t>(from, before, out.blocks) - before;
    out.vector.erase(out.vector.begin(), out.vector.begin() + static_cast<std::ptrdiff_t>(gone * width));
    out.vector.resize(pooled(until) * width);
    for (std::size_t i = out.blocks; i < until; ++i) {
      run(blocks[i], s);
      if (i >= from) pool(s, &out.vector[(i - from) * width]);
    }
    out.blocks = static_cast<std::uint32_t>(until);
  }

  Scratch& scratch() const {
    // One for each kernel a process uses: outside of tests, one.
    thread_local Scratch best(Int8Gemm::best());
    thread_local Scratch plain(Int8Gemm::Kernel::avx2);
    return kernel == Int8Gemm::best() ? best : plain;
  }

  std::size_t width, heads, inner;
  Int8Gemm::Kernel kernel;
  WordPiece words;
  std::string version;
  std::vector<std::int8_t> pieces;
  std::vector<float> piece_scales;
  std::vector<float> positions;
  EncoderData::Norm input_norm;
  std::vector<Block> blocks;
};

Encoder::Encoder(std::shared_ptr<const State> state) : state_(std::move(state)) {}

Result<Encoder> Encoder::from_data(const EncoderData& data, std::string version, Int8Gemm::Kernel kernel) {
  SB_TRY(auto words, WordPiece::from_vocabulary(data.vocabulary));
  return Encoder(std::make_shared<const State>(data, std::move(words), std::move(version), kernel));
}

void Encoder::begin(std::string_view text, std::size_t blocks, Encoding& out) const {
  const State& state = *state_;
  SB_ASSERT(blocks > 0 && blocks <= state.blocks.size());
  Scratch& s = state.scratch();
  state.words.split(text, kMaxPieces, s.pieces);
  state.embed(s);
  out.blocks = 0;
  out.vector.clear();
  state.look(s, blocks, out);
  out.pieces = static_cast<std::uint32_t>(s.count);
  out.unknown = s.pieces.unknown;
  out.truncated = s.pieces.truncated;
  if (blocks < state.blocks.size()) std::swap(s.hidden, out.hidden);
}

void Encoder::go_on(Encoding& encoding) const {
  const State& state = *state_;
  if (encoding.blocks == state.blocks.size()) return;
  Scratch& s = state.scratch();
  s.count = encoding.pieces;
  std::swap(s.hidden, encoding.hidden);
  state.look(s, state.blocks.size(), encoding);
}

std::size_t Encoder::blocks() const {
  return state_->blocks.size();
}
std::size_t Encoder::width() const {
  return state_->width;
}
const std::string& Encoder::version() const {
  return state_->version;
}

}  // namespace sb::triage
