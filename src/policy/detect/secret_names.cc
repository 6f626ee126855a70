#include "policy/detect/secret_names.h"

#include <algorithm>
#include <array>

#include "policy/detect/bytes_class.h"

namespace sb::policy {
namespace {

// Names end so, in lower case and without what joins their words.
constexpr std::string_view kPasswordNames[] = {
    "password",   "passwd", "passwort",   "pwd",      "passphrase", "kennwort", "contraseña", "contrasena", "senha",
    "motdepasse", "parola", "wachtwoord", "lösenord", "hasło",      "пароль",   "密码",       "パスワード"};
constexpr std::string_view kKeyNames[] = {"secret",     "apikey",          "token",         "secretkey",
                                          "accesskey",  "privatekey",      "authkey",       "clientsecret",
                                          "credential", "credentials",     "encryptionkey", "signingkey",
                                          "accountkey", "sharedaccesskey", "secretkeybase"};
// As a word of their own alone: others end so, too.
constexpr std::string_view kPasswordWords[] = {"pass", "pw", "creds"};

// The last two bytes of those names, five bits of each: most words end otherwise.
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
  for (const auto name : kPasswordWords) add(name);
  return endings;
}();

bool is_joint(char c) {
  return c == '_' || c == '-';
}

// "pass", "DB_PASS", "userPass"; "PASS" alone is what a test did.
NamedSecret named_by_word(std::string_view name) {
  for (const auto word : kPasswordWords) {
    if (name.size() < word.size()) continue;
    const auto begin = name.size() - word.size();
    const auto last = name.substr(begin);
    if (!std::ranges::equal(last, word, {}, [](char c) { return to_lower(static_cast<unsigned char>(c)); })) continue;
    const bool capital = is_a(static_cast<unsigned char>(last[0]), kUpper);
    if (begin == 0)
      return capital && is_a(static_cast<unsigned char>(last[1]), kUpper) ? NamedSecret::none : NamedSecret::word;
    if (is_joint(name[begin - 1]) || (capital && is_a(static_cast<unsigned char>(name[begin - 1]), kLower)))
      return NamedSecret::password;
  }
  return NamedSecret::none;
}

}  // namespace

NamedSecret named_secret(std::string_view name) {
  name.remove_prefix(name.size() - std::min(name.size(), kMaxWordBytes));  // the end says what it is
  if (name.size() < 2) return NamedSecret::none;
  const char before = name[name.size() - 2];
  if (!is_joint(before) && !is_joint(name.back()) && !kEndings[ending_of(before, name.back())])
    return NamedSecret::none;
  std::array<char, kMaxWordBytes> buffer;
  std::size_t size = 0;
  for (const char c : name) {
    if (!is_joint(c) && size < buffer.size())
      buffer[size++] = static_cast<char>(to_lower(static_cast<unsigned char>(c)));
  }
  const std::string_view plain(buffer.data(), size);
  const auto ends_with = [&](std::string_view word) {
    return size >= word.size() && plain.back() == word.back() && plain.ends_with(word);
  };
  if (std::ranges::any_of(kPasswordNames, ends_with)) return NamedSecret::password;
  if (std::ranges::any_of(kKeyNames, ends_with)) return NamedSecret::key;
  return named_by_word(name);
}

bool names_place(std::string_view value, bool quoted) {
  const std::size_t mark = std::string_view(":@&!").find(value[0]) != std::string_view::npos ? 1 : 0;
  const auto name = value.substr(mark);
  const auto is_part = [](char c) { return is_letter(static_cast<unsigned char>(c)) || c == '_' || c == '.'; };
  const auto is_small = [](char c) { return is_a(static_cast<unsigned char>(c), kLower); };
  if (name.empty() || !std::ranges::all_of(name, is_part)) return false;
  if (quoted && std::ranges::any_of(name, is_small)) return false;
  const bool bound = value[0] == ':' && std::ranges::none_of(name, [&](char c) { return !is_small(c) && c != '_'; });
  return bound || named_secret(name.substr(0, name.find_last_not_of('_') + 1)) != NamedSecret::none;
}

}  // namespace sb::policy
