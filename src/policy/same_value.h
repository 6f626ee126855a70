/// One value, however it is spelt: what a keyed hash is made of.
#pragma once

#include <string>
#include <string_view>

namespace sb::policy {

/// `value` as all its spellings are: folded (detect/fold.h); of e-mail addresses and names in small letters (ASCII
/// ones), of numbers letters and digits alone, of telephone numbers with '+' for "00" and without "(0)". Secrets, links
/// and types of a document's own are what they are, byte by byte: case and marks may mean something there.
std::string same_value(std::string_view type, std::string_view value);

}  // namespace sb::policy
