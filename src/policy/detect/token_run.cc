#include "policy/detect/token_run.h"

#include <immintrin.h>

#include <bit>
#include <cstring>

#include "policy/detect/byte_masks.h"
#include "policy/detect/bytes_class.h"

namespace sb::policy {
namespace {

struct Gap {
  bool joins = false;
  char separator = '\0';
  bool closes = false;
  std::size_t begin = 0;
  std::size_t next = 0;
};

// What stands between most groups, alone; and all that begins what may.
constexpr ByteSet kSingleMarks(" -./:\n(+_");
constexpr ByteSet kGapBytes(" -./:\n(+_\t\r)\"");

// What may stand between two groups: up to three blanks or one mark with blanks; parentheses; or `","`, as between the
// elements of a JSON array.
Gap read_gap(ScanWindow& window, std::size_t at) {
  Gap gap{.separator = ' ', .begin = at};
  int marks = 0;
  for (int symbols = 0; symbols < 4; ++symbols, ++at) {
    const int byte = window.at(at);
    if (is_alnum(byte)) {
      gap.joins = symbols > 0;
      gap.next = at;
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
        if (++marks > 1) return gap;
        gap.separator = static_cast<char>(byte);
        break;
      case '+':  // a blank of a form's body; the century sign of a Finnish identity code
      case '_':  // a blank of a file's name
        if (symbols > 0 || ++marks > 1) return gap;
        gap.separator = static_cast<char>(byte);
        break;
      case '(':
        gap.separator = '(';
        break;
      case ')':
        gap.closes = true;
        break;
      case '"':
        if (window.at(at + 1) != ',') return gap;
        at += window.at(at + 2) == ' ' ? 3 : 2;
        if (symbols > 0 || window.at(at) != '"') return gap;
        gap.separator = '"';
        break;
      default:
        return gap;
    }
  }
  return gap;
}

// `out` has room for kCopied bytes.
void copy_group(std::string_view text, std::size_t at, std::size_t count, char* out) {
  constexpr std::size_t kCopied = TokenRun::kCopied;
  if (count <= kCopied && text.size() - at >= kCopied) [[likely]] {  // mostly: no call
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                     _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at)));
  } else {
    std::memcpy(out, text.data() + at, count);
  }
}

// Fills run.groups, `digits`, `chars` and `cut`; returns how many groups there are. (What it counts stays in registers:
// the bytes it copies might otherwise be any of `run`.)
std::size_t read_groups(ScanWindow& window, std::size_t at, TokenRun& run) {
  const auto text = window.text();
  const std::size_t stop = window.stop();
  const std::size_t limit = window.limit();
  // Such a run is ASCII alone, so what the window shows of it is among these 64 bytes.
  const ByteMasks masks(text, at);
  const std::size_t origin = at;
  const std::uint64_t seen = low_bits(stop - origin);
  const std::uint64_t digits = masks.digits & seen;
  const std::uint64_t alnum = digits | (masks.letters & seen);
  std::uint64_t run_digits = 0;
  std::size_t size = 0;
  std::size_t plain = 0;
  Gap gap;
  for (std::size_t groups = 0;;) {
    const std::size_t offset = at - origin;
    const auto count = static_cast<std::size_t>(std::countr_one(alnum >> offset));
    if (size + count > TokenRun::kMaxChars) {
      run.cut = true;
      return groups;
    }
    const std::uint64_t own_digits = digits >> offset & low_bits(count);
    const auto leading = static_cast<std::size_t>(std::countr_one(own_digits));
    copy_group(text, at, count, run.chars.data() + size);
    run_digits |= own_digits << size;
    run.digits = run_digits;
    auto& group = run.groups[groups];
    group.begin = at;
    group.end = at + count;
    group.first = static_cast<std::uint8_t>(size);
    group.count = static_cast<std::uint8_t>(count);
    group.digits = static_cast<std::uint8_t>(leading);
    group.separator = gap.separator;
    group.gap = static_cast<std::uint8_t>(gap.next - gap.begin);
    group.closes = gap.closes;
    group.plain = leading == count;
    size += count;
    at += count;
    if (at == stop) window.at(at);  // a longer text might go on here
    if (at >= limit) {              // the window cut the group: what we would judge is not all of it
      run.cut = true;
      return groups;
    }
    if (own_digits == 0 && count > 3 && groups > 0) return groups;  // a word
    plain += static_cast<std::size_t>(plain == groups) & static_cast<std::size_t>(leading == count);
    run.plain_count = plain;
    if (++groups == TokenRun::kMaxGroups) return groups;
    const int byte = at < stop ? static_cast<unsigned char>(text[at]) : ScanWindow::kEnd;
    if (!kGapBytes.has(byte)) return groups;
    const bool usual = (alnum >> (at - origin) & 2) != 0 && kSingleMarks.has(byte);
    gap = usual ? Gap{true, text[at], false, at, at + 1} : read_gap(window, at);
    if (!gap.joins) return groups;
    at = gap.next;
  }
}

}  // namespace

void read_token_run(ScanWindow& window, std::size_t at, TokenRun& run) {
  run.cut = false;
  run.digits = 0;
  run.plain_count = 0;
  run.group_count = read_groups(window, at, run);
}

}  // namespace sb::policy
