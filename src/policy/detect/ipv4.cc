#include "policy/detect/builtin.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/context.h"

namespace sb::policy {
namespace {

// Wakes at the first dot: the digits before it are word bytes, so a stream holds them back.
class Ipv4Detector final : public Detector {
 public:
  std::string_view name() const override { return "ipv4"; }
  bool reports(std::string_view type) const override { return type == "IP_ADDRESS"; }
  std::string_view wake_bytes() const override { return "."; }

  void verify(ScanWindow& window, std::size_t at, Findings& out) const override {
    const auto text = window.text();
    std::size_t start = at;
    while (start > 0 && at - start < 4 && is_digit(byte_of(text, start - 1))) --start;
    if (start == at || at - start > 3 || !begins_word(text, start)) return;
    if (start > 0 && (text[start - 1] == '.' || text[start - 1] == '-')) return;
    window.begin(start);
    std::size_t i = start;
    for (int octet = 0; octet < 4; ++octet) {
      if (octet > 0 && window.at(i++) != '.') return;
      int value = 0;
      std::size_t digits = 0;
      for (; digits < 4 && is_digit(window.at(i)); ++digits, ++i) value = value * 10 + (text[i] - '0');
      if (digits == 0 || digits > 3 || value > 255) return;
    }
    const int next = window.at(i);
    if (is_alnum(next) || next == '-' || (next == '.' && is_alnum(window.at(i + 1)))) return;
    const Hint hint = hint_before(window, start);
    if (hint == Hint::other) return;
    out.push_back({"IP_ADDRESS", "ipv4", "dotted", {start, i}, hint == Hint::address ? 0.95F : 0.7F});
  }
};

}  // namespace

std::unique_ptr<Detector> make_ipv4_detector() {
  return std::make_unique<Ipv4Detector>();
}

}  // namespace sb::policy
