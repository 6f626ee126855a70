#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/json.h"
#include "triage/encoder/encoder.h"
#include "triage/sealed_file.h"

namespace sb::triage {
namespace {

constexpr FileKind kEncoderFile{"SBENCODE", "a sentence encoder", 1, "make it anew with `signalbox triage encoder`"};
constexpr std::size_t kMaxEncoderBytes = 256U << 20;
constexpr std::size_t kMaxVocabulary = 1U << 17;
constexpr std::size_t kMaxWidth = 1024;
constexpr std::size_t kMaxInner = 4096;
constexpr std::size_t kMaxBlocks = 24;

// Reads or writes an encoder's arrays: one list of them, in the order of the file, for both directions.
template <class Array, class Data>
void each_array(Data& d, Array&& array) {
  const std::size_t vocabulary = d.piece_scales.size();
  const auto norm = [&](auto& n) {
    array(n.gain, d.width);
    array(n.bias, d.width);
  };
  const auto layer = [&](auto& l, std::size_t inputs, std::size_t outputs) {
    array(l.weights, inputs * outputs);
    array(l.scales, outputs);
    array(l.biases, outputs);
  };
  array(d.pieces, vocabulary * d.width);
  array(d.piece_scales, vocabulary);
  array(d.positions, kMaxPieces * d.width);
  norm(d.input_norm);
  for (auto& b : d.blocks) {
    layer(b.query_key_value, d.width, std::size_t{3} * d.width);
    layer(b.attention_out, d.width, d.width);
    norm(b.attention_norm);
    layer(b.up, d.width, d.inner);
    layer(b.down, d.inner, d.width);
    norm(b.out_norm);
  }
}

std::uint64_t count_of(const json::value& header, std::string_view key, std::size_t most) {
  const auto value = int_member(header, key, -1);
  return value < 1 || static_cast<std::size_t>(value) > most ? 0 : static_cast<std::uint64_t>(value);
}

Result<> read_header(const json::value& header, EncoderData& out) {
  out.width = static_cast<std::uint32_t>(count_of(header, "width", kMaxWidth));
  out.heads = static_cast<std::uint32_t>(count_of(header, "heads", 64));
  out.inner = static_cast<std::uint32_t>(count_of(header, "inner", kMaxInner));
  const auto blocks = count_of(header, "blocks", kMaxBlocks);
  const auto vocabulary = count_of(header, "vocabulary", kMaxVocabulary);
  const bool whole = out.width % kChannelGroup == 0 && out.inner % kChannelGroup == 0 && out.heads > 0 &&
                     out.width % (8 * std::max<std::uint32_t>(out.heads, 1)) == 0;
  if (out.width == 0 || out.inner == 0 || blocks == 0 || vocabulary == 0 || !whole) {
    return fail(Errc::corrupt, "sizes in the header are missing or out of range");
  }
  out.blocks.resize(blocks);
  out.piece_scales.resize(vocabulary);
  out.origin = string_member(header, "origin");
  return {};
}

Result<> check_numbers(EncoderData& data) {
  bool good = true;
  each_array(data, [&](auto& values, std::size_t) {
    using T = std::remove_cvref_t<decltype(values[0])>;
    for (const auto value : values) {
      // -128 would overflow the AVX2 kernel's 8-bit sign; NaN would spread.
      if constexpr (std::is_floating_point_v<T>) good = good && std::isfinite(value);
      if constexpr (std::is_integral_v<T>) good = good && value != -128;
    }
  });
  return good ? Result<>() : fail(Errc::corrupt, "a weight is out of range");
}

}  // namespace

std::string encode_encoder(const EncoderData& data) {
  const json::object header{{"width", data.width},
                            {"heads", data.heads},
                            {"inner", data.inner},
                            {"blocks", data.blocks.size()},
                            {"vocabulary", data.piece_scales.size()},
                            {"vocabulary_bytes", data.vocabulary.size()},
                            {"origin", data.origin}};
  const std::string text = json::serialize(header);
  std::string payload;
  put(payload, static_cast<std::uint32_t>(text.size()));
  payload += text;
  payload += data.vocabulary;
  each_array(data, [&](const auto& values, std::size_t count) {
    SB_ASSERT(values.size() == count);
    payload.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0]));
  });
  return seal_file(kEncoderFile, payload);
}

Result<EncoderData> decode_encoder(std::string_view bytes) {
  SB_TRY(auto payload, open_file(kEncoderFile, bytes));
  std::uint32_t header_size = 0;
  if (payload.size() < sizeof header_size) return fail(Errc::corrupt, "no header");
  std::memcpy(&header_size, payload.data(), sizeof header_size);
  payload.remove_prefix(sizeof header_size);
  if (payload.size() < header_size) return fail(Errc::corrupt, "header longer than the file");
  SB_TRY(const auto header, parse_json(payload.substr(0, header_size)));
  payload.remove_prefix(header_size);
  EncoderData data;
  SB_CHECK(read_header(header, data));
  const auto vocabulary_bytes = count_of(header, "vocabulary_bytes", payload.size());
  data.vocabulary = payload.substr(0, vocabulary_bytes);
  payload.remove_prefix(vocabulary_bytes);
  bool whole = true;
  each_array(data, [&](auto& values, std::size_t count) {
    const std::size_t wanted = count * sizeof(values[0]);
    whole = whole && payload.size() >= wanted;
    if (!whole) return;
    values.resize(count);
    std::memcpy(values.data(), payload.data(), wanted);
    payload.remove_prefix(wanted);
  });
  if (!whole || !payload.empty()) return fail(Errc::corrupt, "the arrays are not as long as the header says");
  SB_CHECK(check_numbers(data));
  return data;
}

Result<Encoder> Encoder::load_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) {
    return fail(Errc::not_found,
                fmt::format("sentence encoder {}: cannot be opened; make one with `signalbox triage encoder`", path));
  }
  const auto size = file.tellg();
  if (size < 0 || static_cast<std::size_t>(size) > kMaxEncoderBytes) {
    return fail(Errc::too_large, fmt::format("sentence encoder {}: over {} bytes", path, kMaxEncoderBytes));
  }
  std::string bytes(static_cast<std::size_t>(size), '\0');
  file.seekg(0);
  if (!file.read(bytes.data(), size))
    return fail(Errc::corrupt, fmt::format("sentence encoder {}: cannot be read", path));
  const auto of_file = [&](const Error& e) {
    return fail(e.code, fmt::format("sentence encoder {}: {}", path, e.detail));
  };
  auto data = decode_encoder(bytes);
  if (!data) return of_file(data.error());
  auto encoder = from_data(*data, to_hex(sha256(bytes)).substr(0, 16));
  if (!encoder) return of_file(encoder.error());
  return encoder;
}

}  // namespace sb::triage
