/// Tokens of a jq program, one at a time: strings are read piecewise because they nest whole programs.
#pragma once

#include <string>
#include <string_view>

#include "base/errors.h"

namespace sb::jq {

enum class TokenKind : std::uint8_t { end, field, word, variable, number, quote, format, symbol };

struct Token {
  TokenKind kind = TokenKind::end;
  std::string_view text;   ///< without ".", "$" or "@"; symbols and numbers as written
  std::size_t column = 1;  ///< 1-based byte
};

/// Borrowed source; no lookahead, so that a string's inside can be read in another mode.
class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  /// Errors: invalid_argument.
  Result<Token> next();

  /// After an opening quote or an interpolation's ")": appends characters up to the closing quote (returns false) or to
  /// "\(" (returns true). Errors: invalid_argument.
  Result<bool> string_part(std::string& out);

  std::size_t column() const { return at_ + 1; }

 private:
  Result<void> escape(std::string& out);
  Result<char32_t> hex4();
  void skip_blanks();
  Token take(TokenKind kind, std::size_t skip, std::size_t size);

  std::string_view source_;
  std::size_t at_ = 0;
};

std::unexpected<Error> syntax_error(std::size_t column, std::string_view what);

}  // namespace sb::jq
