#include "policy/guards/plain_words.h"

#include "policy/detect/bytes_class.h"
#include "policy/detect/fold.h"

namespace sb::policy {

std::string plain_words(std::string_view text) {
  Fold fold;
  fold.assign(text, true);
  std::string out;
  out.reserve(fold.text().size());
  bool blank = false;
  for (const char c : fold.text()) {
    const bool before = blank;
    blank = is_a(static_cast<unsigned char>(c), kBlank) || c == '\v' || c == '\f';
    if (!blank)
      out += c;
    else if (!before)
      out += ' ';
  }
  return out;
}

}  // namespace sb::policy
