/// Patterns in which a `*` stands for any text.
#pragma once

#include <string_view>

namespace sb {

/// Whether the whole of `text` fits; `*` may stand for nothing too. Linear in pattern times text at worst.
bool fits_wildcard(std::string_view pattern, std::string_view text);

}  // namespace sb
