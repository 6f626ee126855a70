/// Text forms of values: numbers, dumps, UTF-8, and the @formats.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "jq/values.h"

namespace sb::jq {

/// Shortest digits that give the same double, laid out as jq does (1e-05, 1e+17, 1.5); infinities as the largest
/// double, nan as "null".
std::string number_text(const Value& number);
void append_dump(std::string& out, const Value& value);
std::string dump(const Value& value);
/// `tostring`: strings as they are, everything else dumped.
std::string text_of(const Value& value);
/// A dump cut to a few bytes, for messages that `catch` sees.
std::string excerpt(const Value& value);

std::int64_t count_codepoints(std::string_view text);
/// Byte offset of the codepoint number `index`; text.size() if there are fewer.
std::size_t codepoint_offset(std::string_view text, std::int64_t index);
/// Reads the codepoint at `at` and moves past it. Invalid bytes read as U+FFFD.
char32_t next_codepoint(std::string_view text, std::size_t& at);
void append_utf8(std::string& out, char32_t codepoint);

enum class Format : std::uint8_t { text, json, csv, tsv, html, uri, sh, base64, base64d, base32, base32d };
std::optional<Format> format_named(std::string_view name);  ///< without the "@"
std::optional<Fault> format_value(Format format, const Value& value, std::string& out);

}  // namespace sb::jq
