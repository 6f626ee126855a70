#include "policy/coded_text.h"

#include <algorithm>

#include "base/bytes.h"
#include "policy/utf16.h"

namespace sb::policy {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::size_t kMostHead = 1024;   // of a data URL, with all its parameters
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

struct Head {
  std::string_view all;  // "data:text/csv;name=a.csv;base64,", with the blanks on its sides; of no data URL, blanks
  std::string_view named = {};  // of its type and parameters what is no name
  std::string charset = {};
  bool is_url = false;
  bool is_text = false;
};

// Blanks before base64 count as read: programs leave them out.
std::string_view with_blanks(std::string_view value, std::size_t size) {
  const auto begin = value.find_first_not_of(kBlanks, size);
  return value.substr(0, begin);
}

// RFC 2397: "data:text/csv;charset=utf-8;base64,". Without a type it is text/plain.
Head read_head(std::string_view value) {
  constexpr std::string_view kScheme = "data:", kBase64 = "base64", kCharset = ";charset=";
  Head head{.all = with_blanks(value, 0)};
  const auto url = value.substr(head.all.size(), kMostHead);
  const auto comma = url.find(',');
  if (comma == std::string_view::npos || !iequals(url.substr(0, kScheme.size()), kScheme)) return head;
  auto said = trim(url.substr(kScheme.size(), comma - kScheme.size()));
  if (said.size() < kBase64.size() || !iequals(said.substr(said.size() - kBase64.size()), kBase64)) return head;
  said = trim(said.substr(0, said.size() - kBase64.size()));
  if (!said.empty() && said.back() != ';') return head;
  if (!said.empty()) said.remove_suffix(1);
  const auto lower = sb::to_lower(said);
  const auto type = std::string_view(lower).substr(0, lower.find(';'));
  if (const auto at = lower.find(kCharset); at != std::string::npos)
    head.charset = lower.substr(at + kCharset.size(), lower.find(';', at + 1) - at - kCharset.size());
  const bool is_charset_all =
      !lower.contains(';') || lower.size() == type.size() + kCharset.size() + head.charset.size();
  if (!is_charset_all || !is_name(type) || !is_name(head.charset)) head.named = said;
  head.is_url = true;
  head.is_text = type.empty() || is_text_type(trim(type));
  head.all = with_blanks(value, head.all.size() + comma + 1);
  return head;
}

// Both alphabets of RFC 4648, with padding or without, in lines or not.
std::optional<std::string> decode(std::string_view base64) {
  std::string text(base64);
  std::erase_if(text, [](char c) { return kBlanks.contains(c); });
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  while (text.ends_with('=')) text.pop_back();
  text.append((4 - text.size() % 4) % 4, '=');
  return text.ends_with("===") ? std::nullopt : from_base64(text);
}

// The first bytes of long base64: they tell text from pictures and sound.
std::optional<std::string> decode_first(std::string_view base64) {
  if (base64.size() <= kFirstLook) return decode(base64);
  std::string first(base64.substr(0, kFirstLook));
  std::erase_if(first, [](char c) { return kBlanks.contains(c); });
  first.resize(first.size() / 4 * 4);
  return decode(first);
}

Base64Lines lines_of(std::string_view base64) {
  Base64Lines lines;
  const auto last = base64.find_last_not_of(kBlanks);
  const auto size = last == std::string_view::npos ? 0 : last + 1;
  lines.tail = base64.substr(size);
  const auto coded = base64.substr(0, size);
  const auto width = coded.find_first_of("\r\n");
  if (width == std::string_view::npos) return lines;
  lines.width = width;
  lines.end = coded.substr(width, coded.find_first_not_of("\r\n", width) - width);
  return lines;
}

bool is_plain(std::string_view bytes) {
  return std::ranges::none_of(bytes, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    // Terminals' colours and the ends of pages are text, too.
    return byte == 0x7f || (byte < ' ' && !std::string_view("\t\r\n\f\v\b\a\x1b").contains(c));
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

TextCode code_of(std::string_view bytes, std::string_view charset) {
  if (bytes.starts_with(kLittleMark)) return TextCode::utf16_little;
  if (bytes.starts_with(kBigMark)) return TextCode::utf16_big;
  if (charset == "utf-16le") return TextCode::utf16_little;
  if (charset == "utf-16be") return TextCode::utf16_big;
  return code_by_zeros(bytes);
}

ByteOrder order_of(TextCode code) {
  return code == TextCode::utf16_little ? ByteOrder::little : ByteOrder::big;
}

CodedText read_bytes(const Head& head, std::string bytes) {
  CodedText file{.head = std::string(head.all), .named = head.named, .code = code_of(bytes, head.charset)};
  if (file.code == TextCode::utf8) {
    file.text = std::move(bytes);
    return file;
  }
  const bool has_mark = bytes.starts_with(kLittleMark) || bytes.starts_with(kBigMark);
  const std::size_t begin = has_mark ? kLittleMark.size() : 0;
  const std::size_t end = bytes.size() - bytes.size() % 2;
  file.text = utf8_of(std::string_view(bytes).substr(begin, end - begin), order_of(file.code));
  file.mark = bytes.substr(0, begin);
  file.rest = bytes.substr(end);
  return file;
}

bool is_text(const CodedText& file) {
  return is_plain(file.text) && (file.code != TextCode::utf8 || is_valid_utf8(file.text));
}

}  // namespace

std::optional<CodedText> read_coded_text(std::string_view value, bool is_file) {
  const Head head = read_head(value);
  if (!head.is_url && !is_file) return std::nullopt;
  const auto base64 = value.substr(head.all.size());
  if (!head.is_url && base64.size() < kLeastFile) return std::nullopt;
  if (!head.is_text) {
    auto first = decode_first(base64);
    if (!first || !is_plain(read_bytes(head, std::move(*first)).text)) return std::nullopt;
  }
  auto bytes = decode(base64);
  if (!bytes) return std::nullopt;
  auto file = read_bytes(head, std::move(*bytes));
  if (!head.is_text && !is_text(file)) return std::nullopt;
  file.lines = lines_of(base64);
  return file;
}

std::string bytes_of(const CodedText& file, std::string_view text) {
  const auto bytes = file.code == TextCode::utf8 ? std::string(text) : utf16_of(text, order_of(file.code));
  return file.mark + bytes + file.rest;
}

std::string code_bytes(const CodedText& file, std::string_view bytes) {
  const auto base64 = to_base64(bytes);
  const auto& [width, end, tail] = file.lines;
  std::string out = file.head;
  if (width == 0) {
    out += base64;
  } else {
    for (std::size_t at = 0; at < base64.size(); at += width) {
      if (at > 0) out += end;
      out += std::string_view(base64).substr(at, width);
    }
  }
  return out.append(tail);
}

}  // namespace sb::policy
