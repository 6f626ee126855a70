/// What a token can be. The order is part of the weights file's format.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sb::policy::tagger {

inline constexpr std::size_t kLabels = 8;

/// `street`: a part of a postal address, its city included; `place`: a city, country, mountain, named alone.
enum class Label : std::uint8_t { none, person, place, organisation, street, group, title, age };

/// Whose findings are joined where they meet: an address may end in a city.
constexpr bool same_kind(Label a, Label b) {
  const auto kind = [](Label l) { return l == Label::street ? Label::place : l; };
  return kind(a) == kind(b);
}

/// The type that policies speak of; empty for labels that only help to tell the others apart: job titles and ages are
/// learnt, but not well enough to be reported.
constexpr std::string_view type_of(Label label) {
  constexpr std::array<std::string_view, kLabels> kTypes = {"",         "PERSON", "LOCATION", "ORGANIZATION",
                                                            "LOCATION", "NRP",    "",         ""};
  return kTypes[static_cast<std::size_t>(label)];
}

}  // namespace sb::policy::tagger
