#include "model/schema_instance.h"

#include <algorithm>
#include <cmath>

#include "base/bytes.h"

namespace sb::model {
namespace {

constexpr int kDepthMax = 16;
constexpr std::int64_t kItemsMax = 64;
constexpr std::int64_t kLengthMax = 4096;

class Builder {
 public:
  explicit Builder(const json::value& root) : root_(root) {}

  json::value build(const json::value& schema, int depth) const {
    if (depth > kDepthMax || !schema.is_object()) return nullptr;
    for (const char* fixed : {"const", "default"}) {
      if (const auto* value = find_member(schema, fixed)) return *value;
    }
    if (const auto* choices = find_member(schema, "enum"); choices && choices->is_array()) {
      return choices->get_array().empty() ? json::value() : choices->get_array().front();
    }
    if (const auto* reference = find_member(schema, "$ref"); reference && reference->is_string()) {
      const auto* target = resolve(std::string_view(reference->get_string()));
      return target ? build(*target, depth + 1) : json::value();
    }
    for (const char* branch : {"anyOf", "oneOf"}) {
      const auto* list = find_member(schema, branch);
      if (list && list->is_array() && !list->get_array().empty()) return build(list->get_array().front(), depth + 1);
    }
    if (const auto* parts = find_member(schema, "allOf"); parts && parts->is_array()) return build_all(*parts, depth);
    return build_type(schema, type_of(schema), depth);
  }

 private:
  static std::string_view type_of(const json::value& schema) {
    const auto* type = find_member(schema, "type");
    if (type && type->is_array() && !type->get_array().empty()) type = &type->get_array().front();
    if (type && type->is_string()) return std::string_view(type->get_string());
    if (find_member(schema, "properties")) return "object";
    return find_member(schema, "items") ? "array" : "string";
  }

  // Only "#/..." (RFC 6901 in a fragment).
  const json::value* resolve(std::string_view reference) const {
    if (!reference.starts_with("#/")) return nullptr;
    const json::value* at = &root_;
    for (const std::string_view token : split(reference.substr(2), '/')) {
      at = find_member(*at, token);
      if (!at) return nullptr;
    }
    return at;
  }

  json::value build_all(const json::value& parts, int depth) const {
    json::object merged;
    for (const auto& part : parts.get_array()) {
      json::value value = build(part, depth + 1);
      if (!value.is_object()) return value;
      for (auto& member : value.get_object()) merged[member.key()] = std::move(member.value());
    }
    return merged;
  }

  json::value build_type(const json::value& schema, std::string_view type, int depth) const {
    if (type == "object") return build_object(schema, depth);
    if (type == "array") return build_array(schema, depth);
    if (type == "boolean") return true;
    if (type == "null") return nullptr;
    if (type == "integer" || type == "number") return build_number(schema, type == "integer");
    return build_string(schema);
  }

  json::value build_object(const json::value& schema, int depth) const {
    json::object object;
    const auto* properties = find_member(schema, "properties");
    const auto* required = find_member(schema, "required");
    if (!required || !required->is_array()) return object;
    for (const auto& name : required->get_array()) {
      if (!name.is_string()) continue;
      const auto* property = properties ? find_member(*properties, name.get_string()) : nullptr;
      object[name.get_string()] = property ? build(*property, depth + 1) : json::value("simulated");
    }
    return object;
  }

  json::value build_array(const json::value& schema, int depth) const {
    json::array array;
    const auto count = std::clamp<std::int64_t>(int_member(schema, "minItems"), 0, kItemsMax);
    const auto* items = find_member(schema, "items");
    for (std::int64_t i = 0; i < count; ++i)
      array.push_back(items ? build(*items, depth + 1) : json::value("simulated"));
    return array;
  }

  static json::value build_number(const json::value& schema, bool whole) {
    double value = 1;
    const auto bound = [&](const char* key) -> std::optional<double> {
      const auto* member = find_member(schema, key);
      return member && member->is_number() ? std::optional(member->to_number<double>()) : std::nullopt;
    };
    const double step = whole ? 1 : 0.5;
    if (const auto high = bound("maximum")) value = std::min(value, *high);
    if (const auto high = bound("exclusiveMaximum"); high && value >= *high) value = *high - step;
    if (const auto low = bound("minimum")) value = std::max(value, *low);
    if (const auto low = bound("exclusiveMinimum"); low && value <= *low) value = *low + step;
    if (const auto unit = bound("multipleOf"); unit && *unit > 0) value = std::ceil(value / *unit) * *unit;
    if (whole && std::abs(value) < 9e15) return static_cast<std::int64_t>(std::ceil(value));
    return value;
  }

  static json::value build_string(const json::value& schema) {
    const std::string_view format = string_member(schema, "format");
    if (format == "date") return "2026-01-01";
    if (format == "date-time") return "2026-01-01T00:00:00Z";
    if (format == "time") return "00:00:00Z";
    if (format == "email") return "simulated@example.com";
    if (format == "uri" || format == "url") return "https://example.com/";
    if (format == "uuid") return "00000000-0000-4000-8000-000000000000";
    std::string text = "simulated";
    const auto low = std::clamp<std::int64_t>(int_member(schema, "minLength"), 0, kLengthMax);
    const auto high = std::clamp<std::int64_t>(int_member(schema, "maxLength", kLengthMax), 0, kLengthMax);
    text.resize(std::min<std::size_t>(text.size(), static_cast<std::size_t>(high)));
    text.resize(std::max<std::size_t>(text.size(), static_cast<std::size_t>(low)), '.');
    return json::string(text);
  }

  const json::value& root_;
};

}  // namespace

json::value minimal_instance(const json::value& schema) {
  return Builder(schema).build(schema, 0);
}

}  // namespace sb::model
