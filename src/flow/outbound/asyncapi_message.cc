#include "flow/outbound/asyncapi_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "flow/outbound/described_api.h"
#include "policy/guards/json_schema.h"

namespace sb::flow {
namespace {

constexpr std::size_t kTextShare = 64;  // so many bytes of a text are as much work as a value
constexpr std::size_t kDataShare = 8;   // likewise of values, written as JSON

/// A schema of the document as one that stands alone: what it refers to becomes its definitions.
class AloneSchema {
 public:
  AloneSchema(const json::value& document, AsyncApiWork& work) : document_(document), work_(work) {}

  Result<json::value> of(const json::value& schema) {
    SB_TRY(auto alone, rewritten(schema));
    while (!open_.empty()) {  // one after the other: a document may have a chain of tens of thousands
      const auto [name, target] = open_.back();
      open_.pop_back();
      SB_TRY(definitions_[name], rewritten(*target));
    }
    if (auto* object = alone.if_object(); object && !definitions_.empty()) (*object)["$defs"] = std::move(definitions_);
    return alone;
  }

 private:
  // A value that is data is left as it is: a `$ref` in it is a word.
  static bool is_data(std::string_view keyword) {
    return keyword == "const" || keyword == "enum" || keyword == "default" || keyword == "examples";
  }

  Result<json::value> rewritten(const json::value& node) {
    SB_CHECK(work_.take(1 + (node.is_string() ? node.get_string().size() / kTextShare : 0)));
    if (const auto* list = node.if_array()) {
      json::array out;
      for (const auto& one : *list) {
        SB_TRY(auto item, rewritten(one));
        out.push_back(std::move(item));
      }
      return json::value(std::move(out));
    }
    const auto* object = node.if_object();
    if (!object) return node;
    json::object out;
    for (const auto& [key, value] : *object) {
      const std::string_view name = key;
      SB_CHECK(work_.take(name.size() / kTextShare));
      if (name == "$ref" && value.is_string()) {
        SB_TRY(out[key], definition(value.get_string()));
      } else if (is_data(name)) {
        SB_CHECK(work_.take(to_text(value).size() / kDataShare));
        out[key] = value;
      } else {
        SB_TRY(out[key], rewritten(value));
      }
    }
    return json::value(std::move(out));
  }

  Result<json::value> definition(std::string_view reference) {
    const std::string ref(reference);
    if (const auto known = names_.find(ref); known != names_.end()) return json::value("#/$defs/" + known->second);
    const auto* target = ref.starts_with("#/") ? at_pointer(document_, ref.substr(1)) : nullptr;
    if (!target) return fail(Errc::unsupported, fmt::format("`{}` is no part of the document", ref));
    const auto name = std::to_string(names_.size());
    names_.emplace(ref, name);
    open_.emplace_back(name, target);
    return json::value("#/$defs/" + name);
  }

