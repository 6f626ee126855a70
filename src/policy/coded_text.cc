#include "policy/coded_text.h"

#include <algorithm>

#include "base/bytes.h"

namespace sb::policy {
namespace {

constexpr std::string_view kMark = ";base64,";
constexpr std::size_t kMostHead = 96;     // of a data URL, with the character set
constexpr std::size_t kLeastFile = 16;    // bytes of base64 that stands alone: shorter is a word
constexpr std::size_t kFirstLook = 1024;  // bytes of base64 that tell text from pictures and sound

bool is_text_type(std::string_view type) {
  static constexpr std::string_view kTypes[] = {"application/json",       "application/xml",  "application/yaml",
                                                "application/x-yaml",     "application/toml", "application/x-ndjson",
                                                "application/javascript", "application/sql",  "application/x-sh",
                                                "application/x-httpd-php"};
  return type.starts_with("text/") || type.ends_with("+json") || type.ends_with("+xml") ||
         std::ranges::find(kTypes, type) != std::end(kTypes);
}

// A name of a type or a character set: no room for a value of somebody's.
bool is_name(std::string_view text) {
  constexpr std::ptrdiff_t kMostDigits = 6;  // "iso-8859-15"
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '+' || c == '/';
  };
  return std::ranges::all_of(text, fits) &&
         std::ranges::count_if(text, [](char c) { return c >= '0' && c <= '9'; }) <= kMostDigits;
}

// RFC 2397: "data:text/csv;charset=utf-8;base64,". Empty: it does not begin so.
std::string_view text_head(std::string_view value) {
  constexpr std::string_view kScheme = "data:", kCharset = ";charset=";
  if (!iequals(value.substr(0, kScheme.size()), kScheme)) return {};
  const auto begin = sb::to_lower(value.substr(0, kMostHead));
  const std::size_t mark = begin.find(kMark);
  if (mark == std::string::npos) return {};
  auto type = std::string_view(begin).substr(kScheme.size(), mark - kScheme.size());
  if (const auto charset = type.find(kCharset); charset != std::string_view::npos) {
    if (!is_name(type.substr(charset + kCharset.size()))) return {};
    type = type.substr(0, charset);
  }
  return is_name(type) && is_text_type(type) ? value.substr(0, mark + kMark.size()) : std::string_view();
}

// Both alphabets of RFC 4648, with padding or without.
std::optional<std::string> decode(std::string_view base64) {
  std::string text(base64);
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  while (text.ends_with('=')) text.pop_back();
  text.append((4 - text.size() % 4) % 4, '=');
  return text.ends_with("===") ? std::nullopt : from_base64(text);
}

bool is_plain(std::string_view bytes) {
  return std::ranges::none_of(bytes, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0x7f || (byte < ' ' && c != '\t' && c != '\r' && c != '\n');
  });
}

}  // namespace

std::optional<CodedText> read_coded_text(std::string_view value, bool is_file) {
  const auto head = text_head(value);
  const auto base64 = value.substr(head.size());
  if (head.empty()) {
    if (!is_file || base64.size() < kLeastFile) return std::nullopt;
    const auto first = decode(base64.substr(0, kFirstLook));
    if (!first || !is_plain(*first)) return std::nullopt;
  }
  auto text = decode(base64);
  if (!text || (head.empty() && !(is_plain(*text) && is_valid_utf8(*text)))) return std::nullopt;
  return CodedText{head, std::move(*text)};
}

std::string code_text(std::string_view head, std::string_view text) {
  return std::string(head) + to_base64(text);
}

}  // namespace sb::policy
