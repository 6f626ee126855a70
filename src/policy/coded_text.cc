#include "policy/coded_text.h"

#include <algorithm>

#include "base/bytes.h"
#include "policy/utf16.h"

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

constexpr std::string_view kLittleMark = "\xff\xfe", kBigMark = "\xfe\xff";

// Text without a mark, mostly of ASCII: the zero of each unit stands behind its letter or before it.
TextCode code_by_zeros(std::string_view bytes) {
  constexpr std::size_t kLook = 64;
  std::size_t zeros[2] = {};
  const auto first = bytes.substr(0, kLook);
  for (std::size_t i = 0; i < first.size(); ++i) zeros[i % 2] += first[i] == '\0';
  const auto are_telling = [&](std::size_t some, std::size_t others) {
    return 4 * some > first.size() && 8 * others < some;
  };
  if (are_telling(zeros[1], zeros[0])) return TextCode::utf16_little;
  return are_telling(zeros[0], zeros[1]) ? TextCode::utf16_big : TextCode::utf8;
}

TextCode code_of(std::string_view bytes, std::string_view head) {
  if (bytes.starts_with(kLittleMark)) return TextCode::utf16_little;
  if (bytes.starts_with(kBigMark)) return TextCode::utf16_big;
  const auto begin = sb::to_lower(head);
  if (begin.contains("charset=utf-16le")) return TextCode::utf16_little;
  if (begin.contains("charset=utf-16be")) return TextCode::utf16_big;
  return code_by_zeros(bytes);
}

ByteOrder order_of(TextCode code) {
  return code == TextCode::utf16_little ? ByteOrder::little : ByteOrder::big;
}

CodedText read_bytes(std::string_view head, std::string bytes) {
  const TextCode code = code_of(bytes, head);
  if (code == TextCode::utf8) return {head, std::move(bytes)};
  const bool has_mark = bytes.starts_with(kLittleMark) || bytes.starts_with(kBigMark);
  const std::size_t begin = has_mark ? kLittleMark.size() : 0;
  const std::size_t end = bytes.size() - bytes.size() % 2;
  const auto units = std::string_view(bytes).substr(begin, end - begin);
  return {head, utf8_of(units, order_of(code)), code, bytes.substr(0, begin), bytes.substr(end)};
}

}  // namespace

std::optional<CodedText> read_coded_text(std::string_view value, bool is_file) {
  const auto head = text_head(value);
  const auto base64 = value.substr(head.size());
  if (head.empty()) {
    if (!is_file || base64.size() < kLeastFile) return std::nullopt;
    auto first = decode(base64.substr(0, kFirstLook));
    if (!first || !is_plain(read_bytes(head, std::move(*first)).text)) return std::nullopt;
  }
  auto bytes = decode(base64);
  if (!bytes) return std::nullopt;
  auto file = read_bytes(head, std::move(*bytes));
  const bool is_text = is_plain(file.text) && (file.code != TextCode::utf8 || is_valid_utf8(file.text));
  if (head.empty() && !is_text) return std::nullopt;
  return file;
}

std::string bytes_of(const CodedText& file, std::string_view text) {
  const auto bytes = file.code == TextCode::utf8 ? std::string(text) : utf16_of(text, order_of(file.code));
  return file.mark + bytes + file.rest;
}

std::string code_bytes(const CodedText& file, std::string_view bytes) {
  return std::string(file.head) + to_base64(bytes);
}

std::string code_text(const CodedText& file, std::string_view text) {
  return code_bytes(file, bytes_of(file, text));
}

}  // namespace sb::policy
