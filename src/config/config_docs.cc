// The JSON Schema and the reference page, both walked off the declaration.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/schema.h"

namespace sb {
namespace {

using config::Key;
using config::KeyKind;
using config::Section;

constexpr auto kUnbounded = std::numeric_limits<std::int64_t>::max();

json::object section_schema(const Section& section);

void describe(json::object& out, const Key& key) {
  std::string about = *key.facts.about ? key.facts.about : key.inner->about;
  if (*key.facts.unit) about += fmt::format(" Unit: {}.", key.facts.unit);
  out["description"] = about;
  if (!key.default_value.is_null()) out["default"] = key.default_value;
}

void size_limits(json::object& out, const Key& key, const char* least, const char* most) {
  if (key.facts.min != 0) out[least] = key.facts.min;
  if (key.facts.max != kUnbounded) out[most] = key.facts.max;
}

json::object key_schema(const Key& key) {
  json::object out;
  switch (key.kind) {
    case KeyKind::boolean:
      out["type"] = "boolean";
      break;
    case KeyKind::integer:
      out["type"] = "integer";
      out["minimum"] = key.facts.min;
      if (key.facts.max != kUnbounded) out["maximum"] = key.facts.max;
      break;
    case KeyKind::text:
    case KeyKind::path:
      out["type"] = "string";
      if (key.facts.form) out["pattern"] = key.facts.form->pattern;
      break;
    case KeyKind::choice:
      out["enum"] = json::array(key.choices.begin(), key.choices.end());
      break;
    case KeyKind::secret:
      out["type"] = "string";
      out["pattern"] = "^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$";
      break;
    case KeyKind::section:
      out = section_schema(*key.inner);
      break;
    case KeyKind::list:
      out["type"] = "array";
      out["items"] = section_schema(*key.inner);
      size_limits(out, key, "minItems", "maxItems");
      break;
    case KeyKind::text_list:
      out["type"] = "array";
      out["items"] = json::object{{"type", "string"}};
      if (key.facts.form) out["items"].get_object()["pattern"] = key.facts.form->pattern;
      size_limits(out, key, "minItems", "maxItems");
      break;
    case KeyKind::map:
    case KeyKind::text_map:
      out["type"] = json::array{"object", "null"};
      if (key.facts.names) out["propertyNames"] = json::object{{"pattern", key.facts.names->pattern}};
      if (key.inner) {
        out["additionalProperties"] = section_schema(*key.inner);
      } else {
        out["additionalProperties"] = json::object{{"type", "string"}};
        if (key.facts.form) out["additionalProperties"].get_object()["pattern"] = key.facts.form->pattern;
      }
      size_limits(out, key, "minProperties", "maxProperties");
      break;
  }
  describe(out, key);
  return out;
}

json::object section_schema(const Section& section) {
  json::object properties;
  json::array required;
  for (const auto& key : section.keys) {
    properties[key.name] = key_schema(key);
    if (key.facts.required) required.emplace_back(key.name);
  }
  json::object out;
  // "null" is a section with nothing in it.
  if (required.empty())
    out["type"] = json::array{"object", "null"};
  else
    out["type"] = "object";
  out["description"] = section.about;
  out["additionalProperties"] = false;
  out["properties"] = std::move(properties);
  if (!required.empty()) out["required"] = std::move(required);
  return out;
}

void pretty(std::string& out, const json::value& value, std::size_t depth) {
  const auto* members = value.if_object();
  if (!members || members->empty()) {
    out += to_text(value);
    return;
  }
  out += "{\n";
  std::size_t left = members->size();
  for (const auto& [name, content] : *members) {
    out.append(2 * (depth + 1), ' ');
    append_json_string(out, name);
    out += ": ";
    pretty(out, content, depth + 1);
    out += --left > 0 ? ",\n" : "\n";
  }
  out.append(2 * depth, ' ');
  out += '}';
}

std::string type_text(const Key& key) {
  switch (key.kind) {
    case KeyKind::boolean:
      return "true or false";
    case KeyKind::integer:
      return "integer";
    case KeyKind::text:
      return "text";
    case KeyKind::path:
      return "path";
    case KeyKind::choice:
      return fmt::format("`{}`", fmt::join(key.choices, "`, `"));
    case KeyKind::secret:
      return "`env:NAME` or `file:PATH`";
    case KeyKind::text_list:
      return "list of texts";
    case KeyKind::text_map:
      return "name: text";
    case KeyKind::section:
    case KeyKind::list:
    case KeyKind::map:
      break;
  }
  return "section";
}

std::string range_text(const Key& key) {
  if (key.kind == KeyKind::text || key.kind == KeyKind::text_list || key.kind == KeyKind::text_map)
    return key.facts.form ? key.facts.form->expected : "";
  if (key.kind != KeyKind::integer) return "";
  const auto range = key.facts.max == kUnbounded ? fmt::format("from {}", key.facts.min)
                                                 : fmt::format("{} to {}", key.facts.min, key.facts.max);
  return *key.facts.unit ? fmt::format("{} {}", range, key.facts.unit) : range;
}

std::string default_text(const Key& key) {
  if (key.facts.required) return "**required**";
  if (key.default_value.is_null() || key.default_value == json::value("")) return "none";
  const auto* text = key.default_value.if_string();
  return fmt::format("`{}`", text ? std::string(*text) : to_text(key.default_value));
}

bool is_leaf(const Key& key) {
  return !key.inner;
}

// "providers" -> "providers.<name>", "deployments" -> "deployments[]".
std::string inner_path(const std::string& path, const Key& key) {
  const auto here = path.empty() ? key.name : path + "." + key.name;
  if (key.kind == KeyKind::map) return here + ".<name>";
  return key.kind == KeyKind::list ? here + "[]" : here;
}

void section_page(std::string& out, const Section& section, const std::string& path, const Key* owner) {
  if (owner) {
    out += fmt::format("## `{}`\n\n", path);
    if (*owner->facts.about) out += fmt::format("{} ", owner->facts.about);
    out += section.about;
    if (owner->kind == KeyKind::map && owner->facts.names)
      out += fmt::format(" A name is {}.", owner->facts.names->expected);
    if (owner->optional) out += " Leave the section out where it is not wanted.";
    if (owner->facts.required) out += " Required.";
    out += "\n\n";
  }
  if (std::ranges::any_of(section.keys, is_leaf)) {
    out += "| key | type | default | accepts | restart | |\n|---|---|---|---|---|---|\n";
    for (const auto& key : section.keys) {
      if (!is_leaf(key)) continue;
      out += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", key.name, type_text(key), default_text(key),
                         range_text(key), key.facts.restart ? "yes" : "no", key.facts.about);
    }
    out += '\n';
  }
  for (const auto& key : section.keys) {
    if (!is_leaf(key)) section_page(out, *key.inner, inner_path(path, key), &key);
  }
}

constexpr std::string_view kPreface =
    R"(# Configuration reference

<!-- Generated by `signalbox config docs`; the keys are declared in src/config/declaration/. -->

One file, `signalbox.yaml`: the one named with `--config`, else the one in the working directory, else the defaults on
this page. Nothing has to be written: an empty file is valid. `signalbox config check` reports everything wrong with a
file, with line and column; editors check it while you type with [the JSON Schema](signalbox.schema.json).

- **Unknown keys are errors**, with the nearest known key named.
- **Secrets are named, never written**: `env:NAME` (an environment variable) or `file:PATH` (the content of a file, the line
  end behind it left off). They are read when they are used, never printed.
- **Paths** that are not absolute start at the folder of the file.
- **One value for one start**: `--set server.listen=127.0.0.1:9000`; lists by index, `--set tiers.small.deployments[0].weight=3`;
  names with dots in quotes, `--set 'providers.local.models."qwen2.5".context_tokens=8192'`.
- Times, sizes and money carry their unit in the name or in the column *accepts*. Money is in micro-units: 1,000,000 are one
  unit of `currency`.
- *restart*: whether a change needs a new start.

)";

}  // namespace

std::string config_json_schema() {
  json::object schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", "signalbox.yaml"}};
  for (auto& [name, value] : section_schema(config::root_section())) schema[name] = std::move(value);
  std::string out;
  pretty(out, schema, 0);
  return out + "\n";
}

std::string config_reference() {
  std::string out(kPreface);
  section_page(out, config::root_section(), "", nullptr);
  out.pop_back();
  return out;
}

}  // namespace sb
