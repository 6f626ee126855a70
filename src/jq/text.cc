#include "jq/text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/bytes.h"
#include "base/html_page.h"

namespace sb::jq {
namespace {

constexpr std::string_view kBase32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

// The layout of David Gay's g_fmt with jq's threshold of 15 extra digits.
std::string layout(std::string_view digits, int point) {
  std::string out;
  const int count = static_cast<int>(digits.size());
  if (point <= -4 || point > count + 15) {
    out += digits[0];
    if (count > 1) out.append(".").append(digits.substr(1));
    const int exponent = point - 1;
    out.append(exponent < 0 ? "e-" : "e+");
    if (std::abs(exponent) < 10) out += '0';
    out += std::to_string(std::abs(exponent));
  } else if (point <= 0) {
    out.append("0.").append(static_cast<std::size_t>(-point), '0').append(digits);
  } else if (point >= count) {
    out.append(digits).append(static_cast<std::size_t>(point - count), '0');
  } else {
    out.append(digits.substr(0, static_cast<std::size_t>(point))).append(".");
    out.append(digits.substr(static_cast<std::size_t>(point)));
  }
  return out;
}

std::string double_text(double x) {
  if (std::isnan(x)) return "null";
  if (std::isinf(x)) x = std::copysign(std::numeric_limits<double>::max(), x);
  std::array<char, 32> buffer;
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::abs(x), std::chars_format::scientific).ptr;
  const std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  const auto e = text.find('e');
  std::string digits(text.substr(0, 1));
  if (e > 2) digits += text.substr(2, e - 2);
  int exponent = 0;
  std::from_chars(text.data() + e + (text[e + 1] == '+' ? 2 : 1), text.data() + text.size(), exponent);
  return (std::signbit(x) ? "-" : "") + layout(digits, x == 0 ? 1 : exponent + 1);
}

void append_uri(std::string& out, std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool unreserved = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                            std::string_view("-_.~").find(c) != std::string_view::npos;
    if (unreserved) {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
}

Fault cannot(const Value& value, std::string_view what) {
  const std::string kind(kind_name(value));
  return {kind + " " + std::string(what), kind + " (" + excerpt(value) + ") " + std::string(what)};
}

std::optional<Fault> format_row(const Value& value, bool csv, std::string& out) {
  const auto* row = value.if_array();
  if (!row)
    return cannot(
        value, csv ? "cannot be csv-formatted, only an array can be" : "cannot be tsv-formatted, only an array can be");
  bool first = true;
  for (const auto& cell : *row) {
    if (!std::exchange(first, false)) out += csv ? ',' : '\t';
    if (cell.is_number() || cell.is_bool()) {
      append_dump(out, cell);
    } else if (const auto* text = cell.if_string()) {
      if (csv) out += '"';
      for (const char c : *text) {
        if (csv)
          out.append(c == '"' ? "\"\"" : std::string_view(&c, 1));
        else
          out.append(c == '\t'   ? "\\t"
                     : c == '\n' ? "\\n"
                     : c == '\r' ? "\\r"
                     : c == '\\' ? "\\\\"
                                 : std::string_view(&c, 1));
      }
      if (csv) out += '"';
    } else if (!cell.is_null()) {
      return cannot(cell, "is not valid in a csv row");
    }
  }
  return std::nullopt;
}

std::optional<Fault> append_shell(std::string& out, const Value& value) {
  if (value.is_structured()) return cannot(value, "can not be escaped for shell");
  const auto* text = value.if_string();
  if (!text) return append_dump(out, value), std::nullopt;
  out += '\'';
  for (const char c : *text) out.append(c == '\'' ? "'\\''" : std::string_view(&c, 1));
  out += '\'';
  return std::nullopt;
}

std::optional<Fault> format_shell(const Value& value, std::string& out) {
  const auto* items = value.if_array();
  if (!items) return append_shell(out, value);
  for (std::size_t i = 0; i < items->size(); ++i) {
    if (i > 0) out += ' ';
    if (auto fault = append_shell(out, (*items)[i])) return fault;
  }
  return std::nullopt;
}

// Lenient, as jq is: missing padding is fine, other characters are not.
std::optional<std::string> decode_base64(std::string text) {
  while (!text.empty() && text.back() == '=') text.pop_back();
  if (text.size() % 4 == 1) return std::nullopt;
  text.append((4 - text.size() % 4) % 4, '=');
  return from_base64(text);
}

void append_valid_utf8(std::string& out, std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) append_utf8(out, next_codepoint(bytes, at));
}

void append_base32(std::string& out, std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size(); at += 5) {
    std::uint64_t group = 0;
    const std::size_t count = std::min<std::size_t>(5, bytes.size() - at);
    for (std::size_t i = 0; i < 5; ++i)
      group = group << 8 | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    const std::size_t digits = (count * 8 + 4) / 5;
    for (std::size_t i = 0; i < 8; ++i) out += i < digits ? kBase32[group >> (35 - 5 * i) & 31] : '=';
  }
}

