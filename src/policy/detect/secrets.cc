#include <algorithm>
#include <array>
#include <utility>

#include "policy/detect/builtin.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/secret_rules.h"

namespace sb::policy {
namespace {

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
  static constexpr ByteSet kEnds("\"'`\\,;<>(){}[]|");
  return byte > 0x20 && byte != 0x7f && !kEnds.has(byte);
}

// The prefix rules by their first byte, in the order of the list: [first, end) of kByBeginning.
struct Beginnings {
  std::array<std::uint8_t, std::size(kPrefixRules)> rules{};
  std::array<std::uint8_t, 257> ends{};  // of the byte before: rules[ends[b]] is the first that begins with b
};
constexpr Beginnings kByBeginning = [] {
  Beginnings by;
  std::uint8_t size = 0;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    by.ends[byte] = size;
    for (std::size_t i = 0; i < std::size(kPrefixRules); ++i) {
      if (static_cast<unsigned char>(kPrefixRules[i].prefix[0]) == byte)
        by.rules[size++] = static_cast<std::uint8_t>(i);
    }
  }
  by.ends[256] = size;
  return by;
}();
static_assert(std::size(kPrefixRules) <= 256);

constexpr std::string_view kPasswordNames[] = {"password",   "passwd",     "passwort",  "pwd",
                                               "passphrase", "contraseña", "motdepasse"};
constexpr std::string_view kKeyNames[] = {
    "secret",       "apikey",     "token",       "secretkey",     "accesskey",  "privatekey", "authkey",
    "clientsecret", "credential", "credentials", "encryptionkey", "signingkey", "accountkey", "sharedaccesskey"};

// The last two letters of those names, as bits: most words end otherwise.
constexpr std::size_t ending_of(int before, int last) {
  return static_cast<std::size_t>((before & 31) << 5 | (last & 31));
}
constexpr auto kEndings = [] {
  std::array<bool, 32 * 32> endings{};
  const auto add = [&](std::string_view name) {
    endings[ending_of(name[name.size() - 2], name[name.size() - 1])] = true;
  };
  for (const auto name : kPasswordNames) add(name);
  for (const auto name : kKeyNames) add(name);
  return endings;
}();

// Keys whose value is a secret: "password", "DB_PASSWORD", "client-secret", "apiKey".
bool names_secret(std::string_view key, bool& password) {
  const auto is_joint = [](char c) { return c == '_' || c == '-'; };
  key.remove_prefix(key.size() - std::min(key.size(), kMaxWordBytes));  // the end says what it is
  if (key.size() < 3) return false;
  const char before = key[key.size() - 2];
  if (!is_joint(before) && !is_joint(key.back()) && !kEndings[ending_of(before, key.back())]) return false;
  std::array<char, kMaxWordBytes> plain;
  std::size_t size = 0;
  for (const char c : key) {
    if (!is_joint(c) && size < plain.size()) plain[size++] = static_cast<char>(to_lower(static_cast<unsigned char>(c)));
  }
  const std::string_view name(plain.data(), size);
  if (size < 3) return false;
  const auto ends_with = [&](std::string_view word) {
    return name.size() >= word.size() && name.back() == word.back() && name[name.size() - word.size()] == word[0] &&
           name.ends_with(word);
  };
  if (std::ranges::any_of(kPasswordNames, ends_with)) return password = true;
  return std::ranges::any_of(kKeyNames, ends_with);
}

// Not a secret but the name of the place where it is: ":password" and "@Password" are bound when the statement runs,
// "settings.DB_PASSWORD" and "self.password" are read by a program, "YOUR_PASSWORD" is filled in by a person.
bool names_place(std::string_view value, bool quoted) {
  const std::size_t mark = std::string_view(":@&!").find(value[0]) != std::string_view::npos ? 1 : 0;
  const auto name = value.substr(mark);
  const auto is_part = [](char c) { return is_letter(static_cast<unsigned char>(c)) || c == '_' || c == '.'; };
  const auto is_small = [](char c) { return is_a(static_cast<unsigned char>(c), kLower); };
  if (name.empty() || !std::ranges::all_of(name, is_part)) return false;
  if (quoted && std::ranges::any_of(name, is_small)) return false;
  bool password = false;
  const bool bound = value[0] == ':' && std::ranges::none_of(name, [&](char c) { return !is_small(c) && c != '_'; });
  return bound || names_secret(name.substr(0, name.find_last_not_of('_') + 1), password);
}

class SecretDetector final : public Detector {
 public:
  std::string_view name() const override { return "secrets"; }
  bool reports(std::string_view type) const override { return type == kSecretType; }
  std::vector<std::string_view> types() const override { return {kSecretType}; }
  std::string_view wake_bytes() const override { return "-:=@>"; }
  std::vector<std::string_view> wake_literals() const override {
    std::vector<std::string_view> words{"bearer", "basic",    "token", "hooks.slack.com", "password",
                                        "passwd", "passwort", "pwd",   "passphrase"};
    for (const auto& rule : kPrefixRules) {
      if (rule.prefix.size() > 2) words.push_back(rule.prefix);
    }
    words.insert(words.end(), std::begin(kTwilioBeginnings), std::end(kTwilioBeginnings));
    return words;
  }

