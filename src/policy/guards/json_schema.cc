#include "policy/guards/json_schema.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/yaml.h"
#include "policy/guards/json_schema_values.h"

namespace sb::policy {
namespace {

constexpr std::size_t kMaxPatterns = 1000;
constexpr std::int64_t kPatternBytes = 256 << 10;
// Branching multiplies work; a document that costs more than this is refused like one that does not fit.
constexpr std::size_t kMaxSteps = 1'000'000;

constexpr std::string_view kUnsupported[] = {"$dynamicRef",           "$dynamicAnchor",   "$anchor",
                                             "unevaluatedProperties", "unevaluatedItems", "$recursiveRef",
                                             "dependencies",          "additionalItems"};
// Keywords whose value is a schema, a list of schemas, a map of schemas.
constexpr std::string_view kSchemas[] = {
    "additionalProperties", "propertyNames", "items", "contains", "not", "if", "then", "else"};
constexpr std::string_view kSchemaLists[] = {"allOf", "anyOf", "oneOf", "prefixItems"};
constexpr std::string_view kSchemaMaps[] = {"properties", "patternProperties", "$defs", "definitions",
                                            "dependentSchemas"};

bool among(std::string_view word, std::span<const std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

std::string SchemaFault::to_string() const {
  return fmt::format("at \"{}\": {}", pointer.empty() ? "/" : pointer, expected);
}

struct JsonSchema::Parts {
  json::value root;
  std::map<std::string, std::unique_ptr<re2::RE2>, std::less<>> patterns;

  Result<> prepare(const json::value& schema, const std::string& at, int depth);
  Result<> add_pattern(std::string_view source, const std::string& at);
  const json::value* find(std::string_view reference) const;
};

// Refuses what we would misunderstand, and compiles the expressions.
Result<> JsonSchema::Parts::prepare(const json::value& schema, const std::string& at, int depth) {
  if (depth > kMaxDepth) return fail(Errc::invalid_argument, fmt::format("schema {}: nested too deep", at));
  if (schema.is_bool()) return {};
  if (!schema.is_object()) return fail(Errc::invalid_argument, fmt::format("schema {}: must be a mapping", at));
  for (const auto& [key, value] : schema.get_object()) {
    const std::string place = at + "/" + std::string(key);
    if (among(key, kUnsupported)) return fail(Errc::unsupported, fmt::format("schema {}: not supported", place));
    if (key == "$ref" && (!value.is_string() || !find(value.get_string())))
      return fail(Errc::unsupported, fmt::format("schema {}: refers to nothing in this schema", place));
    if (key == "pattern" && value.is_string()) SB_CHECK(add_pattern(value.get_string(), place));
    if (among(key, kSchemas)) SB_CHECK(prepare(value, place, depth + 1));
    if (among(key, kSchemaLists)) {
      if (!value.is_array()) return fail(Errc::invalid_argument, fmt::format("schema {}: must be a list", place));
      for (const auto& item : value.get_array()) SB_CHECK(prepare(item, place, depth + 1));
    }
    if (among(key, kSchemaMaps)) {
      if (!value.is_object()) return fail(Errc::invalid_argument, fmt::format("schema {}: must be a mapping", place));
      for (const auto& [name, item] : value.get_object()) {
        if (key == "patternProperties") SB_CHECK(add_pattern(name, place));
        SB_CHECK(prepare(item, place + "/" + std::string(name), depth + 1));
      }
    }
  }
  return {};
}

Result<> JsonSchema::Parts::add_pattern(std::string_view source, const std::string& at) {
  if (patterns.contains(source)) return {};
  if (patterns.size() >= kMaxPatterns) return fail(Errc::too_large, fmt::format("schema {}: too many patterns", at));
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternBytes);
  auto pattern = std::make_unique<re2::RE2>(piece(source), options);
  if (!pattern->ok()) return fail(Errc::unsupported, fmt::format("schema {}: {}", at, pattern->error()));
  patterns.emplace(source, std::move(pattern));
  return {};
}

// "#", "#/$defs/x".
const json::value* JsonSchema::Parts::find(std::string_view reference) const {
  if (!reference.starts_with('#')) return nullptr;
  boost::system::error_code error;
  const auto* found = root.find_pointer(percent_decoded(reference.substr(1)), error);
  return error ? nullptr : found;
}

namespace {

/// One walk of a document along a schema. Each keyword's function says what it expected; empty: satisfied.
class Validation {
 public:
  using Find = std::function<const json::value*(std::string_view)>;
  using Matches = std::function<bool(std::string_view pattern, std::string_view text)>;

  Validation(Find find, Matches matches, std::size_t& steps)
      : find_(std::move(find)), matches_(std::move(matches)), steps_(steps) {}

