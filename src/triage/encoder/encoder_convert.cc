#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/json.h"
#include "triage/encoder/encoder.h"

namespace sb::triage {
namespace {

Result<std::string> read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Errc::not_found, fmt::format("{}: cannot be opened", path));
  std::ostringstream out;
  out << file.rdbuf();
  return std::move(out).str();
}

// A safetensors file: u64 size of a JSON header, the header (name -> dtype, shape, data_offsets), the numbers.
class Tensors {
 public:
  static Result<Tensors> parse(std::string_view bytes) {
    std::uint64_t size = 0;
    if (bytes.size() < sizeof size) return fail(Errc::corrupt, "model.safetensors: cut");
    std::memcpy(&size, bytes.data(), sizeof size);
    if (size > bytes.size() - sizeof size) return fail(Errc::corrupt, "model.safetensors: header longer than the file");
    Tensors out;
    SB_TRY(out.header_, parse_json(bytes.substr(sizeof size, size)));
    out.numbers_ = bytes.substr(sizeof size + size);
    return out;
  }

  // The tensor as floats. The first fault is remembered, later reads then return zeros of the right size.
  std::vector<float> take(const std::string& name, std::size_t count) {
    std::vector<float> out(count);
    const auto* entry = find_member(header_, name);
    const auto* offsets = entry ? find_member(*entry, "data_offsets") : nullptr;
    const bool shaped = entry && string_member(*entry, "dtype") == "F32" && offsets && offsets->is_array() &&
                        offsets->get_array().size() == 2;
    if (!shaped) return refuse(name, "is missing or not 32-bit float", std::move(out));
    boost::system::error_code error;
    const auto begin = offsets->get_array()[0].to_number<std::uint64_t>(error);
    const auto end = offsets->get_array()[1].to_number<std::uint64_t>(error);
    if (error || end > numbers_.size() || begin > end || (end - begin) / sizeof(float) != count) {
      return refuse(name, fmt::format("does not have {} numbers", count), std::move(out));
    }
    std::memcpy(out.data(), numbers_.data() + begin, count * sizeof(float));
    return out;
  }

  Result<> fault() const {
    return fault_.empty() ? Result<>() : fail(Errc::unsupported, "model.safetensors: " + fault_);
  }

 private:
  std::vector<float> refuse(const std::string& name, const std::string& why, std::vector<float> out) {
    if (fault_.empty()) fault_ = fmt::format("{} {}", name, why);
    return out;
  }

  json::value header_;
  std::string_view numbers_;
  std::string fault_;
};

// Symmetric, one scale a row of `width` numbers.
void quantise(std::span<const float> values, std::size_t width, std::vector<std::int8_t>& out,
              std::vector<float>& scales) {
  for (std::size_t begin = 0; begin < values.size(); begin += width) {
    float largest = 1e-12F;
    for (std::size_t i = begin; i < begin + width; ++i) largest = std::max(largest, std::abs(values[i]));
    scales.push_back(largest / 127.0F);
    for (std::size_t i = begin; i < begin + width; ++i) {
      out.push_back(static_cast<std::int8_t>(std::lround(values[i] * 127.0F / largest)));
    }
  }
}

void append_layer(Tensors& tensors, const std::string& name, std::size_t inputs, std::size_t outputs,
                  EncoderData::Layer& out) {
  quantise(tensors.take(name + ".weight", inputs * outputs), inputs, out.weights, out.scales);
  std::ranges::copy(tensors.take(name + ".bias", outputs), std::back_inserter(out.biases));
}

EncoderData::Norm take_norm(Tensors& tensors, const std::string& name, std::size_t width) {
  return {tensors.take(name + ".weight", width), tensors.take(name + ".bias", width)};
}

EncoderData::Block take_block(Tensors& tensors, const std::string& name, std::size_t width, std::size_t inner) {
  EncoderData::Block out;
  for (const auto* part : {"query", "key", "value"}) {
    append_layer(tensors, name + "attention.self." + part, width, width, out.query_key_value);
  }
  append_layer(tensors, name + "attention.output.dense", width, width, out.attention_out);
  out.attention_norm = take_norm(tensors, name + "attention.output.LayerNorm", width);
  append_layer(tensors, name + "intermediate.dense", width, inner, out.up);
  append_layer(tensors, name + "output.dense", inner, width, out.down);
  out.out_norm = take_norm(tensors, name + "output.LayerNorm", width);
  return out;
}

}  // namespace

Result<EncoderData> convert_encoder(const std::string& folder) {
  SB_TRY(const auto config_text, read_all(folder + "/config.json"));
  SB_TRY(const auto config, parse_json(config_text));
  EncoderData out;
  SB_TRY(out.vocabulary, read_all(folder + "/vocab.txt"));
  SB_TRY(const auto bytes, read_all(folder + "/model.safetensors"));
  if (string_member(config, "model_type") != "bert" || string_member(config, "hidden_act") != "gelu") {
    return fail(Errc::unsupported, fmt::format("{}: only BERT models with GELU can be converted", folder));
  }
  const auto size = [&](const char* key) {
    return static_cast<std::size_t>(std::max<std::int64_t>(int_member(config, key), 0));
  };
  const auto width = size("hidden_size");
  const auto inner = size("intermediate_size");
  const auto blocks = size("num_hidden_layers");
  const auto vocabulary = size("vocab_size");
  const auto positions = size("max_position_embeddings");
  out.width = static_cast<std::uint32_t>(width);
  out.inner = static_cast<std::uint32_t>(inner);
  out.heads = static_cast<std::uint32_t>(size("num_attention_heads"));
  if (width == 0 || width > 4096 || inner > 16384 || blocks > 64 || vocabulary > 1'000'000 || positions < kMaxPieces) {
    return fail(Errc::unsupported, fmt::format("{}/config.json: sizes out of range", folder));
  }
  SB_TRY(auto tensors, Tensors::parse(bytes));
  quantise(tensors.take("embeddings.word_embeddings.weight", vocabulary * width), width, out.pieces, out.piece_scales);
  out.positions = tensors.take("embeddings.position_embeddings.weight", positions * width);
  out.positions.resize(kMaxPieces * width);
  const auto types = tensors.take("embeddings.token_type_embeddings.weight", 2 * width);
  for (std::size_t i = 0; i < out.positions.size(); ++i) out.positions[i] += types[i % width];
  out.input_norm = take_norm(tensors, "embeddings.LayerNorm", width);
  for (std::size_t block = 0; block < blocks; ++block) {
    out.blocks.push_back(take_block(tensors, fmt::format("encoder.layer.{}.", block), width, inner));
  }
  SB_CHECK(tensors.fault());
  out.origin = to_hex(sha256(bytes));
  // Through the file's own checks: what was converted can be loaded.
  return decode_encoder(encode_encoder(out));
}

}  // namespace sb::triage
