/// The tagger's weights: one row of eight for every feature hash, transitions between labels, lists of names.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "policy/tagger/features.h"
#include "policy/tagger/gazetteer.h"
#include "policy/tagger/labels.h"

namespace sb::policy::tagger {

using Scores = std::array<float, kLabels>;
using FeatureRows = std::array<std::uint32_t, kFeatures>;

/// In halves, so that it takes three steps and not eight.
inline float sum_of(const Scores& scores) {
  static_assert(kLabels == 8);
  std::array<float, 4> half;
  for (std::size_t l = 0; l < 4; ++l) half[l] = scores[l] + scores[l + 4];
  return (half[0] + half[2]) + (half[1] + half[3]);
}
inline float largest_of(const Scores& scores) {
  std::array<float, 4> half;
  for (std::size_t l = 0; l < 4; ++l) half[l] = std::max(scores[l], scores[l + 4]);
  return std::max(std::max(half[0], half[2]), std::max(half[1], half[3]));
}

/// What training makes and a file holds.
struct ModelData {
  std::uint32_t row_bits = 0;          ///< 2^row_bits rows
  float scale = 0;                     ///< of one step of a weight
  std::vector<std::int8_t> weights;    ///< [rows][kLabels]
  std::array<Scores, kLabels> next{};  ///< next[a][b]: log weight of label b behind label a
  Scores slope{};                      ///< calibration of a finding's log odds, by label: slope * x + shift
  Scores shift{};
  std::vector<std::uint32_t> gazetteer;  ///< Gazetteer::build
  std::string provenance;                ///< JSON: files and their hashes, command
};

/// The bytes of a weights file: magic, version, sizes, data, SHA-256 of all that.
std::string write_model(const ModelData& data);
/// Errors: corrupt, naming `origin` and what is wrong: no weights file, another version, truncated, changed bytes.
Result<ModelData> read_model(std::string_view bytes, std::string_view origin);

/// Where the weights begin in a file: a row of them lies within one line of the cache if that is a multiple of 8.
inline constexpr std::size_t kWeightsAt = 8 + 5 * 4 + sizeof(std::array<Scores, kLabels>) + 2 * sizeof(Scores);

/// A file whose two tables stay where they are.
struct ModelView {
  ModelData rest;  ///< without tables
  std::span<const std::int8_t> weights;
  std::span<const std::uint32_t> gazetteer;
};
/// `bytes` are aligned to 4 and outlive what is made of the view. Their digest is not checked, as that reads them all:
/// for bytes that are a part of the program. Errors: as read_model.
Result<ModelView> view_model(std::string_view bytes, std::string_view origin);

/// How well a label goes behind another, both ways round: sums run over whichever comes second.
struct Transitions {
  Transitions() = default;
  explicit Transitions(const std::array<Scores, kLabels>& next) : from(next) {
    for (std::size_t a = 0; a < kLabels; ++a) {
      for (std::size_t b = 0; b < kLabels; ++b) to[b][a] = next[a][b];
    }
  }

  std::array<Scores, kLabels> from;  ///< from[a][b]: of b behind a
  std::array<Scores, kLabels> to;    ///< to[b][a]: the same
};

/// Immutable, thread-safe.
class Model {
 public:
  explicit Model(ModelData data);
  explicit Model(ModelView view);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  Gazetteer gazetteer() const { return Gazetteer(gazetteer_); }

  /// The rows of the weights that speak of a token. They lie all over the table, which no near cache holds: they are on
  /// their way when this returns, and whoever has something else to do first gets them sooner.
  void find_rows(const Neighbourhood& around, FeatureRows& rows) const;

  /// exp(score - largest score) of each label, from this token's features alone.
  Scores emission(const FeatureRows& rows) const;
  Scores emission(const Neighbourhood& around) const {
    FeatureRows rows;
    find_rows(around, rows);
    return emission(rows);
  }

  /// exp(data().next).
  const Transitions& transitions() const { return transitions_; }

  /// Its tables are empty where they are viewed.
  const ModelData& data() const { return data_; }

 private:
  ModelData data_;
  std::span<const std::int8_t> weights_;
  std::span<const std::uint32_t> gazetteer_;
  Transitions transitions_;
};

/// Probabilities of the labels of chain[at], given the emissions of its neighbours.
Scores marginal(std::span<const Scores* const> chain, std::size_t at, const Transitions& next);

}  // namespace sb::policy::tagger
