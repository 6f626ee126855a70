/// A text as phrases are looked for in it.
#pragma once

#include <string>
#include <string_view>

namespace sb::policy {

/// Folded (detect/fold.h), and one blank for any run of what is no letter and no digit: "make \n a\u200b <b>bomb</b>!"
/// is "make a bomb". Letters of other scripts that look like Latin ones are those, in a word that has Latin ones as
/// well.
std::string plain_words(std::string_view text);

}  // namespace sb::policy
