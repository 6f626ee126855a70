/// Lists of names: what the gazetteer knows, and what generated texts are filled with.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/errors.h"

namespace sb::policy::tagger {

/// Names are in lower case, UTF-8. Countries of names: ISO 3166 codes; of cities: the country's English name.
struct NameLists {
  struct Entry {
    std::string name;
    std::vector<std::string> countries;
  };
  std::vector<Entry> forenames;
  std::vector<Entry> surnames;
  std::vector<Entry> cities;
  std::vector<std::string> countries;             ///< in lower case, as all
  std::vector<std::string> countries_as_written;  ///< "Isle of Man"
};

/// Reads forenames.tsv, surnames.tsv, cities.tsv and countries.txt of `folder`.
Result<NameLists> read_names(const std::string& folder);

/// The words for Gazetteer::build.
std::vector<std::pair<std::uint32_t, std::uint8_t>> gazetteer_words(const NameLists& lists);

/// "maria-luisa o'neill" -> "Maria-Luisa O'Neill". Latin, Greek and Cyrillic.
std::string capitalised(std::string_view name);
std::string upper_cased(std::string_view text);
std::string lower_cased(std::string_view text);

}  // namespace sb::policy::tagger
