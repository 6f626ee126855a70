/// Values behind something that announces a secret.
#pragma once

#include <cstdint>

#include "policy/detector.h"

namespace sb::policy {

enum class SecretKind : std::uint8_t {
  password,
  spoken,  ///< one without a mark between word and value: only what no word of a sentence looks like
  word,    ///< behind a word that may be another's: only what has letters, digits and marks
  key,     ///< of a machine: long and random
};
enum class SecretPlace : std::uint8_t {
  text,
  leaf,  ///< the text is the value
};

/// Inside a secret without blanks: no quotes, backslashes, brackets, separators.
bool is_secret_byte(int byte);

/// Looks at what begins at `at`, behind blanks, quotation marks and the signs of a YAML block.
void classify_secret_value(ScanWindow& window, std::size_t at, SecretKind kind, SecretPlace place, Findings& out);

}  // namespace sb::policy
