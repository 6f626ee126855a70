#include "policy/detect/bytes_class.h"

namespace sb::policy {

Symbol folded_symbol(ScanWindow& window, std::size_t index) {
  const int first = window.at(index);
  const int second = window.at(index + 1);
  if (first == 0xc2) {
    if (second == 0xa0) return {' ', 2};                 // no-break space
    if (second == 0xad) return {Symbol::kInvisible, 2};  // soft hyphen
    return {Symbol::kOther, 2};
  }
  if (first == 0xd9 && second >= 0xa0 && second <= 0xa9) return {'0' + (second - 0xa0), 2};  // Arabic-Indic digits
  if (first == 0xdb && second >= 0xb0 && second <= 0xb9) return {'0' + (second - 0xb0), 2};  // extended Arabic-Indic
  if (first < 0xe0) return {Symbol::kOther, 2};
  const int third = window.at(index + 2);
  if (first == 0xe2 && second == 0x80) {
    if (third >= 0x90 && third <= 0x95) return {'-', 3};                                    // hyphens and dashes
    if (third == 0x87 || third == 0x89 || third == 0x8a || third == 0xaf) return {' ', 3};  // figure, thin, narrow
    if (third >= 0x8b && third <= 0x8f) return {Symbol::kInvisible, 3};                     // zero width, marks
    if (third >= 0xaa && third <= 0xae) return {Symbol::kInvisible, 3};                     // bidi embeddings
  }
  if (first == 0xe2 && second == 0x81 && third >= 0xa0 && third <= 0xaf) return {Symbol::kInvisible, 3};  // word joiner
  if (first == 0xe2 && second == 0x88 && third == 0x92) return {'-', 3};                                  // minus sign
  if (first == 0xe3 && second == 0x80 && third == 0x80) return {' ', 3};                                  // ideographic
  if (first == 0xef && second == 0xbb && third == 0xbf) return {Symbol::kInvisible, 3};                   // BOM
  // Full-width forms U+FF01..U+FF5E mirror ASCII 0x21..0x7e.
  if (first == 0xef && second == 0xbc && third >= 0x81 && third <= 0xbf) return {third - 0x81 + 0x21, 3};
  if (first == 0xef && second == 0xbd && third >= 0x80 && third <= 0x9e) return {third - 0x80 + 0x60, 3};
  return {Symbol::kOther, first >= 0xf0 ? 4U : 3U};
}

}  // namespace sb::policy
