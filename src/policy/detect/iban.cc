#include <algorithm>
#include <array>

#include "policy/detect/builtin.h"
#include "policy/detect/bytes_class.h"

namespace sb::policy {
namespace {

struct IbanLength {
  char country[3];
  std::uint8_t length;
};

// SWIFT IBAN registry: total length by country, sorted by country.
constexpr auto kLengths = std::to_array<IbanLength>({
    {"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"AZ", 28}, {"BA", 20}, {"BE", 16}, {"BG", 22}, {"BH", 22},
    {"BI", 27}, {"BR", 29}, {"BY", 28}, {"CH", 21}, {"CR", 22}, {"CY", 28}, {"CZ", 24}, {"DE", 22}, {"DJ", 27},
    {"DK", 18}, {"DO", 28}, {"EE", 20}, {"EG", 29}, {"ES", 24}, {"FI", 18}, {"FK", 18}, {"FO", 18}, {"FR", 27},
    {"GB", 22}, {"GE", 22}, {"GI", 23}, {"GL", 18}, {"GR", 27}, {"GT", 28}, {"HR", 21}, {"HU", 28}, {"IE", 22},
    {"IL", 23}, {"IQ", 23}, {"IS", 26}, {"IT", 27}, {"JO", 30}, {"KW", 30}, {"KZ", 20}, {"LB", 28}, {"LC", 32},
    {"LI", 21}, {"LT", 20}, {"LU", 20}, {"LV", 21}, {"LY", 25}, {"MC", 27}, {"MD", 24}, {"ME", 22}, {"MK", 19},
    {"MN", 20}, {"MR", 27}, {"MT", 31}, {"MU", 30}, {"NI", 28}, {"NL", 18}, {"NO", 15}, {"OM", 23}, {"PK", 24},
    {"PL", 28}, {"PS", 29}, {"PT", 25}, {"QA", 29}, {"RO", 24}, {"RS", 22}, {"RU", 33}, {"SA", 24}, {"SC", 31},
    {"SD", 18}, {"SE", 24}, {"SI", 19}, {"SK", 24}, {"SM", 27}, {"SO", 23}, {"ST", 25}, {"SV", 28}, {"TL", 23},
    {"TN", 24}, {"TR", 26}, {"UA", 29}, {"VA", 22}, {"VG", 24}, {"XK", 20}, {"YE", 30},
});

std::size_t length_of(char first, char second) {
  const auto* found = std::ranges::lower_bound(kLengths, std::pair(first, second), {}, [](const IbanLength& entry) {
    return std::pair(entry.country[0], entry.country[1]);
  });
  return found != kLengths.end() && found->country[0] == first && found->country[1] == second ? found->length : 0;
}

// ISO 13616: the first four characters moved to the end, letters as two digits (A = 10), the remainder by 97 is 1.
bool mod97_valid(std::string_view iban) {
  unsigned remainder = 0;
  for (std::size_t i = 0; i < iban.size(); ++i) {
    const char c = iban[(i + 4) % iban.size()];
    remainder = is_digit(c) ? (remainder * 10 + static_cast<unsigned>(c - '0')) % 97
                            : (remainder * 100 + static_cast<unsigned>(c - 'A' + 10)) % 97;
  }
  return remainder == 1;
}

// Wakes at digits; goes on only where "two letters, two digits" begin a word.
class IbanDetector final : public Detector {
 public:
  std::string_view name() const override { return "iban"; }
  bool reports(std::string_view type) const override { return type == "IBAN"; }
  std::string_view wake_bytes() const override { return "0123456789"; }

  void verify(ScanWindow& window, std::size_t at, Findings& out) const override {
    const auto text = window.text();
    if (at < 2 || !is_letter(byte_of(text, at - 1)) || !is_letter(byte_of(text, at - 2))) return;
    const std::size_t start = at - 2;
    if (!begins_word(text, start)) return;
    const std::size_t length = length_of(static_cast<char>(to_upper(byte_of(text, start))),
                                         static_cast<char>(to_upper(byte_of(text, start + 1))));
    if (length == 0) return;
    window.begin(start);
    std::array<char, 34> iban;
    std::size_t count = 0;
    std::size_t end = start;
    for (std::size_t i = start; count < length;) {
      const Symbol symbol = symbol_at(window, i);
      if (symbol.value < 0x80 && is_alnum(symbol.value)) {
        if (count >= 2 && count < 4 && !is_digit(symbol.value)) return;
        iban[count++] = static_cast<char>(to_upper(symbol.value));
        end = i + symbol.size;
      } else if (symbol.value != Symbol::kInvisible && !is_single_separator(window, symbol, i)) {
        return;
      }
      i += symbol.size;
    }
    if (is_alnum(window.at(end)) || !mod97_valid({iban.data(), length})) return;
    out.push_back({"IBAN", "iban", "mod97", {start, end}, 0.99F});
  }

 private:
  static bool is_single_separator(ScanWindow& window, const Symbol& symbol, std::size_t at) {
    if (symbol.value != ' ' && symbol.value != '-' && symbol.value != '\n') return false;
    const int next = symbol_at(window, at + symbol.size).value;
    return next < 0x80 && is_alnum(next);
  }
};

}  // namespace

std::unique_ptr<Detector> make_iban_detector() {
  return std::make_unique<IbanDetector>();
}

}  // namespace sb::policy
