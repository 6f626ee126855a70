#include "policy/detect/literal.h"

#include <algorithm>

#include "base/errors.h"
#include "policy/detect/bytes_class.h"
#include "policy/policy.h"
#include "policy/vault.h"

namespace sb::policy {
namespace {

class DenyDetector final : public Detector {
 public:
  DenyDetector(std::string rule, std::vector<std::string> words)
      : rule_(std::move(rule)), words_(std::move(words)), wake_(words_.first_bytes()) {}

  std::string_view name() const override { return "deny"; }
  bool reports(std::string_view type) const override { return type == kDeniedType; }
  std::string_view wake_bytes() const override { return wake_; }

  void verify(ScanWindow& window, std::size_t at, Findings& out) const override {
    const auto text = window.text();
    if (is_alnum(byte_of(text, at)) && !begins_word(text, at)) return;
    window.begin(at);
    const std::size_t end = words_.match(window, at);
    if (end != 0) out.push_back({kDeniedType, "deny", rule_, {at, end}, 1.0F});
  }

 private:
  std::string rule_;
  WordSet words_;
  std::string wake_;
};

// "[EMAIL_1]", also as models write it: "[email_1]", "[EMAIL\_1]". A key in brackets with a number behind it must not
// pass for one: types with digits are known by name.
class PlaceholderDetector final : public Detector {
 public:
  explicit PlaceholderDetector(std::optional<std::vector<std::string>> numbered) : numbered_(std::move(numbered)) {}
  std::string_view name() const override { return "placeholder"; }
  bool reports(std::string_view type) const override { return type == kPlaceholderType; }
  std::string_view wake_bytes() const override { return "["; }

  void verify(ScanWindow& window, std::size_t at, Findings& out) const override {
    const auto text = window.text();
    window.begin(at);
    std::size_t i = at + 1;
    std::size_t underscore = 0;
    while (i - at <= kMaxTypeBytes + TokenVault::kTenantTagBytes + 4 &&
           (is_alnum(window.at(i)) || window.at(i) == '_' || is_escaped_mark(window, i))) {
      if (text[i] == '_') underscore = i;
      ++i;
    }
    if (underscore == 0 || window.at(i) != ']' || !is_letter(byte_of(text, at + 1))) return;
    if (!is_number(text.substr(underscore + 1, i - underscore - 1))) return;
    if (!is_type(text.substr(at + 1, underscore - at - 1))) return;
    // Surer than anything else that begins here.
    out.push_back({kPlaceholderType, "placeholder", "placeholder", {at, i + 1}, 2.0F});
  }

 private:
  // "1", or a tenant's "T0123456789AB".
  static bool is_number(std::string_view text) {
    constexpr std::size_t kMostDigits = 7;
    if (!text.empty() && to_lower(byte_of(text, 0)) == 't') {
      return text.size() == TokenVault::kTenantTagBytes + 1 && std::ranges::all_of(text.substr(1), [](char c) {
               const int low = to_lower(static_cast<unsigned char>(c));
               return is_digit(low) || (low >= 'a' && low <= 'f');
             });
    }
    return !text.empty() && text.size() <= kMostDigits &&
           std::ranges::all_of(text, [](char c) { return is_digit(static_cast<unsigned char>(c)); });
  }
  bool is_type(std::string_view text) const {
    if (!numbered_ || std::ranges::none_of(text, [](char c) { return is_digit(static_cast<unsigned char>(c)); }))
      return true;
    std::string type;
    for (const char c : text) {
      if (c != '\\') type += static_cast<char>(to_upper(static_cast<unsigned char>(c)));
    }
    return std::ranges::find(*numbered_, type) != numbered_->end();
  }
  static bool is_escaped_mark(ScanWindow& window, std::size_t i) {
    return window.at(i) == '\\' && (window.at(i + 1) == '_' || (window.at(i + 1) == '\\' && window.at(i + 2) == '_') ||
                                    (i > 0 && window.text()[i - 1] == '\\' && window.at(i + 1) == '_'));
  }

  std::optional<std::vector<std::string>> numbered_;
};

}  // namespace

WordSet::WordSet(std::vector<std::string> words) : words_(std::move(words)) {
  for (auto& word : words_) {
    for (auto& c : word) c = static_cast<char>(to_lower(static_cast<unsigned char>(c)));
  }
  // Longest first: "project x ray" before "project x".
  std::ranges::sort(words_, [](const auto& a, const auto& b) {
    return a[0] != b[0] ? byte_of(a, 0) < byte_of(b, 0) : a.size() > b.size();
  });
  SB_ASSERT(words_.size() < UINT16_MAX);
  for (const auto& word : words_) ++by_first_[static_cast<std::size_t>(byte_of(word, 0)) + 1];
  for (std::size_t i = 1; i < by_first_.size(); ++i)
    by_first_[i] = static_cast<std::uint16_t>(by_first_[i] + by_first_[i - 1]);
}

std::string WordSet::first_bytes() const {
  std::string bytes;
  for (const auto& word : words_) {
    if (!bytes.empty() && to_lower(byte_of(bytes, bytes.size() - 1)) == byte_of(word, 0)) continue;
    bytes += static_cast<char>(to_upper(byte_of(word, 0)));
    bytes += word[0];
  }
  return bytes;
}

std::size_t WordSet::match(ScanWindow& window, std::size_t at) const {
  const int first = to_lower(window.at(at));
  if (first < 0) return 0;
  for (std::size_t n = by_first_[static_cast<std::size_t>(first)]; n < by_first_[static_cast<std::size_t>(first) + 1];
       ++n) {
    const auto& word = words_[n];
    std::size_t i = 1;
    while (i < word.size() && to_lower(window.at(at + i)) == static_cast<unsigned char>(word[i])) ++i;
    if (i == word.size() && !(is_alnum(byte_of(word, i - 1)) && is_alnum(window.at(at + i)))) return at + i;
  }
  return 0;
}

std::unique_ptr<Detector> make_deny_detector(std::string rule, std::vector<std::string> words) {
  return std::make_unique<DenyDetector>(std::move(rule), std::move(words));
}

std::unique_ptr<Detector> make_placeholder_detector(std::optional<std::vector<std::string>> numbered) {
  return std::make_unique<PlaceholderDetector>(std::move(numbered));
}

}  // namespace sb::policy
