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

}  // namespace

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
