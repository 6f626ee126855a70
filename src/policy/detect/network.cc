#include <bit>

#include "policy/detect/builtin.h"
#include "policy/detect/byte_masks.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/numbers.h"

namespace sb::policy {
namespace {

bool is_hex(int byte) {
  static constexpr ByteSet kHex("0123456789abcdefABCDEF");
  return kHex.has(byte);
}

// Behind the dotted quad that begins at `at`; 0 where none does.
std::size_t quad_end(ScanWindow& window, std::size_t at) {
  for (int octet = 0; octet < 4; ++octet) {
    if (octet > 0 && window.at(at++) != '.') return 0;
    int value = 0;
    std::size_t digits = 0;
    for (; digits < 4 && is_digit(window.at(at)); ++digits, ++at) value = value * 10 + (window.at(at) - '0');
    if (digits == 0 || digits > 3 || value > 255) return 0;
  }
  return at;
}

// Whether as many colons stand behind `start` as a machine's address has, or two beside each other: behind most, like
// those of a time of day, they do not.
bool may_be_ipv6(std::string_view text, std::size_t start) {
  constexpr std::size_t kLongest = 46;  // eight groups, the last two as a dotted quad, and what stands behind them
  if (text.size() - start < kLongest) return true;
  const std::uint64_t colons =
      Bytes64(text, start).bits([](__m256i b) { return bits_in_range(b, ':', 1); }) & low_bits(kLongest);
  return (colons & colons << 1) != 0 || std::popcount(colons) >= 6;
}

// Wakes at marks that machine addresses hold: the bytes before them are word bytes, so a stream holds them back.
class NetworkDetector final : public Detector {
 public:
  std::string_view name() const override { return "network"; }
  bool reports(std::string_view type) const override { return type == kIpType || type == kMacType; }
  std::vector<std::string_view> types() const override { return {kIpType, kMacType}; }
  std::string_view wake_bytes() const override { return ".:-"; }
  std::vector<Beside> wakes_beside() const override {
    const auto hex = ByteSet::where(is_hex);
    const auto group = ByteSet::where([](int byte) { return is_hex(byte) || byte == ':'; });
    return {{'.', hex, hex}, {'-', hex, hex}, {':', ByteSet::all(), group}};
  }

  void verify(ScanWindow& window, std::size_t at, Findings& out) const override {
    const auto text = window.text();
    const char mark = text[at];
    if (mark == '.') ipv4(window, at, out);
    if (mark == ':') ipv6(window, at, out);
    mac(window, at, mark, out);
  }

 private:
  static void ipv4(ScanWindow& window, std::size_t at, Findings& out) {
    const auto text = window.text();
    std::size_t start = at;
    while (start > 0 && at - start < 4 && is_digit(byte_of(text, start - 1))) --start;
    if (start == at || at - start > 3 || !begins_word(text, start)) return;
    if (start > 0 && (text[start - 1] == '.' || text[start - 1] == '-' || text[start - 1] == ':')) {
      // "ip:10.0.0.1" is one, the tail of an IPv6 address is not.
      if (text[start - 1] != ':' || (start > 1 && (is_hex(byte_of(text, start - 2)) || text[start - 2] == ':'))) {
        const bool after_word = text[start - 1] == ':' && start > 2 && is_letter(byte_of(text, start - 2)) &&
                                is_letter(byte_of(text, start - 3));
        if (!after_word) return;
      }
    }
    window.begin(start);
    const std::size_t end = quad_end(window, start);
    if (end == 0) return;
    const int next = window.at(end);
    const bool longer = next == '.' && is_digit(window.at(end + 1));  // an object identifier or a version
    if (is_alnum(next) || next == '-' || (next == '.' && is_alnum(window.at(end + 1)) && !longer)) return;
    const Context words = window.context(start);
    const bool named = words.says(topic::address);
    if (longer ? !named && !stands_alone(window, start, end) : (words.nearest & topic::version) != 0 && !named) return;
    out.push_back({kIpType, "ipv4", "dotted", {start, end}, longer ? 0.4F : named ? 0.95F : 0.7F});
  }

