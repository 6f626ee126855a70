#include "base/json_writer.h"

#include <array>
#include <charconv>
#include <cmath>

#include "base/json.h"

namespace sb {

// What was written last tells whether a comma is due: only an opening bracket or a colon stands before a first value.
void JsonWriter::separate() {
  if (out_.empty()) return;
  const char last = out_.back();
  if (last != '{' && last != '[' && last != ':') out_ += ',';
}

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  out_ += bracket;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  out_ += bracket;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  ((out_ += '"') += name) += "\":";
  return *this;
}

JsonWriter& JsonWriter::string(std::string_view value) {
  separate();
  append_json_string(out_, value);
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

JsonWriter& JsonWriter::integer(std::int64_t value) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  return raw({digits.data(), static_cast<std::size_t>(end - digits.data())});
}

JsonWriter& JsonWriter::decimal(double value, int digits) {
  // Scores, probabilities, seconds: what is larger is an integer to any reader.
  if (!std::isfinite(value) || std::abs(value) > 1e15) return raw("null");
  std::array<char, 48> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, digits).ptr;
  std::string_view shown(text.data(), static_cast<std::size_t>(end - text.data()));
  if (shown.find('.') != std::string_view::npos) {
    shown = shown.substr(0, shown.find_last_not_of('0') + 1);
    if (shown.back() == '.') shown.remove_suffix(1);
  }
  return raw(shown == "-0" ? "0" : shown);
}

}  // namespace sb
