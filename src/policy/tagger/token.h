/// Words, numbers and marks of a text, with everything the tagger's features need, worked out once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace sb::policy::tagger {

/// What is longer is no name.
inline constexpr std::size_t kMaxTokenBytes = 40;
/// How far is seen from a token's beginning, both ways.
inline constexpr std::int64_t kSightBytes = 64;

/// What a token looks like. Order matters to the weights file: append, and raise its version.
enum class Shape : std::uint8_t {
  none,         ///< no token there
  lower,        ///< "street"
  capitalised,  ///< "Street"
  upper,        ///< "LYSS"
  initial,      ///< "J"
  mixed,        ///< "McBride", "iPhone"
  caseless,     ///< letters of a script without case
  digits1,
  digits2,
  digits3,
  digits4,
  digits5,
  digits6,
  digits_more,
  digit_first,   ///< "221B"
  letter_first,  ///< "NW1"
  identifier,    ///< "user_id"
  mark,          ///< one character of punctuation
  overlong,      ///< longer than can be decided on: never a name
};

/// What stands between a token and the one before.
enum class Gap : std::uint8_t { none, blank, blanks, line };

/// Letters are compared without case and without accents: "Łódź" hashes like "lodz".
struct Token {
  std::uint32_t begin = 0;  ///< bytes of the text
  std::uint32_t end = 0;
  std::uint32_t word = 0;     ///< hash of the folded token; digits count as '0'
  std::uint32_t prefix3 = 0;  ///< hashes of the first and last folded characters
  std::uint32_t prefix4 = 0;
  std::uint32_t suffix2 = 0;
  std::uint32_t suffix3 = 0;
  std::uint32_t suffix4 = 0;
  Shape shape = Shape::none;
  Gap gap = Gap::none;
  std::uint8_t length = 0;     ///< characters, at most 255
  std::uint8_t gazetteer = 0;  ///< flags of `Gazetteer`
  bool accented = false;
  std::uint8_t window = kSightBytes;  ///< bytes from `begin` on in which what is seen begins: fewer where some vanished
  std::uint32_t field = 0;            ///< hash of the word before the last ':', '=' or '>' ("name": ...), 0 if none
  std::uint32_t field_begin = 0;      ///< where that word stands
};

/// The token that begins at `at` or at the first byte behind blanks there; its `end` is `text.size()` or less. An empty
/// token (shape none, begin = end = size) where only blanks are left. Invalid UTF-8 is read byte by byte as marks.
/// Reads at most kMaxTokenBytes + 4 bytes of a token; what is longer is `overlong`.
Token next_token(std::string_view text, std::size_t at);

/// All tokens of `text`, with their fields. `field`: key_hash of the key the text stands under.
void tokenise(std::string_view text, std::vector<Token>& out, std::uint32_t field = 0);

/// The word that tells what a key holds: "name" of "customer_name" and "lastName".
std::uint32_t key_hash(std::string_view key);

/// Hash of a folded word as `Token::word` has it, for lists; 0 where `word` is not exactly one token.
std::uint32_t word_hash(std::string_view word);

}  // namespace sb::policy::tagger
