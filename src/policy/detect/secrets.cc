#include <algorithm>
#include <array>
#include <cstring>

#include "policy/detect/builtin.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/packed_words.h"
#include "policy/detect/secret_names.h"
#include "policy/detect/secret_rules.h"
#include "policy/detect/secret_shapes.h"
#include "policy/detect/secret_value.h"
#include "policy/detect/variety.h"

namespace sb::policy {
namespace {

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

// What may stand between a name and the mark behind it.
constexpr std::string_view kBehindName = " \"'\\";
constexpr std::string_view kBehindArrowsName = " \"'\\-=";

class SecretDetector final : public Detector {
 public:
  std::string_view name() const override { return "secrets"; }
  bool reports(std::string_view type) const override { return type == kSecretType; }
  std::vector<std::string_view> types() const override { return {kSecretType}; }
  std::string_view wake_bytes() const override { return "-:=@>~"; }
  std::vector<Beside> wakes_beside() const override {
    const auto any = ByteSet::all();
    const auto password = ByteSet::where([](int byte) { return is_secret_byte(byte) && byte != '/'; });
    const auto name = [](std::string_view between) {
      return ByteSet::where(
          [=](int byte) { return is_token(byte) || byte >= 0x80 || between.contains(static_cast<char>(byte)); });
    };
    // "-----BEGIN", "-u", "-p", Mailchimp's "-us"; "name=", "name =>"; "user:password@"; Azure's "1Q~".
    return {{'-', any, ByteSet("-up")},
            {'=', name(kBehindName), any},
            {'>', name(kBehindArrowsName), any},
            {'@', password, any},
            {'~', ByteSet("Q"), any}};
  }
  std::vector<std::string_view> wake_literals() const override {
    std::vector<std::string_view> words{"bearer",  "basic",    "token", "hooks.slack.com", "password",
                                        "passwd",  "passwort", "pwd",   "passphrase",      "pw ",
                                        "discord", "api key",  "cookie"};
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
      case ':':
        url_key(window, at, out);
        classify_telegram(window, at, out);
        return assignment(window, at, out);
      case '=':
      case '>':
        return assignment(window, at, out);
      case '-':
        classify_command_password(window, at, out);
        classify_mailchimp(window, at, out);
        return private_key(window, at, out);
      case '~':
        return classify_azure_secret(window, at, out);
      default:
        break;
    }
    prefixed_key(window, at, out);
    switch (to_lower(byte_of(window.text(), at))) {
      case 'a':
        return spoken_key(window, at, out);
      case 'c':
        return classify_cookie(window, at, out);
      case 'd':
        return web_hook(window, at, out);
      case 'b':
      case 't':
        return authorization(window, at, out);
      case 'p':
        return spoken_password(window, at, out);
      case 'h':
        return web_hook(window, at, out);
      default:
        break;
    }
  }

  // {"client_secret": "..."}: the member's name says it.
  bool wakes_at_labels() const override { return true; }
  void verify_labelled(ScanWindow& window, Findings& out) const override {
    const NamedSecret named = named_secret(window.label());
    if (named != NamedSecret::none)
      classify_secret_value(window, 0, named == NamedSecret::key ? SecretKind::key : SecretKind::password,
                            SecretPlace::leaf, out);
  }

  // A password in a URL may hold bytes that no word has; from its ':' on, everything waits for the '@'.
  std::size_t pending_start(std::string_view text) const override {
    // One more than the longest password: its ':' is what we look for.
    const std::size_t least = text.size() > kMaxWordBytes + 1 ? text.size() - kMaxWordBytes - 1 : 0;
    std::size_t start = text.size();
    while (start > least && is_secret_byte(byte_of(text, start - 1))) --start;
    const std::size_t colon = text.find(':', start);
    if (colon == std::string_view::npos) return text.size();
    const bool has_scheme = text.find("://", ScanWindow::first(start)) != std::string_view::npos;
    return has_scheme ? colon + 1 : text.size();
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
      if (rule.dot_at != 0 && text.find('.', key) != key + rule.dot_at) continue;
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
    const std::size_t least =
        std::max(window.first(at, kMaxWordBytes + 1), at > kMaxWordBytes ? at - kMaxWordBytes - 1 : 0);
    const auto* const colon = static_cast<const char*>(memrchr(text.data() + least, ':', at - least));
    if (colon == nullptr) return;
    const auto start = static_cast<std::size_t>(colon - text.data()) + 1;
    const auto is_part = [](char c) { return is_secret_byte(static_cast<unsigned char>(c)) && c != '/'; };
    if (start == at || !std::ranges::all_of(text.substr(start, at - start), is_part)) return;
    if (!is_behind_user(window, start - 1)) return;
    window.begin(start);
    if (text[start] == '$' || text[start] == '*') return;  // "${PASSWORD}", "****"
    if (text[start] == '%' && at - start == 2) return;     // "%s"
    out.push_back({kSecretType, "secrets", "url_password", {start, at}, 0.995F});
  }