  bool valid(const json::value& schema, const json::value& value, const std::string& at, int depth) {
    if (++steps_ > kMaxSteps || depth > JsonSchema::kMaxDepth * 2) return refuse(at, "depth", "a smaller document");
    if (schema.is_bool()) return schema.get_bool() || refuse(at, "false", "nothing here");
    const auto& o = schema.get_object();
    if (const auto* ref = o.if_contains("$ref")) {
      const auto* target = find_(ref->get_string());
      if (!target || !valid(*target, value, at, depth + 1)) return false;
    }
    return type_fits(o, value, at) && branches_fit(o, value, at, depth) &&
           (!value.is_number() || number_fits(o, value, at)) &&
           (!value.is_string() || string_fits(o, std::string_view(value.get_string()), at)) &&
           (!value.is_array() || array_fits(o, value.get_array(), at, depth)) &&
           (!value.is_object() || object_fits(o, value.get_object(), at, depth));
  }

  SchemaFault fault;

 private:
  bool refuse(const std::string& at, std::string_view keyword, std::string expected) {
    fault = {at, std::string(keyword), std::move(expected)};
    return false;
  }

  bool type_fits(const json::object& o, const json::value& value, const std::string& at) {
    if (const auto* type = o.if_contains("type")) {
      bool fits = type->is_string() && is_of_type(value, type->get_string());
      for (const auto& one : type->is_array() ? type->get_array() : json::array())
        fits = fits || (one.is_string() && is_of_type(value, one.get_string()));
      if (!fits) return refuse(at, "type", fmt::format("must be of type {}", to_text(*type)));
    }
    if (const auto* one = o.if_contains("const"); one && !equal_values(*one, value))
      return refuse(at, "const", fmt::format("must be {}", to_text(*one)));
    if (const auto* all = o.if_contains("enum"); all && all->is_array()) {
      if (std::ranges::none_of(all->get_array(), [&](const auto& one) { return equal_values(one, value); }))
        return refuse(at, "enum", fmt::format("must be one of {}", to_text(*all)));
    }
    return true;
  }

  bool branches_fit(const json::object& o, const json::value& value, const std::string& at, int depth) {
    const auto count = [&](const json::array& schemas) {
      return std::ranges::count_if(schemas, [&](const auto& s) { return valid(s, value, at, depth + 1); });
    };
    if (const auto* all = o.if_contains("allOf")) {
      for (const auto& one : all->get_array()) {
        if (!valid(one, value, at, depth + 1)) return false;
      }
    }
    if (const auto* any = o.if_contains("anyOf"); any && count(any->get_array()) == 0)
      return refuse(at, "anyOf", "must fit one of the alternatives");
    if (const auto* one = o.if_contains("oneOf"); one && count(one->get_array()) != 1)
      return refuse(at, "oneOf", "must fit exactly one of the alternatives");
    if (const auto* no = o.if_contains("not"); no && valid(*no, value, at, depth + 1))
      return refuse(at, "not", "must not be what is excluded");
    if (const auto* condition = o.if_contains("if")) {
      const auto* then = o.if_contains(valid(*condition, value, at, depth + 1) ? "then" : "else");
      if (then && !valid(*then, value, at, depth + 1)) return false;
    }
    return true;
  }

  bool number_fits(const json::object& o, const json::value& value, const std::string& at) {
    const auto bound = [&](std::string_view key, auto broken, std::string_view words) {
      const auto* limit = o.if_contains(key);
      if (!limit || !limit->is_number() || !broken(compare_numbers(value, *limit))) return true;
      return refuse(at, key, fmt::format("must be {} {}", words, to_text(*limit)));
    };
    if (const auto* step = o.if_contains("multipleOf"); step && step->is_number() && !is_multiple(value, *step))
      return refuse(at, "multipleOf", fmt::format("must be a multiple of {}", to_text(*step)));
    return bound(
               "minimum", [](int c) { return c < 0; }, "at least") &&
           bound(
               "maximum", [](int c) { return c > 0; }, "at most") &&
           bound(
               "exclusiveMinimum", [](int c) { return c <= 0; }, "more than") &&
           bound("exclusiveMaximum", [](int c) { return c >= 0; }, "less than");
  }

  bool size_fits(const json::object& o, std::size_t size, std::string_view least, std::string_view most,
                 std::string_view what, const std::string& at) {
    const auto* low = o.if_contains(least);
    if (low && low->is_number() && static_cast<double>(size) < low->to_number<double>())
      return refuse(at, least, fmt::format("must have at least {} {}", to_text(*low), what));
    const auto* high = o.if_contains(most);
    if (high && high->is_number() && static_cast<double>(size) > high->to_number<double>())
      return refuse(at, most, fmt::format("must have at most {} {}", to_text(*high), what));
    return true;
  }

  bool string_fits(const json::object& o, std::string_view text, const std::string& at) {
    if (!size_fits(o, count_code_points(text), "minLength", "maxLength", "characters", at)) return false;
    const auto* pattern = o.if_contains("pattern");
    if (pattern && pattern->is_string() && !matches_(pattern->get_string(), text))
      return refuse(at, "pattern", fmt::format("must match {}", std::string_view(pattern->get_string())));
    return true;
  }

