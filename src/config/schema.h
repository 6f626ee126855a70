/// The declaration of configuration keys: each key once, with name, type, unit, default, range and one sentence. The
/// reader, the JSON Schema and the reference page walk the same `Section` tree, so they cannot disagree.
///
/// `declare<T>("...")` builds the section of a struct; a default is what a default-constructed T holds.
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "config/config.h"

namespace sb::config {

enum class KeyKind { boolean, integer, text, path, choice, secret, section, list, map, text_list, text_map };

/// The shape of a text beyond "a string".
struct TextForm {
  const char* pattern;   ///< regular expression for the JSON Schema
  const char* expected;  ///< "host:port", for errors
  bool (*accepts)(std::string_view);
};

struct Facts {
  const char* about;      ///< one sentence
  const char* unit = "";  ///< of a number
  std::int64_t min = 0;   ///< of a number
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
  const TextForm* form = nullptr;   ///< of a text, or of the values of a text list or map
  const TextForm* names = nullptr;  ///< of the names of a map
  bool required = false;
  bool restart = true;  ///< a change takes effect at the next start only
};

/// Where the reader stands, in both spellings.
struct Place {
  std::string pointer;  ///< RFC 6901
  std::string dotted;   ///< as people and `--set` write it

  Place member(std::string_view name) const;
  Place element(std::size_t index) const;
};

/// What reading needs besides the value: where problems go and how relative paths are taken.
class ReadState {
 public:
  static constexpr std::size_t kMaxProblems = 50;

  ReadState(const YamlDocument& document, const std::vector<std::string>& overridden, std::filesystem::path base_dir)
      : document_(document), overridden_(overridden), base_dir_(std::move(base_dir)) {}

  void value_problem(const Place& place, std::string message);
  void key_problem(const Place& place, std::string message);
  bool is_overridden(const Place& place) const;
  /// The folder that a relative path read at `place` starts at; empty: leave it as it is.
  std::filesystem::path base_of(const Place& place) const;

  std::vector<ConfigProblem> problems;

 private:
  void add(const Place& place, SourcePosition position, std::string message);
  const YamlDocument& document_;
  const std::vector<std::string>& overridden_;  ///< JSON pointers set from the command line
  std::filesystem::path base_dir_;
};

struct Section;

struct Key {
  std::string name;
  KeyKind kind = KeyKind::boolean;
  Facts facts{};
  json::value default_value{};             ///< null: none
  std::vector<std::string> choices{};      ///< of a choice
  std::shared_ptr<const Section> inner{};  ///< of a section, or of the elements of a list or map
  bool optional = false;                   ///< absent differs from every value
  /// Stores `value` into the struct that holds this key, or reports why not.
  std::function<void(const json::value& value, void* owner, const Place& place, ReadState& state)> read{};
};

struct Section {
  std::string about;
  std::vector<Key> keys;
};

// Typed readers of single values; each reports into `state` and answers empty where the value does not fit.
std::optional<std::int64_t> read_integer(const json::value& value, const Facts& facts, std::int64_t type_max,
                                         const Place& place, ReadState& state);
std::optional<bool> read_boolean(const json::value& value, const Place& place, ReadState& state);
std::optional<std::string> read_text(const json::value& value, const TextForm* form, const Place& place,
                                     ReadState& state);
std::optional<std::string> read_path(const json::value& value, const Place& place, ReadState& state);
std::optional<SecretRef> read_secret(const json::value& value, const Place& place, ReadState& state);
std::optional<std::size_t> read_choice(const json::value& value, const std::vector<std::string>& choices,
                                       const Place& place, ReadState& state);
void read_section(const Section& section, const json::value& value, void* object, const Place& place, ReadState& state);
/// The object behind `value`, its names checked; null (and a problem) where it is none.
const json::object* read_names(const json::value& value, const Facts& facts, const Place& place, ReadState& state);
const json::array* read_list(const json::value& value, const Facts& facts, const Place& place, ReadState& state);

template <class T>
class Declaration {
 public:
  explicit Declaration(std::string about) : section_(std::make_shared<Section>()) {
    section_->about = std::move(about);
  }