  // The same, longer than a window: a key, as cloud databases take one for a password.
  static void url_key(ScanWindow& window, std::size_t colon, Findings& out) {
    static constexpr ByteSet kEnds("@/?#");
    const auto text = window.text();
    const std::size_t start = colon + 1;
    if (start >= text.size() || !is_alnum(byte_of(text, start))) return;
    window.rebase(start);
    std::size_t i = start;
    while (is_secret_byte(window.at(i)) && !kEnds.has(window.at(i))) ++i;
    if (i < window.limit() || !is_behind_user(window, colon)) return;
    out.push_back({kSecretType, "secrets", "url_password", {start, i}, 0.95F, Tail::userinfo});
  }

  // Whether "scheme://user" stands before `colon`.
  static bool is_behind_user(ScanWindow& window, std::size_t colon) {
    const auto before = window.before(colon);
    const auto scheme = before.rfind("://");
    return scheme != std::string_view::npos && before.find_first_of(" \t\n/\"'", scheme + 3) == std::string_view::npos;
  }

  // "key: value", "key=value", "\"key\": \"value\"", "key -> value".
  static void assignment(ScanWindow& window, std::size_t at, Findings& out) {
    const auto text = window.text();
    const std::string_view between = text[at] == '>' ? kBehindArrowsName : kBehindName;
    std::size_t end = at;
    while (end > 0 && at - end < 3 && between.find(text[end - 1]) != std::string_view::npos) --end;
    const auto is_part = [&](std::size_t i) { return is_token(byte_of(text, i)) || byte_of(text, i) >= 0x80; };
    std::size_t begin = end;
    while (begin > 0 && end - begin < kMaxWordBytes && is_part(begin - 1)) --begin;
    if (begin == end) return;
    const auto name = text.substr(begin, end - begin);
    if (name == "phrase" || name == "mnemonic") return classify_seed_phrase(window, begin, at + 1, out);
    NamedSecret named = named_secret(name);
    if (named == NamedSecret::none) named = named_by_place(window, name, begin, at);
    if (named == NamedSecret::none) return;
    const auto kind = named == NamedSecret::password ? SecretKind::password
                      : named == NamedSecret::word   ? SecretKind::word
                                                     : SecretKind::key;
    classify_secret_value(window, at + 1, kind, SecretPlace::text, out);
  }

  // Names that are a secret's in their place alone: French has its password in three words, a signed address of Azure
  // its signature (Microsoft Learn, "Create a service SAS"), Docker's config.json "auth" beside "auths".
  static NamedSecret named_by_place(ScanWindow& window, std::string_view name, std::size_t begin, std::size_t at) {
    static constexpr PackedWords kNames({"value", "passe", "sig", "auth"});
    if (!kNames.has(name)) return NamedSecret::none;
    const auto near = window.before(at);
    const auto before = near.substr(0, near.size() - std::min(near.size(), at - begin));
    switch (name[0]) {
      case 'v':
        return named_secret(name_beside(before));
      case 'p':
        return before.ends_with("mot de ") || before.ends_with("Mot de ") ? NamedSecret::password : NamedSecret::none;
      case 's':
        return (before.ends_with('&') || before.ends_with('?')) && before.contains("sv=") ? NamedSecret::key
                                                                                          : NamedSecret::none;
      default:
        return before.contains("\"auths\"") ? NamedSecret::key : NamedSecret::none;
    }
  }

  // `name: X` or `"key": "X",` that ends before the value's own name: X.
  static std::string_view name_beside(std::string_view before) {
    const auto is_part = [&](std::size_t i) { return is_token(byte_of(before, i)); };
    std::size_t end = before.size();
    while (end > 0 && !is_part(end - 1) && before.size() - end < 16) --end;
    std::size_t begin = end;
    while (begin > 0 && is_part(begin - 1)) --begin;
    std::size_t mark = begin;
    while (mark > 0 && !is_part(mark - 1) && begin - mark < 5) --mark;
    const auto named = before.substr(0, mark);
    return named.ends_with("name") || named.ends_with("key") ? before.substr(begin, end - begin) : std::string_view();
  }

