/// JSON for the record of decisions: leaves, which are public and stay for ever, and the columns that stand beside
/// sealed ones in clear. No text of a caller's, a model's or a service's gets in, whatever a flow makes of it: a text
/// is taken only as a `RecordText`, and who makes one of anything but a literal says whose it is.
#pragma once

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "base/json_writer.h"

namespace sb {

/// A text that everybody may read for ever. Borrowed.
class RecordText {
 public:
  /// Written in this program.
  template <std::size_t N>
  consteval RecordText(const char (&literal)[N]) : text_(literal, N - 1) {}
  /// Made by this program of nothing that it was sent: a code, an id, a hash, a version.
  static RecordText ours(std::string_view text) { return RecordText(text); }
  /// As it stands in what the server is run with: configuration, policy, triage, a flow's document. Never what one of
  /// these evaluates to.
  static RecordText configured(std::string_view text) { return RecordText(text); }

  std::string_view text() const { return text_; }

 private:
  explicit RecordText(std::string_view text) : text_(text) {}
  std::string_view text_;
};

/// A document that a RecordWriter wrote; empty: none.
class RecordJson {
 public:
  RecordJson() = default;
  bool empty() const { return json_.empty(); }
  const std::string& text() const& { return json_; }
  std::string text() && { return std::move(json_); }

 private:
  friend class RecordWriter;
  explicit RecordJson(std::string json) : json_(std::move(json)) {}
  std::string json_;
};

/// A JsonWriter that takes no text but RecordText. Members in the order of their bytes: the record copies what is in
/// canonical form already (RFC 8785).
class RecordWriter {
 public:
  explicit RecordWriter(std::size_t reserve_bytes = 256) : out_(reserve_bytes) {}

  RecordWriter& begin_object() { return out_.begin_object(), *this; }
  RecordWriter& end_object() { return out_.end_object(), *this; }
  RecordWriter& begin_array() { return out_.begin_array(), *this; }
  RecordWriter& end_array() { return out_.end_array(), *this; }
  RecordWriter& key(RecordText name) { return out_.key(name.text()), *this; }

  RecordWriter& string(RecordText value) { return out_.string(value.text()), *this; }
  RecordWriter& decimal(double value, int digits) { return out_.decimal(value, digits), *this; }
  RecordWriter& document(const RecordJson& value) { return out_.raw(value.text()), *this; }

  // A member in one call.
  RecordWriter& member(RecordText name, RecordText value) { return key(name).string(value); }
  RecordWriter& member(RecordText name, const RecordJson& value) { return key(name).document(value); }
  RecordWriter& member(RecordText name, std::same_as<bool> auto value) {
    return out_.member(name.text(), value), *this;
  }
  template <std::integral Integer>
    requires(!std::same_as<Integer, bool>)
  RecordWriter& member(RecordText name, Integer value) {
    return out_.member(name.text(), value), *this;
  }

  RecordJson take() && { return RecordJson(std::move(out_).take()); }

 private:
  JsonWriter out_;
};

}  // namespace sb
