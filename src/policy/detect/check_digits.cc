#include "policy/detect/check_digits.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>

#include "policy/detect/bytes_class.h"

namespace sb::policy::check {
namespace {

int digit(char c) {
  return c - '0';
}

int number(std::string_view digits) {
  int value = 0;
  for (const char c : digits) value = value * 10 + digit(c);
  return value;
}

// A = 10 ... Z = 35.
int value36(char c) {
  return is_digit(c) ? c - '0' : c - 'A' + 10;
}

int weighted(std::string_view v, std::initializer_list<int> weights) {
  int sum = 0;
  std::size_t i = 0;
  for (const int weight : weights) sum += weight * digit(v[i++]);
  return sum;
}

bool all_same(std::string_view v) {
  return v.find_first_not_of(v[0]) == std::string_view::npos;
}

bool is_date(int month, int day) {
  static constexpr int kDays[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month >= 1 && month <= 12 && day >= 1 && day <= kDays[month - 1];
}

// "YYMMDD".
bool begins_with_date(std::string_view v) {
  return is_date(number(v.substr(2, 2)), number(v.substr(4, 2)));
}

bool one_of(int value, std::initializer_list<int> list) {
  return std::ranges::find(list, value) != list.end();
}

// The Luhn sum of the digits and decimal digit sums, without the check digit, the last weighing 2.
int luhn_sum(std::string_view v) {
  int sum = 0;
  bool doubled = false;
  for (std::size_t i = v.size(); i-- > 0; doubled = !doubled) {
    int d = digit(v[i]);
    if (doubled && (d *= 2) > 9) d -= 9;
    sum += d;
  }
  return sum;
}

int digit_sum(int value) {
  return value / 10 + value % 10;
}

}  // namespace

bool luhn(std::string_view v) {
  return !v.empty() && luhn_sum(v) % 10 == 0;
}

bool iso7064_97(std::string_view v) {
  std::uint64_t remainder = 0;
  for (const char c : v) {
    const auto value = static_cast<std::uint64_t>(value36(c));
    remainder = remainder * (value > 9 ? 100 : 10) + value;
    if (remainder > 1'000'000'000'000'000) remainder %= 97;  // divisions are slow: one in a dozen digits
  }
  return remainder % 97 == 1;
}

bool iso7064_11_10(std::string_view v) {
  int product = 10;
  for (const char c : v.substr(0, v.size() - 1)) {
    int sum = (digit(c) + product) % 10;
    if (sum == 0) sum = 10;
    product = sum * 2 % 11;
  }
  return (11 - product) % 10 == digit(v.back());
}

// J. Verhoeff, "Error detecting decimal codes", 1969: the dihedral group D5 and a permutation of order 8.
bool verhoeff(std::string_view v) {
  static constexpr std::uint8_t kTimes[10][10] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 2, 3, 4, 0, 6, 7, 8, 9, 5},
                                                  {2, 3, 4, 0, 1, 7, 8, 9, 5, 6}, {3, 4, 0, 1, 2, 8, 9, 5, 6, 7},
                                                  {4, 0, 1, 2, 3, 9, 5, 6, 7, 8}, {5, 9, 8, 7, 6, 0, 4, 3, 2, 1},
                                                  {6, 5, 9, 8, 7, 1, 0, 4, 3, 2}, {7, 6, 5, 9, 8, 2, 1, 0, 4, 3},
                                                  {8, 7, 6, 5, 9, 3, 2, 1, 0, 4}, {9, 8, 7, 6, 5, 4, 3, 2, 1, 0}};
  static constexpr std::uint8_t kPermuted[8][10] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 5, 7, 6, 2, 8, 3, 0, 9, 4},
                                                    {5, 8, 0, 3, 7, 9, 6, 1, 4, 2}, {8, 9, 1, 6, 0, 4, 3, 5, 2, 7},
                                                    {9, 4, 5, 3, 1, 2, 6, 8, 7, 0}, {4, 2, 8, 6, 5, 7, 3, 9, 0, 1},
                                                    {2, 7, 9, 3, 8, 0, 6, 4, 1, 5}, {7, 0, 4, 6, 9, 1, 3, 2, 5, 8}};
  std::size_t check = 0;
  for (std::size_t i = 0; i < v.size(); ++i)
    check = kTimes[check][kPermuted[i % 8][static_cast<std::size_t>(digit(v[v.size() - 1 - i]))]];
  return check == 0;
}