  bool array_fits(const json::object& o, const json::array& items, const std::string& at, int depth) {
    if (!size_fits(o, items.size(), "minItems", "maxItems", "items", at)) return false;
    if (const auto* unique = o.if_contains("uniqueItems"); unique && unique->is_bool() && unique->get_bool()) {
      if (has_equal_pair(items, steps_)) return refuse(at, "uniqueItems", "must not have an item twice");
    }
    std::size_t next = 0;
    if (const auto* prefix = o.if_contains("prefixItems")) {
      for (; next < std::min(items.size(), prefix->get_array().size()); ++next) {
        if (!valid(prefix->get_array()[next], items[next], at + "/" + std::to_string(next), depth + 1)) return false;
      }
    }
    if (const auto* rest = o.if_contains("items")) {
      for (; next < items.size(); ++next) {
        if (!valid(*rest, items[next], at + "/" + std::to_string(next), depth + 1)) return false;
      }
    }
    if (const auto* contains = o.if_contains("contains")) {
      const auto found = static_cast<std::size_t>(
          std::ranges::count_if(items, [&](const auto& item) { return valid(*contains, item, at, depth + 1); }));
      if (found == 0 && !o.contains("minContains")) return refuse(at, "contains", "must have a certain item");
      return size_fits(o, found, "minContains", "maxContains", "such items", at);
    }
    return true;
  }

  bool object_fits(const json::object& o, const json::object& members, const std::string& at, int depth) {
    if (!size_fits(o, members.size(), "minProperties", "maxProperties", "members", at)) return false;
    for (const auto& name : list_of(o, "required")) {
      if (name.is_string() && !members.contains(name.get_string()))
        return refuse(at, "required", fmt::format("must have \"{}\"", std::string_view(name.get_string())));
    }
    if (const auto* dependent = o.if_contains("dependentRequired"); dependent && dependent->is_object()) {
      for (const auto& [name, needs] : dependent->get_object()) {
        if (!members.contains(name) || !needs.is_array()) continue;
        for (const auto& need : needs.get_array()) {
          if (need.is_string() && !members.contains(need.get_string()))
            return refuse(at, "dependentRequired",
                          fmt::format("must have \"{}\"", std::string_view(need.get_string())));
        }
      }
    }
    if (const auto* dependent = o.if_contains("dependentSchemas")) {
      for (const auto& [name, schema] : dependent->get_object()) {
        if (members.contains(name) && !valid(schema, json::value(members), at, depth + 1)) return false;
      }
    }
    return std::ranges::all_of(members, [&](const auto& member) { return member_fits(o, member, at, depth); });
  }

  bool member_fits(const json::object& o, const json::key_value_pair& member, const std::string& at, int depth) {
    const std::string place = pointer_append(at, member.key());
    if (const auto* names = o.if_contains("propertyNames");
        names && !valid(*names, json::value(json::string(member.key())), place, depth + 1))
      return false;
    bool known = false;
    if (const auto* properties = o.if_contains("properties")) {
      if (const auto* schema = properties->get_object().if_contains(member.key())) {
        known = true;
        if (!valid(*schema, member.value(), place, depth + 1)) return false;
      }
    }
    if (const auto* patterns = o.if_contains("patternProperties")) {
      for (const auto& [pattern, schema] : patterns->get_object()) {
        if (!matches_(pattern, member.key())) continue;
        known = true;
        if (!valid(schema, member.value(), place, depth + 1)) return false;
      }
    }
    const auto* others = known ? nullptr : o.if_contains("additionalProperties");
    if (others && others->is_bool() && !others->get_bool())
      return refuse(at, "additionalProperties", "must not have members that the schema does not name");
    return !others || valid(*others, member.value(), place, depth + 1);
  }

  static const json::array& list_of(const json::object& o, std::string_view key) {
    static const json::array none;
    const auto* list = o.if_contains(key);
    return list && list->is_array() ? list->get_array() : none;
  }

  Find find_;
  Matches matches_;
  std::size_t& steps_;
};

}  // namespace

JsonSchema::JsonSchema(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
JsonSchema::~JsonSchema() = default;

Result<std::shared_ptr<const JsonSchema>> JsonSchema::compile(const json::value& schema) {
  auto parts = std::make_unique<Parts>();
  parts->root = schema;
  if (to_text(schema).size() > kMaxBytes)
    return fail(Errc::too_large, fmt::format("a schema has at most {} bytes", kMaxBytes));
  SB_CHECK(parts->prepare(parts->root, "", 0));
  return std::shared_ptr<const JsonSchema>(new JsonSchema(std::move(parts)));
}

std::optional<SchemaFault> JsonSchema::first_fault(const json::value& document) const {
  std::size_t steps = 0;
  return first_fault(document, steps);
}

std::optional<SchemaFault> JsonSchema::first_fault(const json::value& document, std::size_t& steps_done) const {
  Validation validation([this](std::string_view reference) { return parts_->find(reference); },
                        [this](std::string_view pattern, std::string_view text) {
                          const auto found = parts_->patterns.find(pattern);
                          return found != parts_->patterns.end() && re2::RE2::PartialMatch(piece(text), *found->second);
                        },
                        steps_done);
  if (validation.valid(parts_->root, document, "", 0)) return std::nullopt;
  return std::move(validation.fault);
}

}  // namespace sb::policy
