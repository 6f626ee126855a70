/// Which language a text is in, as far as its script and its commonest words tell.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sb::policy {

/// ISO 639-1, e.g. "de"; empty where it cannot be told: too short, code, a language we do not know. Looks at the first
/// 4 KiB. Pure.
std::string_view language_of(std::string_view text);

/// All that `language_of` can say.
std::vector<std::string> known_languages();

}  // namespace sb::policy
