// Indexing, slicing and path assignment: the part of values.h that follows keys into containers.
#include <algorithm>
#include <cmath>

#include "jq/text.h"
#include "jq/values.h"

namespace sb::jq {
namespace {

constexpr std::size_t kMaxArrayIndex = 1'000'000;  // .[1e9] = 1 must not allocate what no input ever held

Fault cannot_index(const Value& container, const Value& key) {
  std::string safe = "Cannot index " + std::string(kind_name(container)) + " with ";
  std::string message =
      safe + (key.is_string() ? "\"" + std::string(key.get_string()) + "\"" : std::string(kind_name(key)));
  safe += kind_name(key);
  return {std::move(safe), std::move(message)};
}

bool is_slice(const Value& key) {
  return key.is_object();
}

struct Range {
  std::size_t from;
  std::size_t to;
};

// Bounds as jq has them: from rounds down, to rounds up, negatives count from the end, both clamp.
std::optional<Range> bounds(const Value& from, const Value& to, std::size_t size) {
  if (!(from.is_null() || from.is_number()) || !(to.is_null() || to.is_number())) return std::nullopt;
  const auto count = static_cast<double>(size);
  double low = from.is_null() ? 0 : to_double(from);
  double high = to.is_null() ? count : to_double(to);
  if (std::isnan(low)) low = 0;
  if (std::isnan(high)) high = count;
  if (low < 0) low += count;
  if (high < 0) high += count;
  low = std::clamp(std::floor(low), 0.0, count);
  high = std::clamp(std::ceil(high), 0.0, count);
  return Range{static_cast<std::size_t>(low), static_cast<std::size_t>(std::max(low, high))};
}

const Value& part(const Value& key, std::string_view name) {
  const auto* found = key.get_object().if_contains(name);
  return found ? *found : kNullValue;
}

json::array indices_of(const json::array& where, const json::array& what) {
  json::array found;
  if (what.empty()) return found;
  for (std::size_t at = 0; at + what.size() <= where.size(); ++at)
    if (std::equal(what.begin(), what.end(), where.begin() + static_cast<std::ptrdiff_t>(at), equal))
      found.push_back(static_cast<std::int64_t>(at));
  return found;
}

std::optional<Fault> set_slice(Value& root, const Value& key, const json::array& path, std::size_t at, Value&& value) {
  if (root.is_null()) root = json::array();
  if (!root.is_array()) return plain("Cannot update field at object index of " + std::string(kind_name(root)));
  const auto range = bounds(part(key, "start"), part(key, "end"), root.get_array().size());
  if (!range) return plain("Start and end indices of an array slice must be numbers");
  auto& array = root.get_array();
  const auto first = array.begin() + static_cast<std::ptrdiff_t>(range->from);
  Value inner = json::array(first, array.begin() + static_cast<std::ptrdiff_t>(range->to));
  if (auto fault = set_path(inner, path, at + 1, std::move(value))) return fault;
  if (!inner.is_array()) return plain("A slice of an array can only be assigned another array");
  const auto gap = array.erase(first, array.begin() + static_cast<std::ptrdiff_t>(range->to));
  array.insert(gap, inner.get_array().begin(), inner.get_array().end());
  return std::nullopt;
}

std::optional<Fault> delete_one(Value& root, const json::array& path, std::size_t at);

std::optional<Fault> delete_last(Value& root, const Value& key) {
  if (root.is_null()) return std::nullopt;
  if (root.is_object() && key.is_string()) {
    auto& object = root.get_object();
    if (const auto it = object.find(key.get_string()); it != object.end()) object.stable_erase(it);
    return std::nullopt;
  }
  if (root.is_array() && key.is_number()) {
    auto& array = root.get_array();
    std::int64_t index = to_index(key);
    if (index < 0) index += static_cast<std::int64_t>(array.size());
    if (index >= 0 && index < static_cast<std::int64_t>(array.size())) array.erase(array.begin() + index);
    return std::nullopt;
  }
  if (root.is_array() && is_slice(key)) {
    auto& array = root.get_array();
    const auto range = bounds(part(key, "start"), part(key, "end"), array.size());
    if (!range) return plain("Start and end indices of an array slice must be numbers");
    array.erase(array.begin() + static_cast<std::ptrdiff_t>(range->from),
                array.begin() + static_cast<std::ptrdiff_t>(range->to));
    return std::nullopt;
  }
  return plain("Cannot delete field at " + std::string(kind_name(key)) + " index of " + std::string(kind_name(root)));
}

std::optional<Fault> delete_one(Value& root, const json::array& path, std::size_t at) {
  if (root.is_null()) return std::nullopt;
  if (at == path.size()) return root = nullptr, std::nullopt;
  const Value& key = path[at];
  if (at + 1 == path.size()) return delete_last(root, key);
  std::optional<Fault> fault;
  Value scratch;
  const Value* child = index(root, key, scratch, fault);
  if (!child) return fault;
  if (child->is_null()) return std::nullopt;
  if (root.is_object()) return delete_one(root.get_object().at(key.get_string()), path, at + 1);
  if (is_slice(key)) {
    if (auto inner = delete_one(scratch, path, at + 1)) return inner;
    return set_path(root, json::array{key}, 0, std::move(scratch));
  }
  std::int64_t position = to_index(key);
  if (position < 0) position += static_cast<std::int64_t>(root.get_array().size());
  return delete_one(root.get_array()[static_cast<std::size_t>(position)], path, at + 1);
}

}  // namespace

const Value* member(const Value& container, std::string_view key, std::optional<Fault>& fault) {
  if (const auto* object = container.if_object()) {
    const auto* found = object->if_contains(key);
    return found ? found : &kNullValue;
  }
  if (container.is_null()) return &kNullValue;
  fault = cannot_index(container, Value(key));
  return nullptr;
}

const Value* index(const Value& container, const Value& key, Value& scratch, std::optional<Fault>& fault) {
  if (const auto* name = key.if_string()) return member(container, *name, fault);
  if (key.is_number() && (container.is_array() || container.is_null())) {
    if (container.is_null() || (key.is_double() && std::isnan(key.get_double()))) return &kNullValue;
    const auto& array = container.get_array();
    std::int64_t at = to_index(key);
    if (at < 0) at += static_cast<std::int64_t>(array.size());
    return at < 0 || at >= static_cast<std::int64_t>(array.size()) ? &kNullValue : &array[static_cast<std::size_t>(at)];
  }
  if (is_slice(key)) {
    if (container.is_null()) return &kNullValue;
    if (container.is_array() || container.is_string()) {
      fault = slice(container, part(key, "start"), part(key, "end"), scratch);
      return fault ? nullptr : &scratch;
    }
  }
  if (key.is_array() && container.is_array()) {
    scratch = indices_of(container.get_array(), key.get_array());
    return &scratch;
  }
  fault = cannot_index(container, key);
  return nullptr;
}

std::optional<Fault> slice(const Value& container, const Value& from, const Value& to, Value& out) {
  if (container.is_null()) return out = nullptr, std::nullopt;
  if (!container.is_array() && !container.is_string())
    return plain("Cannot index " + std::string(kind_name(container)) + " with object");
  const auto* text = container.if_string();
  const std::size_t size = text ? static_cast<std::size_t>(count_codepoints(*text)) : container.get_array().size();
  const auto range = bounds(from, to, size);
  if (!range) return plain("Start and end indices of an array slice must be numbers");
  if (text) {
    const std::string_view all(*text);
    const std::size_t begin = codepoint_offset(all, static_cast<std::int64_t>(range->from));
    const std::size_t length = codepoint_offset(all.substr(begin), static_cast<std::int64_t>(range->to - range->from));
    out = json::string(all.substr(begin, length));
  } else {
    const auto& array = container.get_array();
    out = json::array(array.begin() + static_cast<std::ptrdiff_t>(range->from),
                      array.begin() + static_cast<std::ptrdiff_t>(range->to));
  }
  return std::nullopt;
}

std::optional<Fault> set_path(Value& root, const json::array& path, std::size_t at, Value&& value) {
  if (at == path.size()) return root = std::move(value), std::nullopt;
  const Value& key = path[at];
  if (const auto* name = key.if_string()) {
    if (root.is_null()) root = json::object();
    if (!root.is_object()) return cannot_index(root, key);
    return set_path(root.get_object()[*name], path, at + 1, std::move(value));
  }
  if (key.is_number()) {
    if (root.is_null()) root = json::array();
    if (!root.is_array()) return cannot_index(root, key);
    auto& array = root.get_array();
    std::int64_t position = to_index(key);
    if (position < 0) position += static_cast<std::int64_t>(array.size());
    if (position < 0) return plain("Out of bounds negative array index");
    if (static_cast<std::size_t>(position) >= kMaxArrayIndex) return plain("Array index too large");
    if (static_cast<std::size_t>(position) >= array.size()) array.resize(static_cast<std::size_t>(position) + 1);
    return set_path(array[static_cast<std::size_t>(position)], path, at + 1, std::move(value));
  }
  if (is_slice(key)) return set_slice(root, key, path, at, std::move(value));
  return cannot_index(root, key);
}

std::optional<Fault> get_path(const Value& root, const json::array& path, Value& out) {
  const Value* at = &root;
  Value scratch;
  for (const auto& key : path) {
    if (at->is_null()) break;  // jq: getpath through null is null whatever the keys are
    std::optional<Fault> fault;
    Value made;
    const Value* next = index(*at, key, made, fault);
    if (!next) return fault;
    if (next == &made) {
      scratch = std::move(made);
      next = &scratch;
    }
    at = next;
  }
  out = *at;
  return std::nullopt;
}

std::optional<Fault> delete_paths(Value& root, json::array paths) {
  for (const auto& path : paths)
    if (!path.is_array()) return plain("Path must be specified as an array");
  std::ranges::sort(paths, [](const Value& a, const Value& b) { return compare(a, b) < 0; });
  for (auto path = paths.rbegin(); path != paths.rend(); ++path)
    if (auto fault = delete_one(root, path->get_array(), 0)) return fault;
  return std::nullopt;
}

std::optional<Fault> has_key(const Value& container, const Value& key, bool& out) {
  if (container.is_object() && key.is_string()) {
    out = container.get_object().contains(key.get_string());
  } else if (container.is_array() && key.is_number()) {
    const double at = std::trunc(to_double(key));
    out = at >= 0 && at < static_cast<double>(container.get_array().size());
  } else {
    return plain("Cannot check whether " + std::string(kind_name(container)) + " has a " +
                 std::string(key.is_string() ? "string" : kind_name(key)) + " key");
  }
  return std::nullopt;
}

}  // namespace sb::jq
