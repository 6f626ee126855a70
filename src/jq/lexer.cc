#include "jq/lexer.h"

#include <fmt/format.h>

#include "jq/text.h"

namespace sb::jq {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_word_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_word(char c) {
  return is_word_start(c) || is_digit(c);
}

std::size_t word_size(std::string_view text) {
  std::size_t size = 0;
  while (size < text.size() && is_word(text[size])) ++size;
  return size;
}

// "a::b" is one word, so that modules are refused by their full name.
std::size_t name_size(std::string_view text) {
  std::size_t size = word_size(text);
  while (size + 2 < text.size() && text.substr(size, 2) == "::" && is_word_start(text[size + 2]))
    size += 2 + word_size(text.substr(size + 2));
  return size;
}

std::size_t number_size(std::string_view text) {
  std::size_t size = 0;
  const auto digits = [&] {
    while (size < text.size() && is_digit(text[size])) ++size;
  };
  digits();
  if (size < text.size() && text[size] == '.') ++size, digits();
  if (size < text.size() && (text[size] == 'e' || text[size] == 'E')) {
    std::size_t sign = size + 1;
    if (sign < text.size() && (text[sign] == '+' || text[sign] == '-')) ++sign;
    if (sign < text.size() && is_digit(text[sign])) size = sign, digits();
  }
  return size;
}

std::size_t symbol_size(std::string_view text) {
  for (const std::string_view symbol :
       {"?//=", "?//", "//=", "|=", "+=", "-=", "*=", "/=", "%=", "==", "!=", "<=", ">=", "//", ".."})
    if (text.starts_with(symbol)) return symbol == "?//=" ? 1 : symbol.size();
  return std::string_view(".[]{}()|,:;=<>+-*/%?$").find(text[0]) == std::string_view::npos ? 0 : 1;
}

}  // namespace

std::unexpected<Error> syntax_error(std::size_t column, std::string_view what) {
  return fail(Errc::invalid_argument, fmt::format("jq: column {}: {}", column, what));
}

void Lexer::skip_blanks() {
  while (at_ < source_.size()) {
    const char c = source_[at_];
    if (c == '#') {
      while (at_ < source_.size() && source_[at_] != '\n') ++at_;
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++at_;
    } else {
      return;
    }
  }
}

Token Lexer::take(TokenKind kind, std::size_t skip, std::size_t size) {
  Token token{kind, source_.substr(at_ + skip, size), at_ + 1};
  at_ += skip + size;
  return token;
}

Result<Token> Lexer::next() {
  skip_blanks();
  const auto rest = source_.substr(at_);
  if (rest.empty()) return Token{TokenKind::end, {}, at_ + 1};
  const char c = rest[0];
  const char after = rest.size() > 1 ? rest[1] : '\0';
  if (c == '"') return take(TokenKind::quote, 0, 1);
  if (is_word_start(c)) return take(TokenKind::word, 0, name_size(rest));
  if (is_digit(c) || (c == '.' && is_digit(after))) return take(TokenKind::number, 0, number_size(rest));
  if (c == '.' && is_word_start(after)) return take(TokenKind::field, 1, word_size(rest.substr(1)));
  if (c == '$' && is_word_start(after)) return take(TokenKind::variable, 1, name_size(rest.substr(1)));
  if (c == '@' && is_word_start(after)) return take(TokenKind::format, 1, word_size(rest.substr(1)));
  const std::size_t size = symbol_size(rest);
  if (size == 0) return syntax_error(column(), "unexpected character");
  return take(TokenKind::symbol, 0, size);
}

Result<bool> Lexer::string_part(std::string& out) {
  while (at_ < source_.size()) {
    const char c = source_[at_++];
    if (c == '"') return false;
    if (c != '\\') {
      out += c;
      continue;
    }
    if (at_ < source_.size() && source_[at_] == '(') return ++at_, true;
    SB_CHECK(escape(out));
  }
  return syntax_error(column(), "the string is not closed: add \"");
}

Result<void> Lexer::escape(std::string& out) {
  const char c = at_ < source_.size() ? source_[at_++] : '\0';
  switch (c) {
    case '"':
    case '\\':
    case '/':
      out += c;
      return {};
    case 'b':
      out += '\b';
      return {};
    case 'f':
      out += '\f';
      return {};
    case 'n':
      out += '\n';
      return {};
    case 'r':
      out += '\r';
      return {};
    case 't':
      out += '\t';
      return {};
    case 'u': {
      SB_TRY(char32_t unit, hex4());
      if (unit >= 0xd800 && unit < 0xdc00 && source_.substr(at_).starts_with("\\u")) {
        const std::size_t before = at_;
        at_ += 2;
        SB_TRY(const char32_t low, hex4());
        if (low >= 0xdc00 && low < 0xe000)
          unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        else
          at_ = before;
      }
      append_utf8(out, unit);
      return {};
    }
    default:
      return syntax_error(column() - 1,
                          "unknown escape in a string; known: \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX \\(");
  }
}

Result<char32_t> Lexer::hex4() {
  if (at_ + 4 > source_.size()) return syntax_error(column(), "\\u needs four hexadecimal digits");
  char32_t unit = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = source_[at_++];
    const int digit = is_digit(c)            ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return syntax_error(column() - 1, "\\u needs four hexadecimal digits");
    unit = unit << 4 | static_cast<char32_t>(digit);
  }
  return unit;
}

}  // namespace sb::jq
