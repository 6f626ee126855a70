/// What of a text may be looked at for one decision: nothing before `low`, nothing behind `limit` or `window`.
///
/// A decision about the token that begins at b sees the bytes [b - 64, b + 64) alone, so that a stream decides as the
/// whole text does, however it was cut. A neighbour is seen if it lies in there together with the character that ends
/// it and the one before it; else it is not there at all. Where characters vanish or escapes are long the window of 64
/// characters may end earlier: the character that ends a neighbour must begin inside it. So what is seen follows from
/// what stands before that character, not from what vanishes behind it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "policy/tagger/features.h"

namespace sb::policy::tagger {

inline constexpr std::int64_t kFieldSightBytes = 44;

/// Places are few bytes, so that it is handed on in registers: a slice of text is some KB.
struct Sight {
  std::int32_t low = 0;
  std::int32_t limit = 0;
  std::int32_t window = 0;  ///< at most `limit`; what has not come may end it earlier

  static Sight around(const Token& token) { return reaching(token, kSightBytes); }
  /// What may be looked at to decide on the token itself.
  static Sight of(const Token& token) { return reaching(token, token.window); }
  /// What both let see.
  Sight within(const Sight& other) const {
    return {std::max(low, other.low), std::min(limit, other.limit), std::min(window, other.window)};
  }
  bool has_start_of(const Token& token) const { return before(token.begin) >= low; }
  bool has_end(std::int64_t end) const { return end + kCharacterBytes <= limit && end < window; }
  bool has_end_of(const Token& token) const { return has_end(token.end); }

  /// The lowest byte that must be known for a token to begin at `begin`: the character before it, whole.
  static std::int64_t before(std::uint32_t begin) { return begin - kCharacterBytes; }

  static constexpr std::int64_t kCharacterBytes = 4;

 private:
  static Sight reaching(const Token& token, std::int64_t window) {
    constexpr auto kSight = static_cast<std::int32_t>(kSightBytes);
    const auto begin = static_cast<std::int32_t>(token.begin);
    return {begin - kSight, begin + kSight, begin + static_cast<std::int32_t>(window)};
  }
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
