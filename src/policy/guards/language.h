/// Which language a text is in, as far as its script and its commonest words tell.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace sb::policy {

/// ISO 639-1, e.g. "de"; empty where it cannot be told: too short, two that are alike, code, a language we do not know.
/// Pure.
std::string_view language_of(std::string_view text);

/// Those of its passages. A text of more than 64 KiB is read in 128 samples of 512 bytes, spread over all of it.
std::set<std::string_view> languages_in(std::string_view text);

/// All that `language_of` can say.
std::vector<std::string> known_languages();

}  // namespace sb::policy
