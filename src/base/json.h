/// JSON, two ways and no third: Boost.JSON builds and changes documents; simdjson On-Demand reads the hot path's bytes,
/// and edits are spliced into the original text, so that what we do not know passes byte for byte (STACK 2).
#pragma once

#include <simdjson.h>

#include <boost/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"

namespace sb {

namespace json = boost::json;

/// Whole document. `depth_max` is above 64 only for what we wrote ourselves around such a document.
/// Errors: invalid_argument (byte offset in `detail`).
Result<json::value> parse_json(std::string_view text, std::size_t depth_max = 64);
std::string to_text(const json::value& value);

/// How many bytes at the front of `text` stand for themselves in a string literal: printable ASCII, no quote or
/// backslash.
std::size_t plain_json_prefix(std::string_view text);

/// Appends `text` as a JSON string literal, quotes included. Invalid UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);
/// The same without the quotes: for splicing into an existing literal.
void append_json_escaped(std::string& out, std::string_view text);

/// The member of an object, or null where `value` is no object or has no such member.
const json::value* find_member(const json::value& value, std::string_view key);
/// The part of `document` that a JSON pointer (RFC 6901) names; null where there is none.
const json::value* at_pointer(const json::value& document, std::string_view pointer);
/// An array of texts.
json::array texts(const std::vector<std::string>& lines);
std::string_view string_member(const json::value& value, std::string_view key, std::string_view otherwise = {});
std::int64_t int_member(const json::value& value, std::string_view key, std::int64_t otherwise = 0);
bool bool_member(const json::value& value, std::string_view key, bool otherwise = false);

/// A copy of `text` with room behind it, as simdjson's On-Demand parser needs.
using PaddedText = simdjson::padded_string;

/// Replacements of byte ranges of one text, applied in one pass; bytes outside the ranges stay as they are.
class TextEdits {
 public:
  /// Ranges must not overlap; any order. `size` 0 inserts.
  void replace(std::size_t offset, std::size_t size, std::string text);
  bool empty() const { return edits_.empty(); }
  std::string apply(std::string_view original) const;

 private:
  struct Edit {
    std::size_t offset;
    std::size_t size;
    std::string text;
  };
  mutable std::vector<Edit> edits_;
};

}  // namespace sb
