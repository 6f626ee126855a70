#include "jq/builtins.h"

#include <unordered_map>

namespace sb::jq {
namespace {

struct Refused {
  std::string_view name;
  std::string_view reason;
};

constexpr std::string_view kMachine =
    "results must not depend on the machine or the moment; pass what you need as a variable";
constexpr std::string_view kOneInput = "a program has one input; pass everything in it";
constexpr std::string_view kNoOutput = "programs have no side effects; return what you want to see";

constexpr Refused kRefused[] = {
    {"now", kMachine},
    {"env", kMachine},
    {"localtime", kMachine},
    {"strflocaltime", kMachine},
    {"input_filename", kMachine},
    {"get_search_list", kMachine},
    {"input_line_number", kMachine},
    {"modulemeta", "modules are not available"},
    {"input", kOneInput},
    {"inputs", kOneInput},
    {"debug", kNoOutput},
    {"stderr", kNoOutput},
    {"halt", kNoOutput},
    {"halt_error", kNoOutput},
    {"builtins", "the list of functions is in the documentation"},
};

using Key = std::pair<std::string_view, std::size_t>;
struct KeyHash {
  std::size_t operator()(const Key& key) const { return std::hash<std::string_view>()(key.first) * 31 + key.second; }
};

const std::unordered_map<Key, const Native*, KeyHash>& table() {
  static const auto made = [] {
    std::unordered_map<Key, const Native*, KeyHash> all;
    for (const auto natives :
         {value_natives(), text_natives(), math_natives(), time_natives(), stream_natives(), regex_natives()})
      for (const auto& native : natives) all.emplace(Key{native.name, native.arity}, &native);
    return all;
  }();
  return made;
}

}  // namespace

const Native* find_native(std::string_view name, std::size_t arity) {
  const auto found = table().find(Key{name, arity});
  return found == table().end() ? nullptr : found->second;
}

std::vector<std::string> native_names() {
  std::vector<std::string> names;
  for (const auto& [key, native] : table()) names.emplace_back(key.first);
  return names;
}

std::string_view refusal(std::string_view name) {
  if (name.find("::") != std::string_view::npos) return "modules are not available";
  for (const auto& refused : kRefused)
    if (refused.name == name) return refused.reason;
  return {};
}

Fault fault_about(const Value& value, std::string_view what) {
  const std::string kind(kind_name(value));
  return {kind + " " + std::string(what), kind + " (" + excerpt(value) + ") " + std::string(what)};
}

}  // namespace sb::jq
