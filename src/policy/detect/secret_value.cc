#include "policy/detect/secret_value.h"

#include <algorithm>

#include "policy/detect/builtin.h"
#include "policy/detect/secret_names.h"
#include "policy/detect/variety.h"

namespace sb::policy {
namespace {

constexpr std::size_t kMostBefore = 6;   // quotation marks, blanks and signs before a value
constexpr std::size_t kMostIndent = 16;  // of a YAML block
constexpr std::size_t kLeastPhrase = 4;  // words of a pass phrase
constexpr ByteSet kQuotes("\"'`");

struct Value {
  std::size_t start = 0, end = 0;
  bool quoted = false;  // it stands apart from what is around it
  int quote = 0;        // by this mark; 0: by another or by none
};

// Where a value begins, and how it is set apart; false where none does.
bool find_start(ScanWindow& window, std::size_t at, Value& value) {
  std::size_t start = at;
  for (; start - at < kMostBefore; ++start) {
    const int byte = window.at(start);
    if (kQuotes.has(byte)) {
      value.quoted = true;
      value.quote = byte;
    } else if (byte != ' ' && byte != '\t' && byte != '=' && byte != '>' &&
               !(byte == '\\' && window.at(start + 1) == '"')) {
      break;
    }
  }
  if (start - at >= kMostBefore) return false;
  const bool block = window.at(start) == '|' || (start > at && window.text()[start - 1] == '>');
  if (block && !value.quoted) {  // YAML: the value is in the next line
    std::size_t line = start + (window.at(start) == '|' ? 1 : 0);
    if (window.at(line) == '-' || window.at(line) == '+') ++line;
    if (window.at(line) == '\r') ++line;
    if (window.at(line) == '\n') {
      start = line + 1;
      while (start - line <= kMostIndent && window.at(start) == ' ') ++start;
    }
  }
  value.start = start;
  return window.at(start) != ScanWindow::kEnd;
}

bool is_password(std::string_view found, SecretKind kind, bool quoted) {
  const Variety v = variety_of(found);
  const int letters = v.upper + v.lower;
  const int marks = static_cast<int>(found.size()) - v.digits - letters;
  const bool mixed = (v.digits > 0) + (v.upper > 0) + (v.lower > 0) + (marks > 0) >= 2;
  if (found.size() < 6 || !mixed || v.distinct < 5 || (v.digits == 0 && !quoted && marks == 0)) return false;
  if (kind == SecretKind::password || quoted) return true;
  if (v.digits == 0 || letters == 0) return false;
  if (kind == SecretKind::word) return found.find_first_of("!@#$%^&*+=?") != std::string_view::npos;
  return marks > 0 || (v.upper > 0 && v.lower > 0);
}

bool is_key(std::string_view found, bool quoted) {
  if (found.size() >= 16) return looks_random(found);
  const Variety v = variety_of(found);
  return quoted && found.size() >= 10 && v.digits >= 2 && v.upper >= 2 && v.lower >= 2;
}

bool is_secret(std::string_view found, SecretKind kind, bool quoted) {
  return kind == SecretKind::key ? is_key(found, quoted) : is_password(found, kind, quoted);
}

enum class Words : std::uint8_t { none, phrase, sentence };

// What several words are. A phrase: "correct horse battery staple", small words that no sentence about passwords needs;
// or words of which one is a secret by itself.
Words words_of(std::string_view text, SecretKind kind) {
  static constexpr std::string_view kOfSentences[] = {
      "a",         "an",     "and",  "as",   "at", "be",  "by",   "enter", "for", "from",
      "in",        "is",     "must", "new",  "no", "not", "of",   "on",    "or",  "password",
      "passwords", "please", "the",  "this", "to", "use", "user", "with",  "your"};
  std::size_t words = 0;
  bool small = true;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const auto word = text.substr(at, end - at);
    at = end + 1;
    if (word.empty()) continue;
    if (is_secret(word, kind, false)) return Words::phrase;
    if (std::ranges::find(kOfSentences, word) != std::end(kOfSentences)) return Words::sentence;
    ++words;
    small = small && std::ranges::all_of(word, [](char c) { return is_a(static_cast<unsigned char>(c), kLower); });
  }
  return kind != SecretKind::key && small && words >= kLeastPhrase ? Words::phrase : Words::none;
}

// Behind the last byte before the quotation mark, or before the leaf's or window's end; 0: none ends it.
std::size_t phrase_end(ScanWindow& window, const Value& value, SecretPlace place) {
  std::size_t i = value.end;
  for (;; ++i) {
    const int byte = window.at(i);
    if (byte == ScanWindow::kEnd) return place == SecretPlace::leaf || i >= window.limit() ? i : 0;
    if (byte == value.quote) return i;
    if (byte == '\n' || byte == '\r') return 0;
  }
}

// Digits alone are a password where nothing else can be meant.
bool is_pin(std::string_view found) {
  return found.size() >= 4 && variety_of(found).distinct >= 3 &&
         std::ranges::all_of(found, [](char c) { return is_digit(static_cast<unsigned char>(c)); });
}

}  // namespace

bool is_secret_byte(int byte) {
  static constexpr ByteSet kEnds("\"'`\\,;<>(){}[]|");
  return byte > 0x20 && byte != 0x7f && !kEnds.has(byte);
}

void classify_secret_value(ScanWindow& window, std::size_t at, SecretKind kind, SecretPlace place, Findings& out) {
  const auto text = window.text();
  window.rebase(at);
  Value value{.quoted = place == SecretPlace::leaf};
  if (!find_start(window, at, value)) return;
  window.rebase(value.start);
  std::size_t end = value.start;
  while (is_secret_byte(window.at(end))) ++end;
  value.end = end;
  bool open = end >= window.limit();
  Tail tail = Tail::word;
  if (!open && !value.quoted && window.at(end) == '(') return;  // a call in source code
  while (!open && !value.quoted && end > value.start && std::string_view(".:?").contains(text[end - 1])) --end;
  const auto found = text.substr(value.start, end - value.start);
  if (found.empty() || found[0] == '$' || found[0] == '%' || found.starts_with("os.") ||
      found.starts_with("process.") || (!open && names_place(found, value.quoted)))
    return;
  static constexpr ByteSet kInside(" ,;|");
  const bool whole = place == SecretPlace::leaf && window.at(end) == ScanWindow::kEnd;
  bool secret = is_secret(found, kind, value.quoted) || (whole && kind == SecretKind::password && is_pin(found));
  const bool goes_on = !open && value.quoted && kInside.has(window.at(end));
  if (const std::size_t last = goes_on ? phrase_end(window, value, place) : 0; last != 0) {
    const auto all = text.substr(value.start, last - value.start);
    if (all.contains(' ')) {
      const Words words = words_of(all, kind);
      secret = words == Words::phrase || (secret && words == Words::none);
    } else {
      secret = is_secret(all, kind, true);
    }
    end = last;
    open = end >= window.limit();
    tail = value.quote == 0 ? Tail::line : Tail::quoted;
  }
  if (!secret) return;
  const bool key = kind == SecretKind::key;
  out.push_back({kSecretType,
                 "secrets",
                 key ? "assigned_secret" : "password",
                 {value.start, end},
                 key ? 0.9F : 0.85F,
                 open ? tail : Tail::none});
}

}  // namespace sb::policy
