/// A text as phrases are looked for in it.
#pragma once

#include <string>
#include <string_view>

namespace sb::policy {

/// Folded (detect/fold.h), and one blank for any run of blanks and line ends: "make \n a\u200b bomb" is "make a bomb".
std::string plain_words(std::string_view text);

}  // namespace sb::policy
