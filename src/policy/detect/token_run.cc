#include "policy/detect/token_run.h"

#include <algorithm>

#include "policy/detect/bytes_class.h"

namespace sb::policy {
namespace {

struct Gap {
  bool joins = false;
  char separator = ' ';
  bool closes = false;
  std::size_t next = 0;
};

// What may stand between two groups: up to three blanks or one mark with blanks; parentheses; or `","`, as between the
// elements of a JSON array.
Gap read_gap(ScanWindow& window, std::size_t at) {
  Gap gap;
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
      case '+':  // the century sign of a Finnish identity code
        if (symbols > 0 || ++marks > 1) return gap;
        gap.separator = '+';
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

}  // namespace

void read_token_run(ScanWindow& window, std::size_t at, TokenRun& run) {
  run.group_count = 0;
  run.cut = false;
  run.digits = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(window.text().data());
  const std::size_t stop = std::min(window.limit(), window.text().size());
  std::size_t size = 0;
  TokenRun::Group group{at, at, 0, 0, 0, '\0', 0, false, true};
  while (true) {
    group.begin = at;
    group.first = static_cast<std::uint8_t>(size);
    group.digits = 0;
    group.plain = true;
    for (; at < stop && is_alnum(bytes[at]); ++at) {
      if (size == TokenRun::kMaxChars) {
        run.cut = true;
        return;
      }
      if (!is_digit(bytes[at])) {
        group.plain = false;
      } else {
        run.digits |= std::uint64_t{1} << size;
        if (group.plain) ++group.digits;
      }
      run.chars[size++] = static_cast<char>(bytes[at]);
    }
    if (at == stop) window.at(at);  // a longer text might go on here
    group.end = at;
    group.count = static_cast<std::uint8_t>(size - group.first);
    if (at >= window.limit()) {  // the window cut the group: what we would judge is not all of it
      run.cut = true;
      return;
    }
    if (run.digits >> group.first == 0 && group.count > 3 && run.group_count > 0) return;  // a word
    run.groups[run.group_count++] = group;
    if (run.group_count == TokenRun::kMaxGroups) return;
    const Gap gap = read_gap(window, at);
    if (!gap.joins) return;
    group.gap = static_cast<std::uint8_t>(gap.next - at);
    group.separator = gap.separator;
    group.closes = gap.closes;
    at = gap.next;
  }
}

}  // namespace sb::policy
