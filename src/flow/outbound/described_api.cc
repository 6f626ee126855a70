#include "flow/outbound/described_api.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/yaml.h"

namespace sb::flow {
namespace {

Result<std::string> variable_text(std::string_view name, const json::value& variable, const json::value& given) {
  const auto* value = find_member(given, name);
  if (!value) value = find_member(variable, "default");
  if (!value) return fail(Errc::invalid_argument, fmt::format("the server's variable `{}` has no value", name));
  auto text = parameter_text(*value);
  const auto* known = find_member(variable, "enum");
  if (known && known->is_array() && !known->get_array().empty() &&
      std::ranges::none_of(known->get_array(), [&](const auto& one) { return parameter_text(one) == text; }))
    return fail(Errc::invalid_argument, fmt::format("the server's variable `{}` cannot have this value", name));
  return text;
}

}  // namespace

Result<json::value> read_description(std::string_view text) {
  if (auto parsed = parse_json(text)) return *std::move(parsed);
  SB_TRY(auto yaml, parse_yaml(text));
  return std::move(yaml.value);
}

const json::value* follow_ref(const json::value& document, const json::value* node) {
  constexpr int kMostHops = 8;
  for (int hop = 0; node && hop < kMostHops; ++hop) {
    const auto ref = string_member(*node, "$ref");
    if (ref.empty()) return node;
    if (!ref.starts_with("#/")) return nullptr;
    node = at_pointer(document, ref.substr(1));
  }
  return nullptr;
}

Result<std::string> with_server_variables(std::string text, const json::value& server, const json::value& given) {
  const auto* variables = find_member(server, "variables");
  if (!variables || !variables->is_object()) return text;
  constexpr std::size_t kAddressBytesMax = 8 << 10;  // it is looked through for each variable
  for (const auto& [name, variable] : variables->get_object()) {
    if (text.size() > kAddressBytesMax)
      return fail(Errc::invalid_argument, fmt::format("the server's address has more than {} bytes", kAddressBytesMax));
    const auto hole = fmt::format("{{{}}}", std::string_view(name));
    const auto at = text.find(hole);
    if (at == std::string::npos) continue;
    SB_TRY(const auto value, variable_text(name, variable, given));
    text.replace(at, hole.size(), value);
  }
  return text;
}

std::string parameter_text(const json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  const auto* list = value.if_array();
  if (!list) return to_text(value);
  std::string out;
  for (const auto& one : *list) out += (out.empty() ? "" : ",") + parameter_text(one);
  return out;
}

}  // namespace sb::flow