bool mod11_weighted(std::string_view v) {
  int sum = 0;
  for (std::size_t i = 0; i < v.size(); ++i) {
    const char c = v[v.size() - 1 - i];
    if (!is_digit(c) && !(c == 'X' && i == 0)) return false;
    sum += static_cast<int>(i + 1) * (c == 'X' ? 10 : digit(c));
  }
  return sum % 11 == 0;
}

// The first two digits are a Federal Reserve district, a thrift, an electronic or a traveller's cheque range.
bool aba_routing(std::string_view v) {
  const int area = number(v.substr(0, 2));
  const bool assigned =
      (area >= 1 && area <= 12) || (area >= 21 && area <= 32) || (area >= 61 && area <= 72) || area == 80;
  return assigned && weighted(v, {3, 7, 1, 3, 7, 1, 3, 7, 1}) % 10 == 0;
}

// Social Security Administration: area 000, 666 and 900-999, group 00 and serial 0000 are never issued; two numbers
// became known through advertisements and belong to nobody.
bool us_ssn(std::string_view v) {
  const auto area = v.substr(0, 3);
  return area != "000" && area != "666" && area[0] != '9' && v.substr(3, 2) != "00" && v.substr(5) != "0000" &&
         v != "078051120" && v != "219099999" && !all_same(v);
}

// IRS: 9xx with a group of 50-65, 70-88, 90-92 or 94-99.
bool us_itin(std::string_view v) {
  const int group = number(v.substr(3, 2));
  return v[0] == '9' && ((group >= 50 && group <= 65) || (group >= 70 && group <= 88) || (group >= 90 && group != 93));
}

// CMS: Luhn over the number behind the issuer prefix 80840, whose own sum is 24.
bool us_npi(std::string_view v) {
  return (v[0] == '1' || v[0] == '2') && !all_same(v.substr(0, 9)) && (luhn_sum(v) + 24) % 10 == 0;
}

// DEA registration: registrant type, initial (or 9), and (d1+d3+d5) + 2(d2+d4+d6) ends in d7.
bool us_dea(std::string_view v) {
  if (std::string_view("ABCDEFGHJKLMPRSTUX").find(v[0]) == std::string_view::npos) return false;
  const auto d = v.substr(2);
  return weighted(d, {1, 2, 1, 2, 1, 2}) % 10 == digit(d[6]);
}

bool au_abn(std::string_view v) {
  return v[0] != '0' && (weighted(v, {10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19}) - 10) % 89 == 0;
}

bool au_acn(std::string_view v) {
  return (10 - weighted(v, {8, 7, 6, 5, 4, 3, 2, 1}) % 10) % 10 == digit(v[8]);
}

bool au_medicare(std::string_view v) {
  return v[0] >= '2' && v[0] <= '6' && weighted(v, {1, 3, 7, 9, 1, 3, 7, 9}) % 10 == digit(v[8]);
}

bool au_tfn(std::string_view v) {
  if (all_same(v)) return false;
  return v.size() == 8 ? weighted(v, {10, 7, 8, 4, 6, 3, 5, 1}) % 11 == 0
                       : weighted(v, {1, 4, 3, 7, 5, 8, 6, 9, 10}) % 11 == 0;
}

bool br_cpf(std::string_view v) {
  const auto check = [](int sum) { return sum * 10 % 11 % 10; };
  return !all_same(v) && check(weighted(v, {10, 9, 8, 7, 6, 5, 4, 3, 2})) == digit(v[9]) &&
         check(weighted(v, {11, 10, 9, 8, 7, 6, 5, 4, 3, 2})) == digit(v[10]);
}

