#include <algorithm>
#include <array>

#include "policy/detect/builtin.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/check_digits.h"
#include "policy/detect/numbers.h"

namespace sb::policy {
namespace {

struct Structure {
  std::string_view country;
  std::string_view account;  ///< behind the check digits: counts of n (digits), a (capitals), c (either)
};

// SWIFT IBAN registry, sorted by country; neighbouring parts of one kind are added up.
constexpr auto kStructures = std::to_array<Structure>({
    {"AD", "8n12c"}, {"AE", "19n"},    {"AL", "8n16c"},    {"AT", "16n"},      {"AZ", "4a20c"},    {"BA", "16n"},
    {"BE", "12n"},   {"BG", "4a6n8c"}, {"BH", "4a14c"},    {"BI", "23n"},      {"BR", "23n1a1c"},  {"BY", "4c4n16c"},
    {"CH", "5n12c"}, {"CR", "18n"},    {"CY", "8n16c"},    {"CZ", "20n"},      {"DE", "18n"},      {"DJ", "23n"},
    {"DK", "14n"},   {"DO", "4c20n"},  {"EE", "16n"},      {"EG", "25n"},      {"ES", "20n"},      {"FI", "14n"},
    {"FK", "2a12n"}, {"FO", "14n"},    {"FR", "10n11c2n"}, {"GB", "4a14n"},    {"GE", "2a16n"},    {"GI", "4a15c"},
    {"GL", "14n"},   {"GR", "7n16c"},  {"GT", "24c"},      {"HR", "17n"},      {"HU", "24n"},      {"IE", "4a14n"},
    {"IL", "19n"},   {"IQ", "4a15n"},  {"IS", "22n"},      {"IT", "1a10n12c"}, {"JO", "4a4n18c"},  {"KW", "4a22c"},
    {"KZ", "3n13c"}, {"LB", "4n20c"},  {"LC", "4a24c"},    {"LI", "5n12c"},    {"LT", "16n"},      {"LU", "3n13c"},
    {"LV", "4a13c"}, {"LY", "21n"},    {"MC", "10n11c2n"}, {"MD", "20c"},      {"ME", "18n"},      {"MK", "3n10c2n"},
    {"MN", "16n"},   {"MR", "23n"},    {"MT", "4a5n18c"},  {"MU", "4a19n3a"},  {"NI", "4a20n"},    {"NL", "4a10n"},
    {"NO", "11n"},   {"OM", "3n16c"},  {"PK", "4a16c"},    {"PL", "24n"},      {"PS", "4a21c"},    {"PT", "21n"},
    {"QA", "4a21c"}, {"RO", "4a16c"},  {"RS", "18n"},      {"RU", "14n15c"},   {"SA", "2n18c"},    {"SC", "4a20n3a"},
    {"SD", "14n"},   {"SE", "20n"},    {"SI", "15n"},      {"SK", "20n"},      {"SM", "1a10n12c"}, {"SO", "19n"},
    {"ST", "21n"},   {"SV", "4a20n"},  {"TL", "19n"},      {"TN", "20n"},      {"TR", "6n16c"},    {"UA", "6n19c"},
    {"VA", "18n"},   {"VG", "4a16n"},  {"XK", "16n"},      {"YE", "4a4n18c"},
});

const Structure* structure_of(std::string_view country) {
  const auto* found = std::ranges::lower_bound(kStructures, country, {}, &Structure::country);
  return found != kStructures.end() && found->country == country ? found : nullptr;
}

// Calls part(kind, count) for "10n11c2n".
template <class Part>
bool all_parts(std::string_view account, Part part) {
  for (std::size_t i = 0; i < account.size(); ++i) {
    std::size_t count = 0;
    for (; is_digit(account[i]); ++i) count = count * 10 + static_cast<std::size_t>(account[i] - '0');
    if (!part(account[i], count)) return false;
  }
  return true;
}

std::size_t length_of(const Structure& structure) {
  std::size_t length = 4;
  all_parts(structure.account, [&](char, std::size_t count) { return length += count, true; });
  return length;
}

bool has_structure(std::string_view iban, const Structure& structure) {
  std::size_t at = 4;
  return all_parts(structure.account, [&](char kind, std::size_t count) {
    for (const std::size_t end = at + count; at < end; ++at) {
      if (kind == 'n' ? !is_digit(iban[at]) : kind == 'a' && is_digit(iban[at])) return false;
    }
    return true;
  });
}

bool mod97_valid(std::string_view iban) {
  std::array<char, 34> turned;
  std::ranges::rotate_copy(iban, iban.begin() + 4, turned.begin());
  return check::iso7064_97({turned.data(), iban.size()});
}

bool is_single_separator(ScanWindow& window, std::size_t at) {
  static constexpr ByteSet kMarks(" -.\n+_");
  return kMarks.has(window.at(at)) && is_alnum(window.at(at + 1));
}

}  // namespace

void classify_iban(ScanWindow& window, std::size_t start, Findings& out) {
  char country[2];
  for (std::size_t i = 0; i < 2; ++i) country[i] = static_cast<char>(to_upper(window.at(start + i)));
  const Structure* structure = structure_of({country, 2});
  if (structure == nullptr || !is_digit(window.at(start + 3))) return;
  const std::size_t length = length_of(*structure);
  std::array<char, 34> iban;
  std::size_t count = 0;
  std::size_t end = start;
  bool upper = false;
  bool lower = false;
  for (std::size_t i = start; count < length; ++i) {
    const int byte = window.at(i);
    if (is_alnum(byte)) {
      upper = upper || is_a(byte, kUpper);
      lower = lower || is_a(byte, kLower);
      iban[count++] = static_cast<char>(to_upper(byte));
      end = i + 1;
    } else if (!is_single_separator(window, i)) {
      return;
    }
  }
  const std::string_view compact(iban.data(), length);
  if ((upper && lower) || is_alnum(window.at(end)) || !has_structure(compact, *structure) || !mod97_valid(compact))
    return;
  out.push_back({kIbanType, "iban", "mod97", {start, end}, 0.99F});
}

}  // namespace sb::policy