  template <std::integral I>
  Declaration& integer(const char* name, I T::* member, Facts facts) {
    auto read = [member, facts](const json::value& value, void* owner, const Place& place, ReadState& state) {
      constexpr auto kTypeMax = std::in_range<std::int64_t>(std::numeric_limits<I>::max())
                                    ? static_cast<std::int64_t>(std::numeric_limits<I>::max())
                                    : std::numeric_limits<std::int64_t>::max();
      if (const auto got = read_integer(value, facts, kTypeMax, place, state)) of(owner).*member = static_cast<I>(*got);
    };
    return add(
        {.name = name, .kind = KeyKind::integer, .facts = facts, .default_value = defaults().*member, .read = read});
  }

  Declaration& integer(const char* name, std::optional<std::int64_t> T::* member, Facts facts) {
    auto read = [member, facts](const json::value& value, void* owner, const Place& place, ReadState& state) {
      constexpr auto kTypeMax = std::numeric_limits<std::int64_t>::max();
      if (const auto got = read_integer(value, facts, kTypeMax, place, state)) of(owner).*member = got;
    };
    return add({.name = name, .kind = KeyKind::integer, .facts = facts, .optional = true, .read = read});
  }

  Declaration& boolean(const char* name, bool T::* member, Facts facts) {
    auto read = [member](const json::value& value, void* owner, const Place& place, ReadState& state) {
      if (const auto got = read_boolean(value, place, state)) of(owner).*member = *got;
    };
    return add(
        {.name = name, .kind = KeyKind::boolean, .facts = facts, .default_value = defaults().*member, .read = read});
  }

  Declaration& text(const char* name, std::string T::* member, Facts facts) {
    auto read = [member, form = facts.form](const json::value& value, void* owner, const Place& place,
                                            ReadState& state) {
      if (auto got = read_text(value, form, place, state)) of(owner).*member = std::move(*got);
    };
    return add({.name = name,
                .kind = KeyKind::text,
                .facts = facts,
                .default_value = json::string(defaults().*member),
                .read = read});
  }

  /// A file or folder; a relative one starts at the configuration file's folder.
  Declaration& path(const char* name, std::string T::* member, Facts facts) {
    auto read = [member](const json::value& value, void* owner, const Place& place, ReadState& state) {
      if (auto got = read_path(value, place, state)) of(owner).*member = std::move(*got);
    };
    return add({.name = name,
                .kind = KeyKind::path,
                .facts = facts,
                .default_value = json::string(defaults().*member),
                .read = read});
  }

  Declaration& secret(const char* name, std::optional<SecretRef> T::* member, Facts facts) {
    auto read = [member](const json::value& value, void* owner, const Place& place, ReadState& state) {
      if (auto got = read_secret(value, place, state)) of(owner).*member = std::move(*got);
    };
    return add({.name = name, .kind = KeyKind::secret, .facts = facts, .optional = true, .read = read});
  }

  /// `choices` in any order, each with its value.
  template <class E>
  Declaration& choice(const char* name, E T::* member, std::vector<std::pair<std::string, E>> choices, Facts facts) {
    Key key{.name = name, .kind = KeyKind::choice, .facts = facts};
    for (const auto& [word, value] : choices) {
      key.choices.push_back(word);
      if (value == defaults().*member) key.default_value = json::string(word);
    }
    key.read = [member, choices = std::move(choices), words = key.choices](const json::value& value, void* owner,
                                                                           const Place& place, ReadState& state) {
      if (const auto got = read_choice(value, words, place, state)) of(owner).*member = choices[*got].second;
    };
    return add(std::move(key));
  }