std::optional<std::string> decode_base32(std::string_view text) {
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  for (const char c : text) {
    const auto digit = kBase32.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 5 | static_cast<std::uint32_t>(digit);
    count += 5;
    if (count >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 0xff);
  }
  return bytes;
}

}  // namespace

std::string number_text(const Value& value) {
  if (value.is_int64()) return std::to_string(value.get_int64());
  if (value.is_uint64()) return std::to_string(value.get_uint64());
  return double_text(value.get_double());
}

void append_dump(std::string& out, const Value& value) {
  switch (value.kind()) {
    case json::kind::null:
      out += "null";
      break;
    case json::kind::bool_:
      out += value.get_bool() ? "true" : "false";
      break;
    case json::kind::string:
      append_json_string(out, value.get_string());
      break;
    case json::kind::array: {
      out += '[';
      bool first = true;
      for (const auto& item : value.get_array()) {
        if (!std::exchange(first, false)) out += ',';
        append_dump(out, item);
      }
      out += ']';
      break;
    }
    case json::kind::object: {
      out += '{';
      bool first = true;
      for (const auto& [key, item] : value.get_object()) {
        if (!std::exchange(first, false)) out += ',';
        append_json_string(out, key);
        out += ':';
        append_dump(out, item);
      }
      out += '}';
      break;
    }
    default:
      out += number_text(value);
  }
}

std::string dump(const Value& value) {
  std::string out;
  append_dump(out, value);
  return out;
}

std::string text_of(const Value& value) {
  if (const auto* text = value.if_string()) return std::string(*text);
  return dump(value);
}

std::string excerpt(const Value& value) {
  constexpr std::size_t kExcerptBytes = 11;
  if (value.is_structured() && copy_cost(value) > 4096) return value.is_array() ? "[..." : "{...";
  std::string text = dump(value);
  if (text.size() <= kExcerptBytes) return text;
  std::size_t cut = kExcerptBytes - 3;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;
  return text.substr(0, cut) + "...";
}

std::int64_t count_codepoints(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

std::size_t codepoint_offset(std::string_view text, std::int64_t index) {
  for (std::size_t at = 0; at < text.size(); ++at)
    if ((static_cast<unsigned char>(text[at]) & 0xc0) != 0x80 && index-- <= 0) return at;
  return text.size();
}

char32_t next_codepoint(std::string_view text, std::size_t& at) {
  const auto first = static_cast<unsigned char>(text[at++]);
  if (first < 0x80) return first;
  const std::size_t length = first >= 0xf0 && first < 0xf5   ? 4
                             : first >= 0xe0 && first < 0xf0 ? 3
                             : first >= 0xc2 && first < 0xe0 ? 2
                                                             : 0;
  if (length == 0 || at - 1 + length > text.size() || !is_valid_utf8(text.substr(at - 1, length))) return 0xfffd;
  char32_t codepoint = first & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i)
    codepoint = codepoint << 6 | (static_cast<unsigned char>(text[at++]) & 0x3fU);
  return codepoint;
}

void append_utf8(std::string& out, char32_t c) {
  if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) c = 0xfffd;
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

std::optional<Format> format_named(std::string_view name) {
  static constexpr std::pair<std::string_view, Format> kFormats[] = {
      {"text", Format::text},       {"json", Format::json},     {"csv", Format::csv},        {"tsv", Format::tsv},
      {"html", Format::html},       {"uri", Format::uri},       {"sh", Format::sh},          {"base64", Format::base64},
      {"base64d", Format::base64d}, {"base32", Format::base32}, {"base32d", Format::base32d}};
  for (const auto& [known, format] : kFormats)
    if (known == name) return format;
  return std::nullopt;
}

std::optional<Fault> format_value(Format format, const Value& value, std::string& out) {
  switch (format) {
    case Format::text:
      out += text_of(value);
      return std::nullopt;
    case Format::json:
      append_dump(out, value);
      return std::nullopt;
    case Format::csv:
      return format_row(value, true, out);
    case Format::tsv:
      return format_row(value, false, out);
    case Format::html:
      out += escape_html(text_of(value));
      return std::nullopt;
    case Format::uri:
      append_uri(out, text_of(value));
      return std::nullopt;
    case Format::sh:
      return format_shell(value, out);
    case Format::base64:
      out += to_base64(text_of(value));
      return std::nullopt;
    case Format::base32:
      append_base32(out, text_of(value));
      return std::nullopt;
    case Format::base64d:
    case Format::base32d: {
      const auto bytes = format == Format::base64d ? decode_base64(text_of(value)) : decode_base32(text_of(value));
      if (!bytes)
        return cannot(value, format == Format::base64d ? "is not valid base64 data" : "is not valid base32 data");
      append_valid_utf8(out, *bytes);
      return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace sb::jq
