#include "policy/same_value.h"

#include <algorithm>
#include <vector>

#include "policy/detect/builtin.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/fold.h"
#include "policy/detect/numbers.h"
#include "policy/tagger/labels.h"

namespace sb::policy {
namespace {

// Letters and digits of a number, letters as capitals; bytes of other scripts stay.
std::string number_of(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_a(byte, kDigit | kUpper | kLower | kHigh)) out += static_cast<char>(to_upper(byte));
  }
  return out;
}

// "+49 (0)30 123", "0049 30 123": +4930123.
std::string phone_of(std::string_view text) {
  static constexpr std::string_view kTrunk = "(0)";  // dialled inside the country alone
  const std::size_t first = std::min(text.find_first_of("0123456789"), text.size());
  const bool plus = text.substr(0, first).contains('+');
  const bool zeros = !plus && text.substr(first).starts_with("00");
  if (!plus && !zeros) return number_of(text);
  text.remove_prefix(first + (zeros ? 2 : 0));
  const std::size_t trunk = text.find(kTrunk);
  if (trunk == std::string_view::npos) return "+" + number_of(text);
  return "+" + number_of(text.substr(0, trunk)) + number_of(text.substr(trunk + kTrunk.size()));
}

// In small letters, with one blank for any run of them.
std::string words_of(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > ' ')
      out += static_cast<char>(to_lower(byte));
    else if (!out.ends_with(' '))
      out += ' ';
  }
  return out;
}

std::string address_of(std::string_view text) {
  std::string out = words_of(text);
  std::erase_if(out, [](char c) { return c == ' ' || c == '*'; });  // wrapped, or in bold: "**ann**@pages.org"
  return out;
}

bool is_name_type(std::string_view type) {
  using tagger::Label;
  static constexpr Label kNames[] = {Label::person, Label::place, Label::organisation, Label::group};
  return std::ranges::any_of(kNames, [&](Label label) { return tagger::type_of(label) == type; });
}

bool is_number_type(std::string_view type) {
  static const std::vector<std::string_view> kNumbers = [] {
    auto types = identifier_types();
    for (const auto more : {kCardType, kIbanType, kMacType}) types.push_back(more);
    std::ranges::sort(types);
    return types;
  }();
  return std::ranges::binary_search(kNumbers, type);
}

}  // namespace

std::string same_value(std::string_view type, std::string_view value) {
  Fold fold;
  fold.assign(value, true);
  const auto text = fold.text();
  if (type == kEmailType) return address_of(text);
  if (type == kPhoneType) return phone_of(text);
  if (is_name_type(type)) return words_of(text);
  if (is_number_type(type)) return number_of(text);
  return std::string(value);
}

}  // namespace sb::policy
