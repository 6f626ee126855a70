/// What of a text may be looked at for one decision: nothing before `low`, nothing behind `limit`.
///
/// A decision about the token that begins at b sees the bytes [b - 64, b + 64) alone, so that a stream decides as the
/// whole text does, however it was cut. A neighbour is seen if it lies in there together with the character that ends
/// it and the one before it; else it is not there at all.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "policy/tagger/features.h"

namespace sb::policy::tagger {

inline constexpr std::int64_t kFieldSightBytes = 44;

struct Sight {
  std::int64_t low = 0;
  std::int64_t limit = 0;

  static Sight around(const Token& token) { return {token.begin - kSightBytes, token.begin + kSightBytes}; }
  /// What may be looked at to decide on the token itself.
  static Sight of(const Token& token) { return {token.begin - kSightBytes, token.begin + std::int64_t{token.sight}}; }
  bool has_start_of(const Token& token) const { return before(token.begin) >= low; }
  bool has_end(std::int64_t end) const { return end + kCharacterBytes <= limit; }
  bool has_end_of(const Token& token) const { return has_end(token.end); }

  /// The lowest byte that must be known for a token to begin at `begin`: the character before it, whole.
  static std::int64_t before(std::uint32_t begin) { return begin - kCharacterBytes; }

  static constexpr std::int64_t kCharacterBytes = 4;
};

/// How far a look went: the lowest byte read before the token, and the last token looked at. `wanted_more`: there was
/// room for another token in sight, but no more text.
struct Looked {
  std::int64_t low = 0;
  std::int64_t end = 0;  ///< `end` of the last token seen
  bool wanted_more = false;

  friend bool operator==(const Looked&, const Looked&) = default;

  /// The furthest of both.
  void add(const Looked& other) {
    low = std::min(low, other.low);
    end = std::max(end, other.end);
    wanted_more = wanted_more || other.wanted_more;
  }
};

/// The neighbours of tokens[at], by the narrower of `sight` and the token's own.
Neighbourhood neighbours(std::span<const Token> tokens, std::size_t at, Sight sight, Looked& looked);

}  // namespace sb::policy::tagger
