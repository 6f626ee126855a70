#include "base/wildcard.h"

namespace sb {

// Backs up to the last `*` alone: what an earlier one could take, that one can too.
bool fits_wildcard(std::string_view pattern, std::string_view text) {
  std::size_t at = 0, star = std::string_view::npos, taken = 0, i = 0;
  while (i < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      taken = i;
    } else if (at < pattern.size() && pattern[at] == text[i]) {
      ++at;
      ++i;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      i = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

}  // namespace sb
