#include "policy/detect/number_run.h"

#include "policy/detect/bytes_class.h"

namespace sb::policy {
namespace {

// What may stand between two groups: at most three symbols, at most one of them a mark other than a parenthesis.
struct Gap {
  bool joins = false;
  char separator = ' ';
  bool parenthesis = false;
  std::size_t next = 0;
};

Gap read_gap(ScanWindow& window, std::size_t at) {
  Gap gap;
  int marks = 0;
  for (int symbols = 0; symbols < 4;) {
    const Symbol symbol = symbol_at(window, at);
    if (is_digit(symbol.value)) {
      gap.joins = symbols > 0;
      gap.next = at;
      return gap;
    }
    switch (symbol.value) {
      case ' ':
      case '\t':
        break;
      case '\r':
        break;
      case '\n':
        gap.separator = '\n';
        break;
      case '-':
      case '.':
      case '/':
        if (++marks > 1) return gap;
        gap.separator = static_cast<char>(symbol.value);
        break;
      case '(':
        gap.separator = '(';
        break;
      case ')':
        gap.parenthesis = true;
        break;
      case Symbol::kInvisible:
        --symbols;
        break;
      default:
        return gap;
    }
    ++symbols;
    at += symbol.size;
  }
  return gap;
}

}  // namespace

NumberRun read_number_run(ScanWindow& window, std::size_t at) {
  NumberRun run;
  char separator = '\0';
  bool parenthesis = false;
  while (run.group_count < NumberRun::kMaxGroups) {
    NumberRun::Group group{at, at, static_cast<std::uint8_t>(run.digit_count), 0, separator, parenthesis};
    Symbol symbol = symbol_at(window, at);
    while (is_digit(symbol.value) || symbol.value == Symbol::kInvisible) {
      if (is_digit(symbol.value)) {
        if (run.digit_count == NumberRun::kMaxDigits) {
          run.overflow = true;
          run.digit_count = group.first;
          return run;
        }
        run.digits[run.digit_count++] = static_cast<char>(symbol.value);
        ++group.count;
        group.end = at + symbol.size;
      }
      at += symbol.size;
      symbol = symbol_at(window, at);
    }
    if (group.end >= window.limit()) {  // the window cut the group: what we would judge is not all of it
      run.overflow = true;
      run.digit_count = group.first;
      return run;
    }
    run.groups[run.group_count++] = group;
    const Gap gap = read_gap(window, group.end);
    if (!gap.joins) break;
    at = gap.next;
    separator = gap.separator;
    parenthesis = gap.parenthesis;
  }
  return run;
}

}  // namespace sb::policy