bool br_cnpj(std::string_view v) {
  const auto check = [](int sum) { return sum % 11 < 2 ? 0 : 11 - sum % 11; };
  return !all_same(v) && check(weighted(v, {5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2})) == digit(v[12]) &&
         check(weighted(v, {6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2})) == digit(v[13]);
}

bool ca_sin(std::string_view v) {
  return v[0] != '0' && v[0] != '8' && luhn(v);
}

// The first two digits are the association of statutory health insurance physicians.
bool de_bsnr(std::string_view v) {
  return one_of(number(v.substr(0, 2)),
                {1,  2,  3,  6,  7,  8,  9,  17, 18, 19, 20, 21, 24, 25, 27, 28, 31, 35, 37, 38, 39, 40, 41,
                 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 55, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70,
                 71, 72, 73, 74, 78, 79, 80, 81, 83, 85, 86, 87, 88, 89, 90, 91, 93, 94, 95, 96, 97, 98, 99}) &&
         !all_same(v.substr(2));
}

// The letter as two digits, then weights 1, 2 alternating, decimal digit sums.
bool de_health_insurance(std::string_view v) {
  const int letter = v[0] - 'A' + 1;
  int sum = digit_sum(letter / 10) + digit_sum(letter % 10 * 2);
  for (std::size_t i = 1; i < 9; ++i) sum += digit_sum(digit(v[i]) * (i % 2 == 1 ? 1 : 2));
  return sum % 10 == digit(v[9]);
}

bool de_document(std::string_view v) {
  static constexpr int kWeights[] = {7, 3, 1};
  if (!is_digit(v.back())) return false;
  int sum = 0;
  for (std::size_t i = 0; i + 1 < v.size(); ++i) sum += value36(v[i]) * kWeights[i % 3];
  return sum % 10 == digit(v.back());
}

bool de_lanr(std::string_view v) {
  return (10 - weighted(v, {4, 9, 4, 9, 4, 9}) % 10) % 10 == digit(v[6]) && v.substr(0, 6) != "000000";
}

// Area, birth date (day + 50 where numbers ran out), initial, serial, check digit.
bool de_social_security(std::string_view v) {
  static constexpr int kWeights[] = {2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1};
  const int day = number(v.substr(2, 2));
  if (!is_date(number(v.substr(4, 2)), day > 50 ? day - 50 : day)) return false;
  std::array<int, 12> digits{};
  std::size_t n = 0;
  for (std::size_t i = 0; i < 11; ++i) {
    if (i == 8) {
      digits[n++] = (v[i] - 'A' + 1) / 10;
      digits[n++] = (v[i] - 'A' + 1) % 10;
    } else {
      digits[n++] = digit(v[i]);
    }
  }
  int sum = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) sum += digit_sum(digits[i] * kWeights[i]);
  return sum % 10 == digit(v[11]);
}

// No digit stands more than three times among the first ten.
bool de_tax_id(std::string_view v) {
  if (v[0] == '0') return false;
  for (char c = '0'; c <= '9'; ++c) {
    if (std::ranges::count(v.substr(0, 10), c) > 3) return false;
  }
  return iso7064_11_10(v);
}

bool es_nif(std::string_view v) {
  return "TRWAGMYFPDXBNJZSQVHLCKE"[number(v.substr(0, v.size() - 1)) % 23] == v.back();
}

bool es_nie(std::string_view v) {
  return "TRWAGMYFPDXBNJZSQVHLCKE"[((v[0] - 'X') * 10'000'000 + number(v.substr(1, 7))) % 23] == v[8];
}

