#include "config/override.h"

#include <fmt/format.h>

#include <charconv>

#include "base/bytes.h"
#include "base/yaml.h"

namespace sb::config {
namespace {

constexpr std::size_t kMaxSteps = 16;

std::unexpected<Error> malformed(std::string_view text) {
  // Only the part before "=": the value may be private.
  return fail(Errc::invalid_argument,
              fmt::format("--set {}: expected key.key[index].key=value, such as server.listen=127.0.0.1:8080",
                          text.substr(0, std::min<std::size_t>(text.find('='), 128))));
}

// Takes one step off the front of `rest`; false where it has no such form.
bool take_step(std::string_view& rest, PathStep& step) {
  if (rest.starts_with('[')) {
    std::size_t index = 0;
    const auto [end, error] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), index);
    if (error != std::errc() || end == rest.data() + rest.size() || *end != ']') return false;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()) + 1);
    step = index;
    return true;
  }
  std::size_t end;
  if (rest.starts_with('"')) {
    end = rest.find('"', 1);
    if (end == std::string_view::npos) return false;
    step = std::string(rest.substr(1, end - 1));
    rest.remove_prefix(end + 1);
  } else {
    end = std::min(rest.find_first_of(".[="), rest.size());
    step = std::string(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  return !std::get<std::string>(step).empty();
}

}  // namespace

Result<Override> parse_override(std::string_view text) {
  Override out;
  auto rest = text;
  while (!rest.starts_with('=')) {
    if (!out.path.empty() && rest.starts_with('.')) rest.remove_prefix(1);
    PathStep step;
    if (rest.empty() || out.path.size() == kMaxSteps || !take_step(rest, step)) return malformed(text);
    if (!rest.empty() && !std::string_view(".[=").contains(rest.front())) return malformed(text);
    const auto* name = std::get_if<std::string>(&step);
    out.pointer = pointer_append(out.pointer, name ? *name : std::to_string(std::get<std::size_t>(step)));
    out.path.push_back(std::move(step));
  }
  if (out.path.empty()) return malformed(text);
  const auto value = trim(rest.substr(1));
  if (value.empty()) {
    out.value = json::string();
    return out;
  }
  auto parsed = parse_yaml(value);
  // "a: b" or "*" are texts here, not documents; only what is YAML on one line is taken as such.
  const bool nested = parsed && parsed->value.is_object() && !value.starts_with('{');
  out.value = parsed && !nested ? std::move(parsed->value) : json::value(json::string(value));
  return out;
}

Result<> apply_override(json::value& document, const Override& setting) {
  json::value* at = &document;
  for (const auto& step : setting.path) {
    if (const auto* name = std::get_if<std::string>(&step)) {
      if (at->is_null()) at->emplace_object();
      auto* members = at->if_object();
      if (!members)
        return fail(Errc::invalid_argument,
                    fmt::format("--set {}: \"{}\" is not inside a section", setting.pointer, *name));
      at = &(*members)[*name];
    } else {
      const auto index = std::get<std::size_t>(step);
      if (at->is_null()) at->emplace_array();
      auto* elements = at->if_array();
      if (!elements || index > elements->size()) {
        return fail(Errc::invalid_argument,
                    fmt::format("--set {}: there is no list with an entry [{}]", setting.pointer, index));
      }
      if (index == elements->size()) elements->emplace_back(nullptr);
      at = &(*elements)[index];
    }
  }
  *at = setting.value;
  return {};
}

}  // namespace sb::config
