/// Writes a JSON document front to back into one string: no tree, no format strings, one allocation. For what is
/// written on every request; documents that are changed after they were built are Boost.JSON's (json.h).
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace sb {

/// The caller says what opens and what closes; commas come by themselves. Nothing is sorted: who wants the text in
/// canonical form (RFC 8785), as the record does, names members in the order of their bytes.
class JsonWriter {
 public:
  explicit JsonWriter(std::size_t reserve_bytes = 256) { out_.reserve(reserve_bytes); }

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }

  /// `name`: printable ASCII without quotes and backslashes.
  JsonWriter& key(std::string_view name);

  JsonWriter& string(std::string_view value);
  JsonWriter& boolean(bool value) { return raw(value ? "true" : "false"); }
  template <std::integral Integer>
  JsonWriter& number(Integer value) {
    return integer(static_cast<std::int64_t>(value));
  }
  /// `value` rounded to at most `digits` (0..9) places behind the point, without trailing zeros; not finite: null.
  JsonWriter& decimal(double value, int digits);
  /// A value that is JSON already.
  JsonWriter& raw(std::string_view json);

  // A member in one call.
  JsonWriter& member(std::string_view name, std::string_view value) { return key(name).string(value); }
  JsonWriter& member(std::string_view name, const char* value) { return key(name).string(value); }
  JsonWriter& member(std::string_view name, std::same_as<bool> auto value) { return key(name).boolean(value); }
  template <std::integral Integer>
    requires(!std::same_as<Integer, bool>)
  JsonWriter& member(std::string_view name, Integer value) {
    return key(name).number(value);
  }

  std::string take() && { return std::move(out_); }
  std::string_view text() const { return out_; }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  JsonWriter& integer(std::int64_t value);
  void separate();

  std::string out_;
};

}  // namespace sb