// The sign between date and number tells the century; a '-' is not part of the compact value.
bool fi_personal_code(std::string_view v) {
  if (v.size() == 11 && std::string_view("ABCDEFUVWXY").find(v[6]) == std::string_view::npos) return false;
  const auto serial = v.substr(v.size() - 4, 3);
  if (!is_date(number(v.substr(2, 2)), number(v.substr(0, 2))) || serial < "002") return false;
  const int value = number(v.substr(0, 6)) * 1000 + number(serial);
  return "0123456789ABCDEFHJKLMNPRSTUVWXY"[value % 31] == v.back();
}

// Sex, year, month, department (2A and 2B count as 19 and 18), commune, order; the key is 97 minus the rest by 97.
bool fr_nir(std::string_view v) {
  if (v[0] != '1' && v[0] != '2' && v[0] != '7' && v[0] != '8') return false;
  const int month = number(v.substr(3, 2));
  if (month == 0 || (month > 12 && month < 20) || (month > 42 && month < 50)) return false;
  std::int64_t value = 0;
  for (std::size_t i = 0; i < 13; ++i) {
    if (is_digit(v[i]))
      value = value * 10 + digit(v[i]);
    else if (i == 6 && (v[i] == 'A' || v[i] == 'B') && v[5] == '2')
      value = (value - 2) * 10 + (v[i] == 'A' ? 19 : 18);
    else
      return false;
  }
  return 97 - value % 97 == number(v.substr(13, 2));
}

bool in_aadhaar(std::string_view v) {
  const bool palindrome = std::equal(v.begin(), v.begin() + 6, v.rbegin());
  return v[0] >= '2' && !palindrome && verhoeff(v);
}

// State 01-38 (97: other territory); the check character is left out of it: numbers are also quoted without care for
// it.
bool in_gstin(std::string_view v) {
  const int state = number(v.substr(0, 2));
  return ((state >= 1 && state <= 37) || state == 97) && v[12] != '0';
}

bool it_fiscal_code(std::string_view v) {
  const int day = number(v.substr(9, 2));
  const auto month = std::string_view("ABCDEHLMPRST").find(v[8]);
  return month != std::string_view::npos && is_date(static_cast<int>(month) + 1, day > 40 ? day - 40 : day);
}

bool it_vat(std::string_view v) {
  return !all_same(v) && luhn(v);
}

bool kr_brn(std::string_view v) {
  const int sum = weighted(v, {1, 3, 7, 1, 3, 7, 1, 3, 5}) + digit(v[8]) * 5 / 10;
  return (10 - sum % 10) % 10 == digit(v[9]);
}

bool kr_driver_license(std::string_view v) {
  const int region = number(v.substr(0, 2));
  return region >= 11 && region <= 28;
}

bool kr_birth(std::string_view v) {
  return begins_with_date(v);
}

bool nl_bsn(std::string_view v) {
  return !all_same(v) && (weighted(v, {9, 8, 7, 6, 5, 4, 3, 2}) - digit(v[8])) % 11 == 0;
}

// The month carries the century: +80 for 18xx, +20 for 20xx and so on.
bool pl_pesel(std::string_view v) {
  return is_date(number(v.substr(2, 2)) % 20, number(v.substr(4, 2))) &&
         weighted(v, {1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1}) % 10 == 0;
}

bool se_organisation(std::string_view v) {
  return v[0] != '0' && v[0] != '4' && v[2] >= '2' && luhn(v);
}

// Coordination numbers have 60 added to the day.
bool se_personal(std::string_view v) {
  if (v.size() == 12) {
    const int century = number(v.substr(0, 2));
    if (century < 18 || century > 20) return false;
    v.remove_prefix(2);
  }
  const int day = number(v.substr(4, 2));
  return is_date(number(v.substr(2, 2)), day > 60 ? day - 60 : day) && luhn(v);
}

bool sg_nric(std::string_view v) {
  int sum = weighted(v.substr(1), {2, 7, 6, 5, 4, 3, 2});
  switch (v[0]) {
    case 'S':
      return "JZIHGFEDCBA"[sum % 11] == v[8];
    case 'T':
      return "JZIHGFEDCBA"[(sum + 4) % 11] == v[8];
    case 'F':
      return "XWUTRQPNMLK"[sum % 11] == v[8];
    case 'G':
      return "XWUTRQPNMLK"[(sum + 4) % 11] == v[8];
    case 'M':
      return "KLJNPQRTUWX"[10 - (sum + 3) % 11] == v[8];
    default:
      return false;
  }
}

