#include "policy/detect/bytes_class.h"
#include "policy/detect/context.h"
#include "policy/detect/number_run.h"

namespace sb::policy {
namespace {

// Social Security Administration: area 000, 666 and 900-999, group 00 and serial 0000 are never issued; two numbers
// became known through advertisements and belong to nobody.
bool is_issuable(std::string_view digits) {
  const auto area = digits.substr(0, 3);
  return area != "000" && area != "666" && area[0] != '9' && digits.substr(3, 2) != "00" &&
         digits.substr(5) != "0000" && digits != "078051120" && digits != "219099999";
}

}  // namespace

void classify_ssn(ScanWindow& window, const NumberRun& run, Findings& out) {
  const std::size_t start = run.groups[0].begin;
  const auto text = window.text();
  if (run.digit_count < 9 || !begins_word(text, start)) return;
  const auto& first = run.groups[0];
  const bool single = first.count == 9;
  const bool grouped = run.group_count >= 3 && first.count == 3 && run.groups[1].count == 2 &&
                       run.groups[2].count == 4 && run.groups[1].separator == run.groups[2].separator &&
                       std::string_view("- .").find(run.groups[1].separator) != std::string_view::npos;
  if (!single && !grouped) return;
  const std::size_t used = single ? 1 : 3;
  const auto digits = run.digits_of(used);
  if (!is_issuable(digits)) return;
  const auto& last = run.groups[used - 1];
  // "123-45-6789-0" and "0-123-45-6789" are other numbers.
  if (grouped && run.group_count > 3 && run.groups[3].separator == run.groups[1].separator && first.end != last.end &&
      run.groups[1].separator != ' ') {
    return;
  }
  if (is_letter(window.at(last.end))) return;
  const int before = start > 0 ? byte_of(text, start - 1) : ScanWindow::kEnd;
  if ((before == '-' || before == '.' || before == '+') && start > 1 && is_alnum(byte_of(text, start - 2))) return;

  const Hint nearest = hint_before(window, start);
  if (single && nearest != Hint::ssn) return;
  const bool named = nearest == Hint::ssn || has_hint_before(window, start, Hint::ssn);
  if (!named && (nearest == Hint::other || nearest == Hint::phone)) return;
  // Above a telephone number's score of the same shape.
  const float score = named ? 0.98F : run.groups[1].separator == '-' ? 0.85F : 0.72F;
  out.push_back({"US_SSN", "ssn", grouped ? "grouped" : "named", {start, last.end}, score});
}

}  // namespace sb::policy
