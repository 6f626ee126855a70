#include <array>

#include "policy/detect/builtin.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/check_digits.h"
#include "policy/detect/numbers.h"

namespace sb::policy {
namespace {

// BIP 173: a human-readable part, '1', lower or upper case throughout.
bool is_segwit(std::string_view word) {
  std::array<char, 64> lower;
  bool has_lower = false;
  bool has_upper = false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    has_lower = has_lower || is_a(static_cast<unsigned char>(word[i]), kLower);
    has_upper = has_upper || is_a(static_cast<unsigned char>(word[i]), kUpper);
    lower[i] = static_cast<char>(to_lower(word[i]));
  }
  const std::string_view text(lower.data(), word.size());
  return !(has_lower && has_upper) &&
         (text.starts_with("bc1") || text.starts_with("ltc1") || text.starts_with("tb1")) && check::bech32(text);
}

bool is_hex_address(std::string_view word) {  // EIP-55 allows any case; the checksum in the case is not required
  return word.size() == 42 && word.starts_with("0x") &&
         word.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string_view::npos;
}

}  // namespace

void classify_wallet(ScanWindow& window, std::size_t start, Findings& out) {
  const auto text = window.text();
  if (!begins_word(text, start)) return;
  std::size_t end = start;
  while (is_alnum(window.at(end))) ++end;
  if (end - start < 26 || end - start > 62 || end >= window.limit()) return;
  const auto word = text.substr(start, end - start);
  if (word.size() <= 35 && std::string_view("13LMD").find(word[0]) != std::string_view::npos &&
      check::base58check(word))
    out.push_back({kWalletType, "wallet", "base58check", {start, end}, 0.98F});
  else if (is_segwit(word))
    out.push_back({kWalletType, "wallet", "bech32", {start, end}, 0.99F});
  else if (is_hex_address(word))
    out.push_back(
        {kWalletType, "wallet", "ethereum", {start, end}, window.context(start).says(topic::wallet) ? 0.9F : 0.6F});
}

}  // namespace sb::policy
