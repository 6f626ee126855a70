#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "policy/detect/builtin.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/secret_rules.h"

namespace sb::policy {
namespace {

// The rules that a byte wakes, side by side: most of its appearances are settled by one comparison.
constexpr auto kSortedRules = [] {
  auto rules = std::to_array(kPrefixRules);
  const auto wake = [](const PrefixRule& rule) { return static_cast<unsigned char>(rule.prefix[rule.wake]); };
  for (std::size_t i = 1; i < rules.size(); ++i) {  // an insertion sort keeps "sk-ant-" before "sk-"
    for (std::size_t j = i; j > 0 && wake(rules[j]) < wake(rules[j - 1]); --j) std::swap(rules[j], rules[j - 1]);
  }
  return rules;
}();

struct RuleRange {
  std::uint8_t first = 0, last = 0;
};
constexpr auto kRulesByWake = [] {
  std::array<RuleRange, 256> ranges{};
  for (std::size_t i = 0; i < kSortedRules.size(); ++i) {
    auto& range = ranges[static_cast<unsigned char>(kSortedRules[i].prefix[kSortedRules[i].wake])];
    if (range.last == 0) range.first = static_cast<std::uint8_t>(i);
    range.last = static_cast<std::uint8_t>(i + 1);
  }
  return ranges;
}();

struct Variety {
  int digits = 0, upper = 0, lower = 0, distinct = 0;
};

Variety variety_of(std::string_view text) {
  Variety v;
  std::array<bool, 256> seen{};
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    v.digits += is_a(byte, kDigit);
    v.upper += is_a(byte, kUpper);
    v.lower += is_a(byte, kLower);
    v.distinct += !std::exchange(seen[byte], true);
  }
  return v;
}

// "ghp_xxxxxxxx" and "sk-your-key-goes-here" are documentation.
bool looks_random(std::string_view key) {
  const Variety v = variety_of(key);
  return v.distinct >= 8 &&
         (v.digits >= 1 || (v.upper >= 3 && v.lower >= 3) || v.upper == static_cast<int>(key.size()));
}

bool is_value_byte(int byte) {  // inside a password: no blanks, quotes, backslashes, brackets, separators
  return byte > 0x20 && byte != 0x7f &&
         std::string_view("\"'`\\,;<>(){}[]|").find(static_cast<char>(byte)) == std::string_view::npos;
}

// Keys whose value is a secret: "password", "DB_PASSWORD", "client-secret", "apiKey".
bool names_secret(std::string_view key, bool& password) {
  std::array<char, kMaxWordBytes> plain;
  std::size_t size = 0;
  for (const char c : key) {
    if (c != '_' && c != '-' && size < plain.size())
      plain[size++] = static_cast<char>(to_lower(static_cast<unsigned char>(c)));
  }
  const std::string_view name(plain.data(), size);
  for (const std::string_view word :
       {"password", "passwd", "passwort", "pwd", "passphrase", "contraseña", "motdepasse"}) {
    if (name.ends_with(word)) return password = true;
  }
  for (const std::string_view word : {"secret", "apikey", "token", "secretkey", "accesskey", "privatekey", "authkey",
                                      "clientsecret", "credential", "credentials", "encryptionkey", "signingkey"}) {
    if (name.ends_with(word)) return true;
  }
  return false;
}

class SecretDetector final : public Detector {
 public:
  std::string_view name() const override { return "secrets"; }
  bool reports(std::string_view type) const override { return type == "SECRET"; }
  std::string_view wake_bytes() const override { return "-_KSGJz9:=@Bw/"; }

  void verify(ScanWindow& window, std::size_t at, Findings& out) const override {
    const auto text = window.text();
    const char wake = text[at];
    switch (wake) {
      case '@':
        return url_password(window, at, out);
      case '=':
        return assignment(window, at, out);
      case ':':
        return assignment(window, at, out);
      case 'w':
        return spoken_password(window, at, out);
      case 'B':
        return bearer(window, at, out);
      case '/':
        return slack_hook(window, at, out);
      case '-':
        if (at + 1 < text.size() && text[at + 1] == '-')
          private_key(window, at, out);
        else if (at + 1 == text.size())
          private_key(window, at, out);
        break;
      default:
        break;
    }
    prefixed_key(window, at, out);
  }