  const json::value& document_;
  AsyncApiWork& work_;
  std::map<std::string, std::string> names_;                      ///< by reference
  std::vector<std::pair<std::string, const json::value*>> open_;  ///< named, and not yet among the definitions
  json::object definitions_;
};

Result<> hold_against(const json::value& document, const json::value& schema, const json::value& value,
                      std::string_view what, AsyncApiWork& work) {
  const auto unusable = [&](const Error& error) {
    return fail(Errc::unsupported, fmt::format("the schema of its {} cannot be used: {}", what, error.detail));
  };
  const auto alone = AloneSchema(document, work).of(schema);
  if (!alone) return unusable(alone.error());
  const auto compiled = policy::JsonSchema::compile(*alone);
  if (!compiled) return unusable(compiled.error());
  if (const auto wrong = (*compiled)->first_fault(value, work.steps_done))
    return fail(Errc::invalid_argument, fmt::format("{} {}", what, wrong->to_string()));
  return {};
}

bool is_json_schema(std::string_view format) {
  return format.empty() || format.starts_with("application/vnd.aai.asyncapi") ||
         format.starts_with("application/schema+json") || format.starts_with("application/schema+yaml");
}

}  // namespace

Result<> AsyncApiWork::take(std::size_t values) {
  if (values > values_left)
    return fail(Errc::unsupported, "the document's schemas and references are more than one call may look at");
  values_left -= values;
  return {};
}

Result<> check_references(const json::value& document, const json::value& object, AsyncApiWork& work) {
  const auto check = [&](const json::value& node) -> Result<> {
    SB_CHECK(work.take(1));
    if (follow_ref(document, &node)) return {};
    return fail(Errc::unsupported, fmt::format("`{}` is no part of the document", string_member(node, "$ref")));
  };
  constexpr std::size_t kTraitsMax = 20;  // each may bring schemas
  if (const auto* traits = find_member(object, "traits"); traits && traits->is_array()) {
    if (traits->get_array().size() > kTraitsMax)
      return fail(Errc::unsupported, fmt::format("the document has more than {} traits at one place", kTraitsMax));
    for (const auto& trait : traits->get_array()) SB_CHECK(check(trait));
  }
  for (const auto* part : with_traits(document, object)) {
    if (!part->is_object()) continue;
    for (const auto& [key, member] : part->get_object()) SB_CHECK(check(member));
  }
  return {};
}

std::vector<const json::value*> with_traits(const json::value& document, const json::value& object) {
  std::vector<const json::value*> all{&object};
  const auto* traits = find_member(object, "traits");
  if (!traits || !traits->is_array()) return all;
  for (const auto& trait : traits->get_array()) {
    if (const auto* found = follow_ref(document, &trait)) all.push_back(found);
  }
  return all;
}

const json::value* asyncapi_binding(const json::value& document, const std::vector<const json::value*>& of,
                                    std::string_view protocol) {
  for (const auto* object : of) {
    const auto* bindings = follow_ref(document, find_member(*object, "bindings"));
    if (const auto* found = bindings ? find_member(*bindings, protocol) : nullptr) return found;
  }
  return nullptr;
}

const json::value* at_location(std::string_view location, const json::value& payload, const json::value& headers) {
  constexpr std::string_view kPayload = "$message.payload#", kHeader = "$message.header#";
  if (location.starts_with(kPayload)) return at_pointer(payload, location.substr(kPayload.size()));
  if (location.starts_with(kHeader)) return at_pointer(headers, location.substr(kHeader.size()));
  return nullptr;
}

AsyncApiMessage::AsyncApiMessage(const json::value& document, const json::value& message, AsyncApiWork& work)
    : document_(document), work_(&work), parts_(with_traits(document, message)) {}

const json::value* AsyncApiMessage::first(std::string_view key) const {
  for (const auto* part : parts_) {
    if (const auto* found = find_member(*part, key)) return follow_ref(document_, found);
  }
  return nullptr;
}

Result<> AsyncApiMessage::check(const json::value& payload, const json::value& headers) const {
  SB_CHECK(check_references(document_, *parts_.front(), *work_));
  SB_CHECK(check_payload(payload));
  for (const auto* part : parts_) {  // a trait's headers come to the message's own
    if (const auto* schema = find_member(*part, "headers"))
      SB_CHECK(hold_against(document_, *schema, headers, "headers", *work_));
  }
  return {};
}

// 2.x has the schema's format beside it, 3.x around it.
Result<> AsyncApiMessage::check_payload(const json::value& payload) const {
  const auto* schema = first("payload");
  if (!schema) return {};
  const auto* beside = first("schemaFormat");
  std::string_view format = beside && beside->is_string() ? std::string_view(beside->get_string()) : "";
  if (const auto* inner = find_member(*schema, "schema"); inner && find_member(*schema, "schemaFormat")) {
    format = string_member(*schema, "schemaFormat");
    schema = inner;
  }
  if (!is_json_schema(format))
    return fail(Errc::unsupported, fmt::format("schemas of the format `{}` are not supported", format));
  return hold_against(document_, *schema, payload, "payload", *work_);
}

std::string AsyncApiMessage::content_type() const {
  const auto* own = first("contentType");
  if (own && own->is_string()) return std::string(own->get_string());
  return std::string(string_member(document_, "defaultContentType", "application/json"));
}

Result<std::string> AsyncApiMessage::record_key(const json::value& payload, const json::value& headers) const {
  const auto* correlation = first("correlationId");
  const auto* value = correlation ? at_location(string_member(*correlation, "location"), payload, headers) : nullptr;
  const auto* binding = asyncapi_binding(document_, parts_, "kafka");
  const auto* schema = binding ? follow_ref(document_, find_member(*binding, "key")) : nullptr;
  if (!value && schema) value = find_member(*schema, "const");
  if (value && schema) SB_CHECK(hold_against(document_, *schema, *value, "key", *work_));
  return value ? parameter_text(*value) : std::string();
}

}  // namespace sb::flow
