/// The data that flows between tasks: JSON that is text until somebody looks inside.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace sb::flow {

/// An immutable JSON document, cheap to copy. A request that passes through a flow untouched is never parsed into a
/// tree and never serialised again: its bytes are the caller's (prompt caches depend on that). Not thread-safe: one
/// shard.
class Data {
 public:
  Data() : Data(json::value(nullptr)) {}
  explicit Data(json::value value) : node_(std::make_shared<Node>()) { node_->value = std::move(value); }

  /// Takes text that is known to be valid JSON (it was scanned by a guard, or we wrote it).
  static Data from_text(std::string text) {
    Data data{nullptr_t_tag{}};
    data.node_ = std::make_shared<Node>();
    data.node_->text = std::move(text);
    return data;
  }

  const std::string& text() const {
    if (!node_->text) node_->text = to_text(*node_->value);
    return *node_->text;
  }

  /// Parsed on first use. Text that is not JSON after all reads as null.
  const json::value& value() const {
    if (!node_->value) node_->value = parse_json(*node_->text).value_or(json::value(nullptr));
    return *node_->value;
  }

  /// True where both are the same document, not merely equal ones.
  bool same_as(const Data& other) const { return node_ == other.node_; }

 private:
  struct nullptr_t_tag {};
  explicit Data(nullptr_t_tag) {}

  struct Node {
    std::optional<std::string> text;
    std::optional<json::value> value;
  };
  std::shared_ptr<Node> node_;
};

}  // namespace sb::flow