  // A password in a URL may hold bytes that no word has; from its ':' on, everything waits for the '@'.
  std::size_t pending_start(std::string_view text) const override {
    // One more than the longest password: its ':' is what we look for.
    const std::size_t least = text.size() > kMaxWordBytes + 1 ? text.size() - kMaxWordBytes - 1 : 0;
    std::size_t start = text.size();
    while (start > least && is_value_byte(byte_of(text, start - 1))) --start;
    const std::size_t colon = text.find(':', start);
    return colon == std::string_view::npos ? text.size() : colon + 1;
  }

 private:
  static void prefixed_key(ScanWindow& window, std::size_t at, Findings& out) {
    const auto text = window.text();
    if (at == 0) return;
    const auto [first, last] = kRulesByWake[static_cast<unsigned char>(text[at])];
    for (std::size_t n = first; n < last; ++n) {
      const auto& rule = kSortedRules[n];
      if (at < rule.wake || text[at - 1] != rule.prefix[rule.wake - 1U]) continue;
      const std::size_t start = at - rule.wake;
      if (text.substr(start, rule.wake) != rule.prefix.substr(0, rule.wake) || !begins_word(text, start)) continue;
      window.begin(start);
      std::size_t i = at;
      while (i - start < rule.prefix.size() && window.at(i) == static_cast<unsigned char>(rule.prefix[i - start])) ++i;
      if (i - start < rule.prefix.size()) continue;
      const std::size_t key = i;
      while (rule.alnum_only ? is_alnum(window.at(i)) : is_token(window.at(i)) || (rule.dots && window.at(i) == '.'))
        ++i;
      const bool open = i >= window.limit();
      while (!open && i > key && text[i - 1] == '.') --i;
      if (i - key < rule.least || !looks_random(text.substr(key, i - key))) continue;
      if (rule.rule == "jwt" && !open && text.substr(key, i - key).find('.') == std::string_view::npos) continue;
      if (rule.rule == "twilio_key" && i - key != 32) continue;
      out.push_back({"SECRET", "secrets", rule.rule, {start, i}, 0.995F, open ? Tail::token : Tail::none});
      return;
    }
  }

  // RFC 7468, PKCS#8 and OpenSSH: "-----BEGIN ... PRIVATE KEY-----".
  static void private_key(ScanWindow& window, std::size_t at, Findings& out) {
    static constexpr std::string_view kBegin = "-----BEGIN ";
    static constexpr std::string_view kKey = "PRIVATE KEY";
    const auto text = window.text();
    if (at > 0 && text[at - 1] == '-') return;
    window.begin(at);
    std::size_t i = at;
    while (i - at < kBegin.size() && window.at(i) == static_cast<unsigned char>(kBegin[i - at])) ++i;
    if (i - at < kBegin.size()) return;
    while (is_a(window.at(i), kUpper | kDigit) || window.at(i) == ' ') ++i;
    if (text.substr(at, i - at).find(kKey) == std::string_view::npos) return;
    for (int dashes = 0; dashes < 5; ++dashes, ++i) {
      if (window.at(i) != '-') return;
    }
    out.push_back({"SECRET", "secrets", "private_key", {at, i}, 1.0F, Tail::pem});
  }

  // RFC 3986 section 3.2.1: "scheme://user:password@host".
  static void url_password(ScanWindow& window, std::size_t at, Findings& out) {
    const auto text = window.text();
    std::size_t start = at;
    const std::size_t least = at > kMaxWordBytes ? at - kMaxWordBytes : 0;
    while (start > least && is_value_byte(byte_of(text, start - 1)) && text[start - 1] != ':' && text[start - 1] != '/')
      --start;
    if (start == at || start == 0 || text[start - 1] != ':') return;
    const auto before = window.before(start - 1);
    const auto scheme = before.rfind("://");
    if (scheme == std::string_view::npos || before.find_first_of(" \t\n/\"'", scheme + 3) != std::string_view::npos)
      return;
    window.begin(start);
    if (text[start] == '$' || text[start] == '*') return;  // "${PASSWORD}", "****"
    out.push_back({"SECRET", "secrets", "url_password", {start, at}, 0.995F});
  }

  // "key: value", "key=value", "\"key\": \"value\"".
  static void assignment(ScanWindow& window, std::size_t at, Findings& out) {
    const auto text = window.text();
    std::size_t end = at;
    while (end > 0 && at - end < 3 && std::string_view(" \"'\\").find(text[end - 1]) != std::string_view::npos) --end;
    std::size_t begin = end;
    while (begin > 0 && end - begin < kMaxWordBytes && is_token(byte_of(text, begin - 1))) --begin;
    bool password = false;
    if (begin == end || !names_secret(text.substr(begin, end - begin), password)) return;
    value(window, at + 1, password, out);
  }