// ACRA: businesses (8 digits), local companies (year and 5 digits), others (T or S, year, kind, 4 digits).
bool sg_uen(std::string_view v) {
  if (v.size() == 9) return "XMKECAWLJDB"[weighted(v, {10, 4, 9, 3, 8, 2, 7, 1}) % 11] == v[8];
  if (is_digit(v[0])) {
    return (v.starts_with("19") || v.starts_with("20")) &&
           "ZKCMDNERGWH"[weighted(v, {10, 8, 6, 4, 9, 7, 5, 3, 1}) % 11] == v[9];
  }
  static constexpr std::string_view kAlphabet = "ABCDEFGHJKLMNPQRSTUVWX0123456789";
  static constexpr int kWeights[] = {4, 3, 5, 3, 10, 2, 2, 5, 7};
  int sum = 0;
  for (std::size_t i = 0; i < 9; ++i) {
    const auto value = kAlphabet.find(v[i]);
    if (value == std::string_view::npos) return false;
    sum += static_cast<int>(value) * kWeights[i];
  }
  return kAlphabet[static_cast<std::size_t>((sum - 5 + 11) % 11)] == v[9];
}

// The second and third digits are a province.
bool th_tnin(std::string_view v) {
  const int province = number(v.substr(1, 2));
  static constexpr int kLast[] = {-1, 19, 27, 39, 49, 58, 67, 77, 86, 96};
  if (province / 10 == 0 || province > kLast[province / 10] || v[0] == '0' || v[0] == '9') return false;
  return (11 - weighted(v, {13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2}) % 11) % 10 == digit(v[12]);
}

bool tr_national_id(std::string_view v) {
  if (v[0] == '0') return false;
  const int odd = weighted(v, {1, 0, 1, 0, 1, 0, 1, 0, 1});
  const int even = weighted(v, {0, 1, 0, 1, 0, 1, 0, 1, 0});
  return ((odd * 7 - even) % 10 + 10) % 10 == digit(v[9]) && (odd + even + digit(v[9])) % 10 == digit(v[10]);
}

// Surname, decade, month (women: +50), day, year, initials.
bool uk_driving_licence(std::string_view v) {
  const int month = number(v.substr(6, 2));
  const auto name = v.substr(0, 5);  // a short one is filled up: "FOX99"
  const auto letters = name.substr(0, name.find('9'));
  if (!std::ranges::all_of(letters, [](char c) { return is_letter(c); })) return false;
  if (name.find_first_not_of('9', letters.size()) != std::string_view::npos) return false;
  return is_date(month > 50 ? month - 50 : month, number(v.substr(8, 2))) && is_letter(v[0]);
}

bool uk_nhs(std::string_view v) {
  const int check = 11 - weighted(v, {10, 9, 8, 7, 6, 5, 4, 3, 2}) % 11;
  return check % 11 == digit(v[9]) && check != 10 && !all_same(v);
}

// HMRC: prefixes that are never allocated.
bool uk_nino(std::string_view v) {
  static constexpr std::string_view kNever[] = {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"};
  return std::string_view("DFIQUV").find(v[0]) == std::string_view::npos &&
         std::string_view("DFIQUVO").find(v[1]) == std::string_view::npos &&
         std::ranges::find(kNever, v.substr(0, 2)) == std::end(kNever) && v[8] <= 'D';
}

// Birth date, sequence, citizenship (0 citizen, 1 resident, 2 refugee), 8 or 9, Luhn.
bool za_id(std::string_view v) {
  return begins_with_date(v) && v[10] <= '2' && v[11] >= '8' && luhn(v);
}

}  // namespace sb::policy::check
