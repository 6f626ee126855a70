/// What names, keys and variables say of the value behind them: that it is a secret, or that it is none.
#pragma once

#include <cstdint>
#include <string_view>

namespace sb::policy {

enum class NamedSecret : std::uint8_t {
  none,
  password,
  word,  ///< a password, where a word of a sentence or a test's result is not meant: "pass", "pw"
  key,   ///< of a machine: long and random
};

/// What has this name: "password", "DB_PASSWORD", "client-secret", "apiKey", "db_pass".
NamedSecret named_secret(std::string_view name);

/// Whether `value` is no secret but the name of the place where it is: ":password" and "@Password" are bound when the
/// statement runs, "settings.DB_PASSWORD" and "self.password" are read by a program, "YOUR_PASSWORD" is filled in by a
/// person. REQUIRES: it is not empty.
bool names_place(std::string_view value, bool quoted);

}  // namespace sb::policy
