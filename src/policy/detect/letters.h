/// Letters as they are compared where neither case nor accents matter.
#pragma once

#include <cstdint>
#include <string_view>

namespace sb::policy {

/// The base letters of U+00C0..U+017F, in order, in lower case; '*' is no letter.
inline constexpr std::string_view kLatinBase =
    "aaaaaaaceeeeiiiidnooooo*ouuuuytsaaaaaaaceeeeiiiidnooooo*ouuuuyty"
    "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkkllllllllllnnnnnnnnnoooooooo"
    "rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";
inline constexpr std::uint32_t kLatinBegin = 0xc0;
inline constexpr std::uint32_t kLatinEnd = 0x180;
static_assert(kLatinBase.size() == kLatinEnd - kLatinBegin);

/// Accents that stand behind their letter.
constexpr bool is_combining(std::uint32_t point) {
  return point >= 0x300 && point <= 0x36f;
}

/// The Latin letter that a Cyrillic or Greek one cannot be told from (Unicode Technical Standard 39, confusables), in
/// its case; 0: there is none. All are of two bytes in UTF-8.
char latin_look_alike(std::uint32_t point);

/// A Latin, Greek or Cyrillic letter in lower case and without its accent; any other character as it is.
std::uint32_t plain_letter(std::uint32_t point);

}  // namespace sb::policy
