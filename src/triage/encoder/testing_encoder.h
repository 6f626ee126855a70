/// An encoder for tests: small, with random weights. What it says means nothing; texts with the same pieces lie near.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "triage/encoder/encoder.h"

namespace sb::triage {

namespace testing_parts {

inline std::vector<float> normal(std::mt19937& rng, std::size_t count, float spread) {
  std::normal_distribution<float> draw(0, spread);
  std::vector<float> out(count);
  for (auto& value : out) value = draw(rng);
  return out;
}

inline EncoderData::Layer random_layer(std::mt19937& rng, std::size_t inputs, std::size_t outputs) {
  EncoderData::Layer out;
  std::uniform_int_distribution<int> weight(-127, 127);
  for (std::size_t i = 0; i < inputs * outputs; ++i) out.weights.push_back(static_cast<std::int8_t>(weight(rng)));
  out.scales.assign(outputs, 0.002F);
  out.biases = normal(rng, outputs, 0.1F);
  return out;
}

}  // namespace testing_parts

/// `vocabulary`: one piece a line.
inline EncoderData testing_encoder(std::string_view vocabulary, int blocks = 2) {
  using testing_parts::normal, testing_parts::random_layer;
  const auto pieces = static_cast<std::size_t>(std::ranges::count(vocabulary, '\n'));
  std::mt19937 rng(7);
  EncoderData out;
  out.width = 32;
  out.heads = 4;
  out.inner = 64;
  out.vocabulary = vocabulary;
  out.piece_scales.assign(pieces, 0.01F);
  out.pieces = random_layer(rng, pieces, 32).weights;
  out.positions = normal(rng, kMaxPieces * 32, 0.1F);
  const EncoderData::Norm norm{std::vector<float>(32, 1.0F), std::vector<float>(32, 0.0F)};
  out.input_norm = norm;
  for (int i = 0; i < blocks; ++i) {
    out.blocks.push_back({random_layer(rng, 32, 96), random_layer(rng, 32, 32), norm, random_layer(rng, 32, 64),
                          random_layer(rng, 64, 32), norm});
  }
  return out;
}

/// Knows every word of ASCII letters, digits and some marks, letter by letter.
inline std::string vocabulary_of_letters() {
  std::string out = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n";
  for (const char c : std::string_view("abcdefghijklmnopqrstuvwxyz0123456789.,?!'-$%"))
    out += std::string(1, c) + "\n##" + c + "\n";
  return out;
}

}  // namespace sb::triage
