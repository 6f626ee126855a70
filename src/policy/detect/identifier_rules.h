/// Identifiers by shape: one row a format, from the publications of those who issue them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "policy/detect/check_digits.h"

namespace sb::policy {

struct IdentifierRule {
  std::string_view type;  ///< what policies speak of; its bytes live for ever
  /// One character each: '9' a digit, '@' a letter, '*' either; a capital letter stands for itself.
  std::string_view shape;
  /// How it is written, alternatives apart by blanks: sizes of groups with the mark between them, '_' a blank. "*": in
  /// any groups.
  std::string_view groups;
  CheckFunction check;         ///< null: none
  std::uint64_t topics;        ///< kinds of words that name it (context.h), and the countries it belongs to
  float alone;                 ///< score in running text where no word speaks of it; 0: not found
  float bare;                  ///< score where nothing but values stands around it: a field, a cell; 0: as `alone`
  float named;                 ///< score where a word names it
  bool country_named = false;  ///< only where the country, too, is named
};

std::span<const IdentifierRule> identifier_rules();

}  // namespace sb::policy