  template <class S>
  Declaration& section(const char* name, S T::* member, const Declaration<S>& inner, Facts facts = {.about = ""}) {
    auto read = [member, inner = inner.get()](const json::value& value, void* owner, const Place& place,
                                              ReadState& state) {
      read_section(*inner, value, &(of(owner).*member), place, state);
    };
    return add({.name = name, .kind = KeyKind::section, .facts = facts, .inner = inner.get(), .read = read});
  }

  template <class S>
  Declaration& section(const char* name, std::optional<S> T::* member, const Declaration<S>& inner,
                       Facts facts = {.about = ""}) {
    auto read = [member, inner = inner.get()](const json::value& value, void* owner, const Place& place,
                                              ReadState& state) {
      read_section(*inner, value, &(of(owner).*member).emplace(), place, state);
    };
    return add(
        {.name = name, .kind = KeyKind::section, .facts = facts, .inner = inner.get(), .optional = true, .read = read});
  }

  template <class S>
  Declaration& list(const char* name, std::vector<S> T::* member, const Declaration<S>& inner, Facts facts) {
    auto read = [member, facts, inner = inner.get()](const json::value& value, void* owner, const Place& place,
                                                     ReadState& state) {
      const auto* elements = read_list(value, facts, place, state);
      for (std::size_t i = 0; elements && i < elements->size(); ++i) {
        read_section(*inner, (*elements)[i], &(of(owner).*member).emplace_back(), place.element(i), state);
      }
    };
    return add({.name = name, .kind = KeyKind::list, .facts = facts, .inner = inner.get(), .read = read});
  }

  Declaration& texts(const char* name, std::vector<std::string> T::* member, Facts facts) {
    auto read = [member, facts](const json::value& value, void* owner, const Place& place, ReadState& state) {
      const auto* elements = read_list(value, facts, place, state);
      for (std::size_t i = 0; elements && i < elements->size(); ++i) {
        if (auto got = read_text((*elements)[i], facts.form, place.element(i), state)) {
          (of(owner).*member).push_back(std::move(*got));
        }
      }
    };
    return add({.name = name, .kind = KeyKind::text_list, .facts = facts, .read = read});
  }

  /// Names chosen by the user, a section behind each.
  template <class S>
  Declaration& map(const char* name, std::map<std::string, S> T::* member, const Declaration<S>& inner, Facts facts) {
    auto read = [member, facts, inner = inner.get()](const json::value& value, void* owner, const Place& place,
                                                     ReadState& state) {
      const auto* members = read_names(value, facts, place, state);
      if (!members) return;
      for (const auto& [word, content] : *members) {
        read_section(*inner, content, &(of(owner).*member)[std::string(word)], place.member(word), state);
      }
    };
    return add({.name = name, .kind = KeyKind::map, .facts = facts, .inner = inner.get(), .read = read});
  }

  Declaration& texts(const char* name, std::map<std::string, std::string> T::* member, Facts facts) {
    auto read = [member, facts](const json::value& value, void* owner, const Place& place, ReadState& state) {
      const auto* members = read_names(value, facts, place, state);
      if (!members) return;
      for (const auto& [word, content] : *members) {
        if (auto got = read_text(content, facts.form, place.member(word), state)) {
          (of(owner).*member)[std::string(word)] = std::move(*got);
        }
      }
    };
    return add({.name = name, .kind = KeyKind::text_map, .facts = facts, .read = read});
  }

  std::shared_ptr<const Section> get() const { return section_; }

 private:
  static T& of(void* owner) { return *static_cast<T*>(owner); }
  static const T& defaults() {
    static const T value{};
    return value;
  }
  Declaration& add(Key key) {
    section_->keys.push_back(std::move(key));
    return *this;
  }

  std::shared_ptr<Section> section_;
};

template <class T>
Declaration<T> declare(std::string about) {
  return Declaration<T>(std::move(about));
}

/// The whole file, declared in declaration/root.cc.
const Section& root_section();

}  // namespace sb::config
