#include "policy/detect/token_run.h"

#include <immintrin.h>

#include <bit>
#include <cstring>

#include "policy/detect/byte_masks.h"
#include "policy/detect/bytes_class.h"

namespace sb::policy {
namespace {

struct Gap {
  char separator = ' ';
  bool closes = false;
  std::uint8_t size = 0;  // bytes; 0: what stands there joins nothing
};

// What stands between most groups, alone; and all that begins what may.
constexpr ByteSet kSingleMarks(" -./:\n(+_");
constexpr ByteSet kGapBytes(" -./:\n(+_\t\r)\"");

// What may stand between two groups: up to three blanks or one mark with blanks; parentheses; or `","`, as between the
// elements of a JSON array.
[[gnu::noinline]] Gap read_gap(ScanWindow& window, const std::size_t begin) {
  constexpr Gap kNone;
  Gap gap;
  int marks = 0;
  std::size_t at = begin;
  for (int symbols = 0; symbols < 4; ++symbols, ++at) {
    const int byte = window.at(at);
    if (is_alnum(byte)) {
      gap.size = static_cast<std::uint8_t>(at - begin);
      return gap;
    }
    switch (byte) {
      case ' ':
      case '\t':
      case '\r':
        break;
      case '\n':
        gap.separator = '\n';
        break;
      case '-':
      case '.':
      case '/':
      case ':':
        if (++marks > 1) return kNone;
        gap.separator = static_cast<char>(byte);
        break;
      case '+':  // a blank of a form's body; the century sign of a Finnish identity code
      case '_':  // a blank of a file's name
        if (symbols > 0 || ++marks > 1) return kNone;
        gap.separator = static_cast<char>(byte);
        break;
      case '(':
        gap.separator = '(';
        break;
      case ')':
        gap.closes = true;
        break;
      case '"':
        if (window.at(at + 1) != ',') return kNone;
        at += window.at(at + 2) == ' ' ? 3 : 2;
        if (symbols > 0 || window.at(at) != '"') return kNone;
        gap.separator = '"';
        break;
      default:
        return kNone;
    }
  }
  return kNone;
}

// `out` has room for kCopied bytes; `roomy`: so many can be read.
inline void copy_group(const char* group, std::size_t count, bool roomy, char* out) {
  if (roomy && count <= TokenRun::kCopied) [[likely]] {  // no call
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_loadu_si128(reinterpret_cast<const __m128i*>(group)));
  } else {
    std::memcpy(out, group, count);
  }
}

}  // namespace

// (What it counts stays in registers: the bytes it copies might otherwise be any of `run`.)
void read_token_run(ScanWindow& window, const std::size_t begin, TokenRun& run) {
  // Such a run is ASCII alone, so what the window shows of it is among these 64 bytes.
  const auto text = window.text().substr(begin);
  const ByteMasks masks(text, 0);
  const std::size_t stop = window.stop() - begin;
  const std::uint64_t seen = low_bits(stop);
  const std::uint64_t digits = masks.digits & seen;
  const std::uint64_t alnum = digits | (masks.letters & seen);
  const bool roomy = text.size() >= 64 + TokenRun::kCopied;
  std::uint64_t run_digits = 0;
  std::uint64_t plain = 0;  // bit n: group n is digits alone
  std::uint64_t all_leading = 0;
  std::size_t size = 0;
  std::size_t at = 0;
  std::size_t groups = 0;
  bool cut = false;
  for (Gap gap{.separator = '\0'};;) {
    const auto count = static_cast<std::size_t>(std::countr_one(alnum >> at));
    cut = size + count > TokenRun::kMaxChars;
    if (cut) break;
    const std::uint64_t own_digits = digits >> at & low_bits(count);
    const auto leading = static_cast<std::size_t>(std::countr_one(own_digits));
    copy_group(text.data() + at, count, roomy, run.chars.data() + size);
    run_digits |= own_digits << size;
    plain |= std::uint64_t{leading == count} << groups;
    all_leading |= groups < 8 ? leading << 8 * groups : 0;
    run.groups[groups] = {.begin = begin + at,
                          .end = begin + at + count,
                          .first = static_cast<std::uint8_t>(size),
                          .count = static_cast<std::uint8_t>(count),
                          .digits = static_cast<std::uint8_t>(leading),
                          .separator = gap.separator,
                          .gap = gap.size,
                          .closes = gap.closes,
                          .plain = leading == count};
    size += count;
    at += count;
    // Which of these ends a run is as good as random: they are asked together.
    const auto word = bit(own_digits == 0) & bit(count > 3) & bit(groups > 0);
    groups += 1 - word;
    if (at >= stop) [[unlikely]] {
      window.at(begin + at);  // a longer text might go on here
      cut = begin + at >= window.limit();
      if (cut) groups -= 1 - word;  // what we would judge is not all of the group
      break;
    }
    const int byte = static_cast<unsigned char>(text[at]);
    if (__builtin_unpredictable((word | bit(groups == TokenRun::kMaxGroups) | bit(!kGapBytes.has(byte))) != 0)) break;
    const bool usual = (alnum >> at & 2) != 0 && kSingleMarks.has(byte);
    gap = usual ? Gap{.separator = text[at], .size = 1} : read_gap(window, begin + at);
    if (gap.size == 0) break;
    at += gap.size;
  }
  run.digits = run_digits;
  run.plain_count = std::min<std::size_t>(groups, static_cast<std::size_t>(std::countr_one(plain)));
  run.leading = all_leading;
  run.group_count = groups;
  run.cut = cut;
}

}  // namespace sb::policy
