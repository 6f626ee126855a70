#include "policy/detect/literal.h"

#include <algorithm>

#include "base/errors.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/letters.h"
#include "policy/policy.h"
#include "policy/vault.h"

namespace sb::policy {
namespace {

// Of a word: where its parts are set apart.
constexpr char32_t kGap = 0xffff;
constexpr char32_t kNoLetter = 0xfffe;

bool is_gap(int byte) {
  return is_a(byte, kBlank) || byte == '-' || byte == '_';
}

// Letters outside ASCII of scripts that set words apart by blanks.
bool has_case(char32_t letter) {
  constexpr char32_t kBehindCyrillic = 0x500;
  return letter >= kLatinBegin && letter < kBehindCyrillic;
}

std::size_t first_of(char32_t letter) {
  return letter & 0xff;
}

// A character of the text as it is compared; the accents behind it belong to it. kNoLetter at the text's end and for
// what is no character.
struct Plain {
  char32_t letter = kNoLetter;
  std::size_t end = 0;
  char32_t latin = kNoLetter;  // what it looks like

  bool is(char32_t wanted) const { return letter == wanted || latin == wanted; }
};

template <class Window>
Plain read_character(Window& window, std::size_t at) {
  const int lead = window.at(at);
  if (lead < 0x80) return {lead < 0 ? kNoLetter : static_cast<char32_t>(lead), at + 1};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  std::uint32_t point = static_cast<std::uint32_t>(lead) & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    const int byte = window.at(at + i);
    if (byte < 0 || (byte & 0xc0) != 0x80) return {kNoLetter, at + 1};
    point = point << 6 | (static_cast<std::uint32_t>(byte) & 0x3f);
  }
  return {point, at + size};
}

template <class Window>
Plain read_plain(Window& window, std::size_t at) {
  Plain plain = read_character(window, at);
  if (const char latin = latin_look_alike(plain.letter); latin != '\0')
    plain.latin = static_cast<char32_t>(to_lower(static_cast<unsigned char>(latin)));
  plain.letter = plain_letter(plain.letter);
  constexpr int kFirstCombining = 0xcc;  // U+0300..U+036F
  constexpr int kLastCombining = 0xcd;
  for (int next = window.at(plain.end); next == kFirstCombining || next == kLastCombining;
       next = window.at(plain.end)) {
    const Plain accent = read_character(window, plain.end);
    if (!is_combining(accent.letter)) break;
    plain.end = accent.end;
  }
  return plain;
}

// Behind `word` where it begins at `at`; 0 where it does not.
std::size_t match_word(ScanWindow& window, std::size_t at, std::u32string_view word) {
  bool is_letter = false;
  for (const char32_t letter : word) {
    if (letter == kGap) {
      if (!is_gap(window.at(at))) return 0;
      while (is_gap(window.at(at))) ++at;
      continue;
    }
    const Plain plain = read_plain(window, at);
    if (!plain.is(letter)) return 0;
    is_letter = is_alnum(byte_of(window.text(), at)) || has_case(letter);
    at = plain.end;
  }
  return is_letter && is_alnum(window.at(at)) ? 0 : at;
}

// A text without a window's bounds.
struct WholeWord {
  std::string_view text;
  int at(std::size_t index) const { return byte_of(text, index); }
};

std::u32string plain_word(std::string_view word) {
  Fold fold;
  fold.assign(word, true);
  const WholeWord whole{fold.text()};
  std::u32string plain;
  for (std::size_t at = 0; at < whole.text.size();) {
    std::size_t behind = at;
    while (is_gap(whole.at(behind))) ++behind;
    const bool inside = at > 0 && behind < whole.text.size();
    if (behind > at && inside) {
      plain += kGap;
      at = behind;
      continue;
    }
    const Plain one = read_plain(whole, at);
    plain += one.letter;
    at = one.end;
  }
  return plain;
}

// Of Greek and Cyrillic letters that look like Latin ones.
constexpr std::string_view kLookAlikeLeads = "\xce\xcf\xd0\xd1\xd2\xd4";

// The bytes at which `plain`, listed as `word`, may begin.
void add_first_bytes(std::u32string_view plain, std::string_view word, std::string& bytes) {
  if (plain[0] < 0x80) {
    bytes += static_cast<char>(plain[0]);
    bytes += static_cast<char>(to_upper(static_cast<int>(plain[0])));
    if (is_letter(static_cast<int>(plain[0]))) bytes += kLookAlikeLeads;
  }
  const int lead = byte_of(word, 0);
  if (lead < 0x80) return;
  bytes += static_cast<char>(lead);
  for (const std::string_view script : {"\xc3\xc4\xc5", "\xce\xcf", "\xd0\xd1"}) {  // Latin, Greek, Cyrillic
    if (script.contains(static_cast<char>(lead))) bytes += script;
  }
}

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

WordSet::WordSet(std::vector<std::string> words) {
  for (const auto& word : words) {
    words_.push_back(plain_word(word));
    add_first_bytes(words_.back(), word, first_bytes_);
  }
  std::ranges::sort(first_bytes_);
  first_bytes_.erase(std::ranges::unique(first_bytes_).begin(), first_bytes_.end());
  // Longest first: "project x ray" before "project x".
  std::ranges::sort(words_, [](const auto& a, const auto& b) {
    return first_of(a[0]) != first_of(b[0]) ? first_of(a[0]) < first_of(b[0]) : a.size() > b.size();
  });
  SB_ASSERT(words_.size() < UINT16_MAX);
  for (const auto& word : words_) ++by_first_[first_of(word[0]) + 1];
  for (std::size_t i = 1; i < by_first_.size(); ++i)
    by_first_[i] = static_cast<std::uint16_t>(by_first_[i] + by_first_[i - 1]);
}

std::size_t WordSet::match(ScanWindow& window, std::size_t at) const {
  const Plain first = read_plain(window, at);
  const std::size_t end = match_words(window, at, first.letter);
  // In the middle of a word of another script every letter looks like one.
  const int before = at > 0 ? byte_of(window.text(), at - 1) : ScanWindow::kEnd;
  if (first.latin == kNoLetter || is_a(before, kDigit | kUpper | kLower | kHigh)) return end;
  return std::max(end, match_words(window, at, first.latin));
}

std::size_t WordSet::match_words(ScanWindow& window, std::size_t at, char32_t first) const {
  for (std::size_t n = by_first_[first_of(first)]; n < by_first_[first_of(first) + 1]; ++n) {
    if (const std::size_t end = match_word(window, at, words_[n]); end != 0) return end;
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
