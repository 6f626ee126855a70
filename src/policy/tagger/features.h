/// What the tagger knows of a token and its neighbours, as rows of its weight table.
#pragma once

#include <array>
#include <cstdint>

#include "policy/tagger/token.h"

namespace sb::policy::tagger {

inline constexpr int kBack = 3;   ///< tokens before the one in question that are read
inline constexpr int kAhead = 3;  ///< and behind it

/// A token among its neighbours: [kBack] is the one in question; neighbours out of sight have Shape::none.
struct Neighbourhood {
  std::array<const Token*, kBack + 1 + kAhead> tokens;
  std::uint32_t field = 0;  ///< Token::field where it is in sight
};

inline constexpr std::size_t kFeatures = 40;

/// Hashes of the features; the table's row is the hash's top bits.
void extract_features(const Neighbourhood& around, std::array<std::uint32_t, kFeatures>& out);

}  // namespace sb::policy::tagger