  // "the password is X", "--password X".
  static void spoken_password(ScanWindow& window, std::size_t at, Findings& out) {
    static constexpr std::string_view kWord = "password";
    const auto text = window.text();
    if (at < 4 || to_lower(byte_of(text, at - 4)) != 'p' || !iequals(text.substr(at - 4, 4), "pass")) return;
    const std::size_t start = at - 4;
    std::size_t i = at;
    window.begin(start);
    while (i - start < kWord.size() && to_lower(window.at(i)) == kWord[i - start]) ++i;
    if (i - start < kWord.size() || window.at(i) != ' ') return;
    const bool option = start >= 2 && text.substr(start - 2, 2) == "--";
    if (to_lower(window.at(i + 1)) == 'i' && to_lower(window.at(i + 2)) == 's' && window.at(i + 3) == ' ')
      i += 3;
    else if (!option)
      return;
    value(window, i, true, out);
  }

  static void bearer(ScanWindow& window, std::size_t at, Findings& out) {
    static constexpr std::string_view kWord = "Bearer ";
    window.begin(at);
    std::size_t i = at;
    while (i - at < kWord.size() && window.at(i) == static_cast<unsigned char>(kWord[i - at])) ++i;
    if (i - at < kWord.size()) return;
    token_value(window, i, "bearer_token", 16, out);
  }

  static void slack_hook(ScanWindow& window, std::size_t at, Findings& out) {
    static constexpr std::string_view kBefore = "hooks.slack.com/services";
    const auto text = window.text();
    if (at < kBefore.size() || text.substr(at - kBefore.size(), kBefore.size()) != kBefore) return;
    token_value(window, at + 1, "slack_webhook", 20, out);
  }

  // From here a candidate of its own begins: the value, whose name stands before it.
  static ScanWindow& rebase(ScanWindow& window, std::size_t start) {
    window.reset(start);
    return window;
  }

  static void token_value(ScanWindow& window, std::size_t start, std::string_view rule, std::size_t least,
                          Findings& out) {
    rebase(window, start);
    const auto text = window.text();
    std::size_t i = start;
    while (is_token(window.at(i)) ||
           (window.at(i) >= 0 && std::string_view(".+/=~").find(text[i]) != std::string_view::npos))
      ++i;
    const bool open = i >= window.limit();
    while (!open && i > start && text[i - 1] == '.') --i;
    if (i - start < least || !looks_random(text.substr(start, i - start))) return;
    out.push_back({"SECRET", "secrets", rule, {start, i}, 0.95F, open ? Tail::token : Tail::none});
  }

  static void value(ScanWindow& window, std::size_t at, bool password, Findings& out) {
    const auto text = window.text();
    rebase(window, at);
    std::size_t start = at;
    bool quoted = false;
    while (start - at < 6) {
      const int byte = window.at(start);
      if (byte == '"' || byte == '\'' || byte == '`')
        quoted = true;
      else if (byte != ' ' && byte != '\t' && !(byte == '\\' && window.at(start + 1) == '"'))
        break;
      ++start;
    }
    if (window.at(start) == ScanWindow::kEnd || start - at >= 6) return;
    rebase(window, start);
    std::size_t i = start;
    while (is_value_byte(window.at(i))) ++i;
    const bool open = i >= window.limit();
    if (!open && !quoted && window.at(i) == '(') return;  // a call in source code
    while (!open && !quoted && i > start && std::string_view(".:!?").find(text[i - 1]) != std::string_view::npos) --i;
    const auto found = text.substr(start, i - start);
    if (found.empty() || found[0] == '$' || found[0] == '%' || found.starts_with("os.") ||
        found.starts_with("process."))
      return;
    const Variety v = variety_of(found);
    const int marks = static_cast<int>(found.size()) - v.digits - v.upper - v.lower;
    const bool mixed = (v.digits > 0) + (v.upper > 0) + (v.lower > 0) + (marks > 0) >= 2;
    if (password ? found.size() < 6 || !mixed || v.distinct < 5 || (v.digits == 0 && !quoted && marks == 0)
                 : found.size() < 16 || !looks_random(found)) {
      return;
    }
    out.push_back({"SECRET",
                   "secrets",
                   password ? "password" : "assigned_secret",
                   {start, i},
                   password ? 0.85F : 0.9F,
                   open ? Tail::word : Tail::none});
  }
};

}  // namespace

std::unique_ptr<Detector> make_secret_detector() {
  return std::make_unique<SecretDetector>();
}

}  // namespace sb::policy
