#include "policy/detect/builtin.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/number_run.h"

namespace sb::policy {
namespace {

// Wakes at every ASCII digit and at the lead bytes of folded ones; goes on only at the first digit of a group.
class NumberDetector final : public Detector {
 public:
  std::string_view name() const override { return "numbers"; }
  bool reports(std::string_view type) const override {
    return type == "CREDIT_CARD" || type == "US_SSN" || type == "PHONE";
  }
  std::string_view wake_bytes() const override { return "0123456789\xd9\xdb\xef"; }

  void verify(ScanWindow& window, std::size_t at, Findings& out) const override {
    const auto text = window.text();
    if (at > 0 && is_digit(byte_of(text, at - 1))) return;
    const std::size_t start = opening_before(text, at);
    window.begin(start);
    if (!is_digit(symbol_at(window, at).value)) return;
    if (byte_of(text, at) >= 0x80 && follows_folded_digit(text, at)) return;
    const NumberRun run = read_number_run(window, at);
    if (run.group_count == 0 || run.digit_count < 7) return;
    classify_card(window, run, out);
    classify_ssn(window, run, out);
    classify_phone(window, run, start, out);
  }

 private:
  // "+49", "(030)", "(+49)", "+(49)": the marks belong to the number.
  static std::size_t opening_before(std::string_view text, std::size_t at) {
    for (int i = 0; i < 2; ++i) {
      if (at > 0 && (text[at - 1] == '+' || text[at - 1] == '('))
        --at;
      else if (at > 2 && text.substr(at - 3, 3) == "\xef\xbc\x8b")
        at -= 3;
    }
    return at;
  }

  static bool follows_folded_digit(std::string_view text, std::size_t at) {
    if (at >= 3 && text[at - 3] == '\xef' && text[at - 2] == '\xbc') {
      return static_cast<unsigned char>(text[at - 1]) >= 0x90 && static_cast<unsigned char>(text[at - 1]) <= 0x99;
    }
    return at >= 2 && (text[at - 2] == '\xd9' || text[at - 2] == '\xdb');
  }
};

}  // namespace

std::unique_ptr<Detector> make_number_detector() {
  return std::make_unique<NumberDetector>();
}

std::vector<std::shared_ptr<const Detector>> make_builtin_detectors() {
  std::vector<std::shared_ptr<const Detector>> all;
  all.push_back(make_email_detector());
  all.push_back(make_number_detector());
  all.push_back(make_iban_detector());
  all.push_back(make_ipv4_detector());
  all.push_back(make_secret_detector());
  return all;
}

}  // namespace sb::policy
