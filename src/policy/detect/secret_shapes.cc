#include "policy/detect/secret_shapes.h"

#include <algorithm>

#include "policy/detect/builtin.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/secret_value.h"
#include "policy/detect/variety.h"

namespace sb::policy {
namespace {

constexpr ByteSet kQuoteMarks("\"'");

bool is_hex_digit(int byte) {
  return is_digit(byte) || (to_lower(byte) >= 'a' && to_lower(byte) <= 'f');
}

void push(Findings& out, std::string_view rule, std::size_t begin, std::size_t end, Tail tail = Tail::none) {
  out.push_back({kSecretType, "secrets", rule, {begin, end}, 0.95F, tail});
}

// Reads a token from `at` on and reports it where it is at least `least` long and random.
void push_token(ScanWindow& window, std::string_view rule, std::size_t at, std::size_t least, Findings& out) {
  window.rebase(at);
  std::size_t end = at;
  while (is_secret_byte(window.at(end)) && window.at(end) != '&') ++end;
  const bool open = end >= window.limit();
  if (end - at < least || !looks_random(window.text().substr(at, end - at))) return;
  push(out, rule, at, end, open ? Tail::word : Tail::none);
}

}  // namespace

void classify_telegram(ScanWindow& window, std::size_t at, Findings& out) {
  constexpr std::size_t kKey = 35;
  const auto text = window.text();
  std::size_t start = at;
  while (start > 0 && at - start < 11 && is_digit(byte_of(text, start - 1))) --start;
  if (at - start < 8 || at - start > 10 || !begins_word(text, start)) return;
  window.begin(start);
  if (window.at(at + 1) != 'A' || window.at(at + 2) != 'A') return;
  std::size_t end = at + 1;
  while (is_token(window.at(end))) ++end;
  if (end - at - 1 == kKey) push(out, "telegram_token", start, end);
}

void classify_azure_secret(ScanWindow& window, std::size_t at, Findings& out) {
  constexpr std::size_t kBefore = 5;  // three characters, a digit, 'Q'
  const auto text = window.text();
  const auto is_part = [](int byte) { return is_token(byte) || byte == '~' || byte == '.'; };
  if (at < kBefore || text[at - 1] != 'Q' || !is_digit(byte_of(text, at - 2))) return;
  const std::size_t start = at - kBefore;
  for (std::size_t i = start; i < start + 3; ++i) {
    if (!is_token(byte_of(text, i))) return;
  }
  if (!begins_word(text, start)) return;
  window.begin(start);
  std::size_t end = at + 1;
  while (is_part(window.at(end))) ++end;
  while (end > at && text[end - 1] == '.') --end;
  if (end - at - 1 < 31 || end - at - 1 > 34) return;
  push(out, "azure_client_secret", start, end);
}

void classify_mailchimp(ScanWindow& window, std::size_t at, Findings& out) {
  constexpr std::size_t kKey = 32;
  const auto text = window.text();
  if (at < kKey || at + 1 >= text.size() || text[at + 1] != 'u') return;
  const std::size_t start = at - kKey;
  if (!begins_word(text, start)) return;
  for (std::size_t i = start; i < at; ++i) {
    if (!is_hex_digit(byte_of(text, i))) return;
  }
  window.begin(start);
  std::size_t end = at + 3;
  if (window.at(at + 2) != 's') return;
  while (is_digit(window.at(end)) && end - at < 6) ++end;
  if (end > at + 3 && !is_alnum(window.at(end))) push(out, "mailchimp_key", start, end);
}

namespace {

// Behind "user:" of "-u user:password" at `at`; 0 where there is none.
std::size_t behind_user(ScanWindow& window, std::size_t at) {
  constexpr std::size_t kMostUser = 32;
  for (std::size_t i = at; i - at < kMostUser; ++i) {
    const int byte = window.at(i);
    if (byte == ':') return i + 1;
    if (!is_secret_byte(byte) && (i > at || !kQuoteMarks.has(byte))) return 0;
  }
  return 0;
}

// Where the password of the option at `at` begins; 0 where it is none.
std::size_t command_password(ScanWindow& window, std::size_t at) {
  constexpr std::size_t kMostCommand = 48;  // before the option
  const auto near = window.before(at);
  const auto command = near.substr(near.size() - std::min(near.size(), kMostCommand));
  if (window.at(at + 1) == 'u')
    return command.contains("curl") && window.at(at + 2) == ' ' ? behind_user(window, at + 3) : 0;
  if (window.at(at + 1) != 'p') return 0;
  if (command.contains("sshpass")) return at + (window.at(at + 2) == ' ' ? 3 : 2);
  return command.contains("mysql") || command.contains("mariadb") ? at + 2 : 0;
}

}  // namespace

void classify_command_password(ScanWindow& window, std::size_t at, Findings& out) {
  const auto text = window.text();
  if (at == 0 || text[at - 1] != ' ') return;
  window.rebase(at);
  std::size_t start = command_password(window, at);
  if (start == 0) return;
  if (kQuoteMarks.has(window.at(start))) ++start;
  window.rebase(start);
  std::size_t end = start;
  while (is_secret_byte(window.at(end))) ++end;
  const bool open = end >= window.limit();
  const Variety v = variety_of(text.substr(start, end - start));
  if (end - start < 4 || text[start] == '$' || text[start] == '%' || v.upper + v.lower == 0) return;
  push(out, "command_password", start, end, open ? Tail::word : Tail::none);
}

void classify_cookie(ScanWindow& window, std::size_t at, Findings& out) {
  static constexpr std::string_view kName = "cookie:";
  constexpr std::size_t kMostCookies = 4;
  constexpr std::size_t kLeast = 16;
  window.rebase(at);
  for (std::size_t i = 0; i < kName.size(); ++i) {
    if (to_lower(window.at(at + i)) != kName[i]) return;
  }
  std::size_t i = at + kName.size();
  for (std::size_t n = 0; n < kMostCookies; ++n) {
    window.rebase(at);
    while (window.at(i) == ' ') ++i;
    while (is_token(window.at(i)) || window.at(i) == '.') ++i;
    if (window.at(i) != '=') return;
    const std::size_t value = i + 1;
    push_token(window, "session_cookie", value, kLeast, out);
    window.rebase(at);
    for (i = value; is_secret_byte(window.at(i));) ++i;
    if (window.at(i) != ';') return;
    ++i;
  }
}

void classify_seed_phrase(ScanWindow& window, std::size_t name, std::size_t at, Findings& out) {
  static constexpr std::string_view kKinds[] = {"seed ", "recovery ", "mnemonic ", "backup "};
  constexpr std::size_t kLeastWords = 7;  // of twelve; a window shows as many of the longest
  const auto text = window.text();
  const auto before = window.before(name);
  const auto ends_so = [&](std::string_view kind) { return before.ends_with(kind); };
  if (text[name] == 'p' && std::ranges::none_of(kKinds, ends_so)) return;
  window.rebase(at);
  std::size_t start = at;
  while (window.at(start) == ' ' || window.at(start) == '"' || window.at(start) == '\n') ++start;
  window.rebase(start);
  std::size_t words = 0;
  std::size_t end = start;
  for (std::size_t i = start;; ++i) {
    const std::size_t word = i;
    while (is_a(window.at(i), kLower)) ++i;
    const bool cut = i >= window.limit();
    if (!cut && (i - word < 3 || i - word > 8)) break;
    words += !cut;
    end = i;
    if (cut || window.at(i) != ' ') break;
  }
  const bool open = end >= window.limit();
  if (words >= kLeastWords) push(out, "seed_phrase", start, end, open ? Tail::line : Tail::none);
}

}  // namespace sb::policy
