/// What a call cost: tokens, prices and money, all in integers.
///
/// Pure values and functions; any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/ids.h"

namespace sb::model {

/// Tokens of one call. `cached_input_tokens` is the part of `input_tokens` that the provider read from its prompt
/// cache.
struct Usage {
  std::int64_t input_tokens = 0;
  std::int64_t cached_input_tokens = 0;
  std::int64_t output_tokens = 0;
  bool estimated = false;  ///< counted by us (the provider said nothing, or its stream was cut), not by the provider

  bool operator==(const Usage&) const = default;
  /// Sum; estimated if either part is.
  Usage& operator+=(const Usage& other);
};

/// Micro-units of currency for one million tokens: 2.50 USD per million is 2'500'000.
struct Price {
  std::int64_t input = 0;
  std::int64_t cached_input = 0;
  std::int64_t output = 0;

  bool operator==(const Price&) const = default;
};

/// The cost of one call in micro-units.
///
/// The three products are summed exactly (128 bits) and rounded once, half up, to a whole micro-unit. So a call's cost
/// is within half a micro-unit of the exact figure, and the costs of n calls within n/2 micro-units of theirs. Negative
/// counts are taken as 0, cached tokens beyond `input_tokens` as `input_tokens`; more than 2^63-1 saturates.
MicroMoney cost_of(const Usage& usage, const Price& price);

/// Counts tokens without a tokenizer, for calls whose usage the provider does not tell.
///
/// A token is taken to be: 4 ASCII letters or blanks, 3 digits, 2 ASCII signs, 2.5 characters of a two-byte script
/// (accented Latin, Greek, Cyrillic, Hebrew, Arabic), 1 of a three-byte one (CJK, Thai, Devanagari), half an emoji.
/// Within about a fifth of byte-pair vocabularies on prose; it is for accounting, never for cutting a prompt to size.
/// The sum does not depend on how the text was cut into pieces.
class TokenEstimate {
 public:
  void add(std::string_view utf8);
  /// A message's framing: 4 tokens.
  void add_message() { sixtieths_ += 4 * 60; }
  void add_tokens(std::int64_t tokens) { sixtieths_ += tokens * 60; }
  std::int64_t tokens() const { return (sixtieths_ + 59) / 60; }

 private:
  std::int64_t sixtieths_ = 0;  // of a token: the least common multiple of the rates above
};

std::int64_t estimate_tokens(std::string_view utf8);

/// The prompt's tokens of an OpenAI chat request: all texts of its messages, 4 a message, tool definitions, and 765 an
/// image (what a 1024 x 1024 picture costs on the first vision models). 0 where it is no such request.
std::int64_t estimate_input_tokens(std::string_view request_body);

}  // namespace sb::model