  // RFC 4291 section 2.2: eight groups of up to four hexadecimal digits, one row of zeros left out as "::", the last
  // two as a dotted quad.
  static void ipv6(ScanWindow& window, std::size_t at, Findings& out) {
    const auto text = window.text();
    std::size_t start = at;
    while (start > 0 && at - start < 5 && is_hex(byte_of(text, start - 1))) --start;
    if (at - start > 4 || (start == at && (at + 1 < text.size() && text[at + 1] != ':'))) return;
    if (start > 0 && (is_a(byte_of(text, start - 1), kDigit | kUpper | kLower | kHigh) || text[start - 1] == ':' ||
                      text[start - 1] == '_' || text[start - 1] == '.')) {
      return;
    }
    if (!may_be_ipv6(text, start)) return;
    window.begin(start);
    int groups = 0;
    bool shortened = false;
    bool digits = false;
    std::size_t i = start;
    if (window.at(i) == ':') {
      if (window.at(i + 1) != ':') return;
      shortened = true;
      i += 2;
    }
    while (groups < 8) {
      const std::size_t group = i;
      while (i - group < 5 && is_hex(window.at(i))) digits = digits || is_digit(window.at(i)), ++i;
      if (i == group) break;
      if (window.at(i) == '.' && is_digit(window.at(i + 1))) {
        const std::size_t end = quad_end(window, group);
        if (end == 0 || groups > 6) return;
        i = end;
        groups += 2;
        break;
      }
      if (i - group > 4) return;
      ++groups;
      if (window.at(i) != ':' || groups == 8) break;
      if (window.at(i + 1) == ':') {
        if (shortened) return;
        shortened = true;
        i += 2;
      } else if (is_hex(window.at(i + 1))) {
        ++i;
      } else {
        break;
      }
    }
    if (shortened ? groups > 7 : groups != 8) return;
    const int next = window.at(i);
    if (is_a(next, kDigit | kUpper | kLower | kHigh) || next == '_' ||
        (next == ':' && (is_alnum(window.at(i + 1)) || window.at(i + 1) == ':')))
      return;
    // "::" and "a::b" are also operators of programming languages.
    if (!digits && !(next == '/' && is_digit(window.at(i + 1))) && !window.context(start).says(topic::address)) return;
    out.push_back({kIpType, "ipv6", "grouped", {start, i}, groups >= 3 ? 0.95F : 0.8F});
  }

  // Six pairs with ':' or '-', or three groups of four with '.'.
  static void mac(ScanWindow& window, std::size_t at, char mark, Findings& out) {
    const std::size_t width = mark == '.' ? 4 : 2;
    const std::size_t count = mark == '.' ? 3 : 6;
    const auto text = window.text();
    const std::size_t second = at + 1 + width;
    if (at < width || (second < text.size() && text[second] != mark)) return;
    if (at > width && is_a(byte_of(text, at - width - 1), kDigit | kUpper | kLower | kHigh)) return;
    const std::size_t start = at - width;
    if (start > 0 && text[start - 1] == mark) return;
    for (std::size_t i = start; i < at; ++i) {
      if (!is_hex(byte_of(text, i))) return;
    }
    window.begin(start);
    bool zeros = true;
    std::size_t i = start;
    for (std::size_t group = 0; group < count; ++group) {
      if (group > 0 && window.at(i++) != mark) return;
      for (std::size_t n = 0; n < width; ++n, ++i) {
        if (!is_hex(window.at(i))) return;
        zeros = zeros && window.at(i) == '0';
      }
    }
    const int next = window.at(i);
    if (zeros || is_alnum(next) || (next == mark && is_alnum(window.at(i + 1)))) return;
    out.push_back({kMacType, "mac", mark == '.' ? "dotted" : "pairs", {start, i}, mark == '.' ? 0.85F : 0.97F});
  }
};

}  // namespace

std::unique_ptr<Detector> make_network_detector() {
  return std::make_unique<NetworkDetector>();
}

}  // namespace sb::policy