  // Behind " is ", " lautet ", ...; `at` where none stands there.
  static std::size_t behind_verb(ScanWindow& window, std::size_t at) {
    static constexpr std::string_view kVerbs[] = {" is ", " was ", " ist ", " war ", " lautet ", " est ", " es "};
    for (const auto verb : kVerbs) {
      std::size_t i = 0;
      while (i < verb.size() && to_lower(window.at(at + i)) == verb[i]) ++i;
      if (i == verb.size()) return at + i - 1;
    }
    return at;
  }

  // "the password is case-sensitive", "was re-entered": two small words say something about passwords, three may be
  // one.
  static bool is_compound(ScanWindow& window, std::size_t at) {
    std::size_t end = at;
    int hyphens = 0;
    for (; is_a(window.at(end), kLower) || window.at(end) == '-'; ++end) hyphens += window.at(end) == '-';
    const int next = window.at(end);
    return end > at && hyphens < 2 &&
           (next == ' ' || next == '.' || next == ',' || next == '\n' || next == ScanWindow::kEnd);
  }

  // "the password is X", "password 'X'", "--password X", "| password | X |".
  static void spoken_password(ScanWindow& window, std::size_t at, Findings& out) {
    const auto text = window.text();
    window.rebase(at);
    std::size_t i = at;
    std::array<char, 12> word;
    while (i - at < word.size() && is_letter(window.at(i)))
      word[i - at] = static_cast<char>(to_lower(window.at(i))), ++i;
    const NamedSecret named = named_secret({word.data(), i - at});
    if ((named != NamedSecret::password && named != NamedSecret::word) || window.at(i) != ' ') return;
    const bool option = at >= 2 && text.substr(at - 2, 2) == "--";
    const std::size_t behind = behind_verb(window, i);
    if (behind > i && is_compound(window, behind + 1)) return;
    const int quote = window.at(i + 1);
    const bool marked = behind > i || option || quote == '\'' || quote == '"' || quote == '`';
    const bool cell = quote == '|' && window.at(i + 2) == ' ';
    const auto kind = named == NamedSecret::word ? SecretKind::word
                      : marked                   ? SecretKind::password
                                                 : SecretKind::spoken;
    classify_secret_value(window, cell ? i + 2 : behind, kind, SecretPlace::text, out);
  }

  // "the API key you need is X": random, at the sentence's verb.
  static void spoken_key(ScanWindow& window, std::size_t at, Findings& out) {
    static constexpr std::string_view kName = "api key ";
    constexpr std::size_t kMostBetween = 24;
    window.rebase(at);
    std::size_t i = 0;
    while (i < kName.size() && to_lower(window.at(at + i)) == kName[i]) ++i;
    if (i < kName.size()) return;
    for (std::size_t blank = at + i - 1; blank - at < kMostBetween; ++blank) {
      const int byte = window.at(blank);
      if (!is_letter(byte) && byte != ' ') return;
      if (const std::size_t behind = byte == ' ' ? behind_verb(window, blank) : blank; behind > blank)
        return classify_secret_value(window, behind, SecretKind::key, SecretPlace::text, out);
    }
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

  // Who knows such an address may write there.
  static void web_hook(ScanWindow& window, std::size_t at, Findings& out) {
    struct Hook {
      std::string_view beginning;
      std::string_view rule;
      std::size_t least;
    };
    static constexpr Hook kHooks[] = {{"hooks.slack.com/services/", "slack_webhook", 20},
                                      {"discord.com/api/webhooks/", "discord_webhook", 60},
                                      {"discordapp.com/api/webhooks/", "discord_webhook", 60}};
    for (const auto& hook : kHooks) {
      window.rebase(at);
      std::size_t i = 0;
      while (i < hook.beginning.size() && window.at(at + i) == static_cast<unsigned char>(hook.beginning[i])) ++i;
      if (i == hook.beginning.size()) return token_value(window, at + i, hook.rule, hook.least, out);
    }
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
};

}  // namespace

std::unique_ptr<Detector> make_secret_detector() {
  return std::make_unique<SecretDetector>();
}

}  // namespace sb::policy
