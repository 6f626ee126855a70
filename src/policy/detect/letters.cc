#include "policy/detect/letters.h"

#include <algorithm>
#include <iterator>

namespace sb::policy {
namespace {

struct Accented {
  std::uint32_t point, plain;
};
// Greek vowels with tonos, the final sigma, and what has a mark above it in Cyrillic.
constexpr Accented kAccented[] = {
    {0x386, 0x3b1}, {0x388, 0x3b5}, {0x389, 0x3b7}, {0x38a, 0x3b9}, {0x38c, 0x3bf}, {0x38e, 0x3c5}, {0x38f, 0x3c9},
    {0x3ac, 0x3b1}, {0x3ad, 0x3b5}, {0x3ae, 0x3b7}, {0x3af, 0x3b9}, {0x3c2, 0x3c3}, {0x3cc, 0x3bf}, {0x3cd, 0x3c5},
    {0x3ce, 0x3c9}, {0x401, 0x435}, {0x407, 0x456}, {0x419, 0x438}, {0x439, 0x438}, {0x451, 0x435}, {0x457, 0x456},
};

struct LookAlike {
  std::uint32_t point;
  char latin;
};
constexpr LookAlike kLookAlikes[] = {
    {0x391, 'A'}, {0x392, 'B'}, {0x395, 'E'}, {0x396, 'Z'}, {0x397, 'H'}, {0x399, 'I'}, {0x39a, 'K'}, {0x39c, 'M'},
    {0x39d, 'N'}, {0x39f, 'O'}, {0x3a1, 'P'}, {0x3a4, 'T'}, {0x3a5, 'Y'}, {0x3a7, 'X'}, {0x3b1, 'a'}, {0x3b5, 'e'},
    {0x3b9, 'i'}, {0x3ba, 'k'}, {0x3bd, 'v'}, {0x3bf, 'o'}, {0x3c1, 'p'}, {0x3c4, 't'}, {0x3c5, 'u'}, {0x3c7, 'x'},
    {0x405, 'S'}, {0x406, 'I'}, {0x408, 'J'}, {0x410, 'A'}, {0x412, 'B'}, {0x415, 'E'}, {0x41a, 'K'}, {0x41c, 'M'},
    {0x41d, 'H'}, {0x41e, 'O'}, {0x420, 'P'}, {0x421, 'C'}, {0x422, 'T'}, {0x423, 'Y'}, {0x425, 'X'}, {0x430, 'a'},
    {0x435, 'e'}, {0x43a, 'k'}, {0x43c, 'm'}, {0x43e, 'o'}, {0x440, 'p'}, {0x441, 'c'}, {0x442, 't'}, {0x443, 'y'},
    {0x445, 'x'}, {0x455, 's'}, {0x456, 'i'}, {0x458, 'j'}, {0x4bb, 'h'}, {0x501, 'd'}, {0x51b, 'q'}, {0x51d, 'w'}};
static_assert(std::ranges::is_sorted(kLookAlikes, {}, &LookAlike::point));

}  // namespace

char latin_look_alike(std::uint32_t point) {
  const auto* const found = std::ranges::lower_bound(kLookAlikes, point, {}, &LookAlike::point);
  return found != std::end(kLookAlikes) && found->point == point ? found->latin : '\0';
}

std::uint32_t plain_letter(std::uint32_t point) {
  if (point < 0x80) return point >= 'A' && point <= 'Z' ? point + 32 : point;
  if (point < kLatinBegin) return point;
  if (point < kLatinEnd) {
    const char base = kLatinBase[point - kLatinBegin];
    return base == '*' ? point : static_cast<std::uint32_t>(base);
  }
  if (const auto* found = std::ranges::find(kAccented, point, &Accented::point); found != std::end(kAccented))
    return found->plain;
  if (point >= 0x391 && point <= 0x3a9) return point + 0x20;
  if (point >= 0x410 && point <= 0x42f) return point + 0x20;
  if (point >= 0x400 && point <= 0x40f) return point + 0x50;
  return point;
}

}  // namespace sb::policy
