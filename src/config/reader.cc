// Reads values into structs as the declaration says, and reports what does not fit. Texts are never echoed: a secret
// pasted into the wrong key must not end in a log.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/bytes.h"
#include "config/schema.h"

namespace sb::config {
namespace {

std::string_view kind_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "nothing";
    case json::kind::bool_:
      return "true or false";
    case json::kind::int64:
    case json::kind::uint64:
      return "an integer";
    case json::kind::double_:
      return "a number with a fraction";
    case json::kind::string:
      return "text";
    case json::kind::array:
      return "a list";
    case json::kind::object:
      return "a section";
  }
  return "something else";
}

std::string expected(std::string_view what, const json::value& value) {
  return fmt::format("expected {}, found {}", what, kind_of(value));
}

bool plain_word(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

std::string range_text(const Facts& facts, std::int64_t max) {
  std::string text = max == std::numeric_limits<std::int64_t>::max()
                         ? fmt::format("an integer from {}", facts.min)
                         : fmt::format("an integer from {} to {}", facts.min, max);
  if (*facts.unit) text += fmt::format(" ({})", facts.unit);
  return text;
}

std::string unknown_key(std::string_view name, const Section& section) {
  std::vector<std::string> known;
  known.reserve(section.keys.size());
  for (const auto& key : section.keys) known.push_back(key.name);
  if (const auto near = nearest(name, known)) return fmt::format("unknown key; did you mean \"{}\"?", *near);
  return fmt::format("unknown key; known here: {}", fmt::join(known, ", "));
}

}  // namespace

Place Place::member(std::string_view name) const {
  const std::string word = plain_word(name) ? std::string(name) : fmt::format("\"{}\"", name);
  return {pointer_append(pointer, name), dotted.empty() ? word : dotted + "." + word};
}

Place Place::element(std::size_t index) const {
  return {pointer_append(pointer, std::to_string(index)), fmt::format("{}[{}]", dotted, index)};
}

bool ReadState::is_overridden(const Place& place) const {
  return std::ranges::any_of(overridden_, [&](const std::string& pointer) {
    return place.pointer == pointer || place.pointer.starts_with(pointer + "/");
  });
}

std::filesystem::path ReadState::base_of(const Place& place) const {
  return is_overridden(place) ? std::filesystem::path() : base_dir_;
}

void ReadState::value_problem(const Place& place, std::string message) {
  add(place, is_overridden(place) ? SourcePosition{} : document_.position_of(place.pointer), std::move(message));
}

void ReadState::key_problem(const Place& place, std::string message) {
  const auto found = document_.key_positions.find(place.pointer);
  const bool written = found != document_.key_positions.end() && !is_overridden(place);
  add(place, written ? found->second : SourcePosition{}, std::move(message));
}

void ReadState::add(const Place& place, SourcePosition position, std::string message) {
  if (problems.size() < kMaxProblems) problems.push_back({place.dotted, position, std::move(message)});
}

std::optional<std::int64_t> read_integer(const json::value& value, const Facts& facts, std::int64_t type_max,
                                         const Place& place, ReadState& state) {
  const auto max = std::min(facts.max, type_max);
  const auto* number = value.if_int64();
  if (!number) {
    state.value_problem(place, expected(range_text(facts, max), value));
  } else if (*number < facts.min || *number > max) {
    state.value_problem(place, fmt::format("expected {}, found {}", range_text(facts, max), *number));
  } else {
    return *number;
  }
  return std::nullopt;
}

std::optional<bool> read_boolean(const json::value& value, const Place& place, ReadState& state) {
  if (const auto* flag = value.if_bool()) return *flag;
  state.value_problem(place, expected("true or false", value));
  return std::nullopt;
}

std::optional<std::string> read_text(const json::value& value, const TextForm* form, const Place& place,
                                     ReadState& state) {
  const auto* text = value.if_string();
  if (!text) {
    // `model: 4` and `organization: null` are the usual slips: say how to write the text.
    state.value_problem(place,
                        expected(form ? form->expected : "text", value) + "; put it in quotes if it is meant as text");
    return std::nullopt;
  }
  if (text->size() > 4096 || text->find('\0') != json::string::npos) {
    state.value_problem(place, "expected text of at most 4096 bytes without NUL");
    return std::nullopt;
  }
  if (form && !form->accepts(*text)) {
    state.value_problem(place, fmt::format("expected {}", form->expected));
    return std::nullopt;
  }
  return std::string(*text);
}

std::optional<std::string> read_path(const json::value& value, const Place& place, ReadState& state) {
  auto text = read_text(value, nullptr, place, state);
  if (!text || text->empty()) return text;
  if (const auto base = state.base_of(place); !base.empty()) return (base / *text).lexically_normal().string();
  return text;
}

std::optional<SecretRef> read_secret(const json::value& value, const Place& place, ReadState& state) {
  const auto* text = value.if_string();
  auto reference = text ? SecretRef::parse(*text) : std::nullopt;
  if (!reference) {
    state.value_problem(place, "a secret is named here, never written: use env:NAME or file:PATH");
    return std::nullopt;
  }
  reference->rebase(state.base_of(place));
  return reference;
}

std::optional<std::size_t> read_choice(const json::value& value, const std::vector<std::string>& choices,
                                       const Place& place, ReadState& state) {
  if (const auto* text = value.if_string()) {
    const auto found = std::ranges::find(choices, std::string_view(*text));
    if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
  }
  state.value_problem(place, fmt::format("expected one of: {}", fmt::join(choices, ", ")));
  return std::nullopt;
}

void read_section(const Section& section, const json::value& value, void* object, const Place& place,
                  ReadState& state) {
  // A section whose keys are all commented out is an empty one.
  static const json::object kEmpty;
  const auto* members = value.is_null() ? &kEmpty : value.if_object();
  if (!members) return state.value_problem(place, expected("a section of keys", value));
  for (const auto& [name, content] : *members) {
    const auto here = place.member(name);
    const auto key = std::ranges::find(section.keys, std::string_view(name), &Key::name);
    if (key == section.keys.end()) {
      state.key_problem(here, unknown_key(name, section));
    } else {
      key->read(content, object, here, state);
    }
  }
  for (const auto& key : section.keys) {
    if (key.facts.required && !members->contains(key.name)) {
      state.value_problem(place, fmt::format("the key \"{}\" is missing: {}", key.name, key.facts.about));
    }
  }
}

const json::object* read_names(const json::value& value, const Facts& facts, const Place& place, ReadState& state) {
  static const json::object kEmpty;
  const auto* members = value.is_null() ? &kEmpty : value.if_object();
  if (!members) {
    state.value_problem(place, expected("a section of names", value));
    return nullptr;
  }
  if (std::cmp_greater(members->size(), facts.max)) {
    state.value_problem(place, fmt::format("at most {} entries, found {}", facts.max, members->size()));
    return nullptr;
  }
  for (const auto& [name, content] : *members) {
    if (facts.names && !facts.names->accepts(name)) {
      state.key_problem(place.member(name), fmt::format("expected {}", facts.names->expected));
    }
  }
  return members;
}

const json::array* read_list(const json::value& value, const Facts& facts, const Place& place, ReadState& state) {
  const auto* elements = value.if_array();
  if (!elements) {
    state.value_problem(place, expected("a list", value));
    return nullptr;
  }
  if (std::cmp_less(elements->size(), facts.min) || std::cmp_greater(elements->size(), facts.max)) {
    state.value_problem(place,
                        fmt::format("expected {} to {} entries, found {}", facts.min, facts.max, elements->size()));
    return nullptr;
  }
  return elements;
}

}  // namespace sb::config