  void verify(ScanWindow& window, std::size_t at, Findings& out) const override {
    switch (window.text()[at]) {
      case '@':
        return url_password(window, at, out);
      case '=':
      case ':':
      case '>':
        return assignment(window, at, out);
      case '-':
        return private_key(window, at, out);
      default:
        break;
    }
    prefixed_key(window, at, out);
    switch (to_lower(byte_of(window.text(), at))) {
      case 'b':
      case 't':
        return authorization(window, at, out);
      case 'p':
        return spoken_password(window, at, out);
      case 'h':
        return slack_hook(window, at, out);
      default:
        break;
    }
  }

  // {"client_secret": "..."}: the member's name says it.
  bool wakes_at_labels() const override { return true; }
  void verify_labelled(ScanWindow& window, Findings& out) const override {
    bool password = false;
    if (names_secret(window.label(), password)) value(window, 0, password ? Kind::password : Kind::key, out, true);
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
  static void prefixed_key(ScanWindow& window, std::size_t start, Findings& out) {
    const auto first = static_cast<std::size_t>(byte_of(window.text(), start));
    window.rebase(start);
    for (std::size_t n = kByBeginning.ends[first]; n < kByBeginning.ends[first + 1]; ++n) {
      const auto& rule = kPrefixRules[kByBeginning.rules[n]];
      std::size_t i = start + 1;
      while (i - start < rule.prefix.size() && window.at(i) == static_cast<unsigned char>(rule.prefix[i - start])) ++i;
      if (i - start < rule.prefix.size()) continue;
      const std::size_t key = i;
      while (rule.alnum_only ? is_alnum(window.at(i)) : is_token(window.at(i)) || (rule.dots && window.at(i) == '.'))
        ++i;
      const bool open = i >= window.limit();
      const auto text = window.text();
      while (!open && i > key && text[i - 1] == '.') --i;
      if (i - key < rule.least || (rule.most != 0 && i - key > rule.most) || !looks_random(text.substr(key, i - key)))
        continue;
      if (rule.rule == "jwt" && !open && text.substr(key, i - key).find('.') == std::string_view::npos) continue;
      out.push_back({kSecretType, "secrets", rule.rule, {start, i}, 0.995F, open ? Tail::token : Tail::none});
      return;
    }
  }

  // RFC 7468, PKCS#8 and OpenSSH: "-----BEGIN ... PRIVATE KEY-----".
  static void private_key(ScanWindow& window, std::size_t at, Findings& out) {
    static constexpr std::string_view kBegin = "-----BEGIN ";
    static constexpr std::string_view kKey = "PRIVATE KEY";
    const auto text = window.text();
    if (at > 0 && text[at - 1] == '-') return;
    if (at + 1 < text.size() && text[at + 1] != '-') return;  // a hyphen
    window.begin(at);
    std::size_t i = at;
    while (i - at < kBegin.size() && window.at(i) == static_cast<unsigned char>(kBegin[i - at])) ++i;
    if (i - at < kBegin.size()) return;
    while (is_a(window.at(i), kUpper | kDigit) || window.at(i) == ' ') ++i;
    if (text.substr(at, i - at).find(kKey) == std::string_view::npos) return;
    for (int dashes = 0; dashes < 5; ++dashes, ++i) {
      if (window.at(i) != '-') return;
    }
    out.push_back({kSecretType, "secrets", "private_key", {at, i}, 1.0F, Tail::pem});
  }

  // RFC 3986 section 3.2.1: "scheme://user:password@host".
  static void url_password(ScanWindow& window, std::size_t at, Findings& out) {
    const auto text = window.text();
    const std::size_t least = at > kMaxWordBytes + 1 ? at - kMaxWordBytes - 1 : 0;
    const auto colon = text.substr(least, at - least).rfind(':');
    if (colon == std::string_view::npos) return;
    const std::size_t start = least + colon + 1;
    const auto is_part = [](char c) { return is_value_byte(static_cast<unsigned char>(c)) && c != '/'; };
    if (start == at || !std::ranges::all_of(text.substr(start, at - start), is_part)) return;
    const auto before = window.before(start - 1);
    const auto scheme = before.rfind("://");
    if (scheme == std::string_view::npos || before.find_first_of(" \t\n/\"'", scheme + 3) != std::string_view::npos)
      return;
    window.begin(start);
    if (text[start] == '$' || text[start] == '*') return;  // "${PASSWORD}", "****"
    if (text[start] == '%' && at - start == 2) return;     // "%s"
    out.push_back({kSecretType, "secrets", "url_password", {start, at}, 0.995F});
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
    value(window, at + 1, password ? Kind::password : Kind::key, out);
  }

  // "the password is X", "password 'X'", "--password X".
  static void spoken_password(ScanWindow& window, std::size_t at, Findings& out) {
    const auto text = window.text();
    window.rebase(at);
    std::size_t i = at;
    std::array<char, 12> word;
    while (i - at < word.size() && is_letter(window.at(i)))
      word[i - at] = static_cast<char>(to_lower(window.at(i))), ++i;
    bool password = false;
    if (!names_secret({word.data(), i - at}, password) || !password || window.at(i) != ' ') return;
    const bool option = at >= 2 && text.substr(at - 2, 2) == "--";
    const bool is = to_lower(window.at(i + 1)) == 'i' && to_lower(window.at(i + 2)) == 's' && window.at(i + 3) == ' ';
    const int quote = window.at(i + 1);
    if (is)
      i += 3;
    else if (!option && quote != '\'' && quote != '"' && quote != '`')
      return value(window, i, Kind::spoken, out);
    value(window, i, Kind::password, out);
  }

  // RFC 6750, RFC 7617: "Bearer KEY", "Basic BASE64", also "token KEY".
  static void authorization(ScanWindow& window, std::size_t at, Findings& out) {
    struct Scheme {
      std::string_view word;
      std::string_view rule;
      std::size_t least;
    };
    static constexpr Scheme kSchemes[] = {
        {"bearer ", "bearer_token", 16}, {"basic ", "basic_credentials", 12}, {"token ", "token", 20}};
    window.rebase(at);
    for (const auto& scheme : kSchemes) {
      std::size_t i = 0;
      while (i < scheme.word.size() && to_lower(window.at(at + i)) == scheme.word[i]) ++i;
      if (i == scheme.word.size()) return token_value(window, at + i, scheme.rule, scheme.least, out);
    }
  }

  static void slack_hook(ScanWindow& window, std::size_t at, Findings& out) {
    static constexpr std::string_view kHost = "hooks.slack.com/services/";
    window.rebase(at);
    std::size_t i = 0;
    while (i < kHost.size() && window.at(at + i) == static_cast<unsigned char>(kHost[i])) ++i;
    if (i == kHost.size()) token_value(window, at + i, "slack_webhook", 20, out);
  }

  static void token_value(ScanWindow& window, std::size_t start, std::string_view rule, std::size_t least,
                          Findings& out) {
    window.rebase(start);
    const auto text = window.text();
    std::size_t i = start;
    while (is_token(window.at(i)) ||
           (window.at(i) >= 0 && std::string_view(".+/=~").find(text[i]) != std::string_view::npos))
      ++i;
    const bool open = i >= window.limit();
    while (!open && i > start && text[i - 1] == '.') --i;
    if (i - start < least || !looks_random(text.substr(start, i - start))) return;
    out.push_back({kSecretType, "secrets", rule, {start, i}, 0.95F, open ? Tail::token : Tail::none});
  }

  // What was announced: a password, one without a mark between word and value, or another secret.
  enum class Kind : std::uint8_t { password, spoken, key };

  // `quoted`: it stands apart from what is around it.
  static void value(ScanWindow& window, std::size_t at, Kind kind, Findings& out, bool quoted = false) {
    const auto text = window.text();
    window.rebase(at);
    std::size_t start = at;
    while (start - at < 6) {
      const int byte = window.at(start);
      if (byte == '"' || byte == '\'' || byte == '`')
        quoted = true;
      else if (byte != ' ' && byte != '\t' && byte != '=' && byte != '>' &&
               !(byte == '\\' && window.at(start + 1) == '"'))
        break;
      ++start;
    }
    if (window.at(start) == ScanWindow::kEnd || start - at >= 6) return;
    window.rebase(start);
    std::size_t i = start;
    while (is_value_byte(window.at(i))) ++i;
    const bool open = i >= window.limit();
    if (!open && !quoted && window.at(i) == '(') return;  // a call in source code
    while (!open && !quoted && i > start && std::string_view(".:!?").find(text[i - 1]) != std::string_view::npos) --i;
    const auto found = text.substr(start, i - start);
    if (found.empty() || found[0] == '$' || found[0] == '%' || found.starts_with("os.") ||
        found.starts_with("process.") || (!open && names_place(found, quoted)))
      return;
    const Variety v = variety_of(found);
    const int marks = static_cast<int>(found.size()) - v.digits - v.upper - v.lower;
    const bool mixed = (v.digits > 0) + (v.upper > 0) + (v.lower > 0) + (marks > 0) >= 2;
    const bool password = kind != Kind::key;
    if (password ? found.size() < 6 || !mixed || v.distinct < 5 || (v.digits == 0 && !quoted && marks == 0)
                 : found.size() < 16 || !looks_random(found)) {
      return;
    }
    // Without a mark, only what no word of a sentence looks like.
    if (kind == Kind::spoken && !quoted &&
        !(v.digits > 0 && v.upper + v.lower > 0 && (marks > 0 || (v.upper > 0 && v.lower > 0))))
      return;
    out.push_back({kSecretType,
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
