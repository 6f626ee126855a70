/// Scripts that set no blanks between words (Han, kana, Thai, Lao, Khmer, Burmese, Tibetan, Yi), or glue endings to
/// words of others (Hangul). In such a text what is written in other letters ends where theirs begin:
/// "jane@example.orgまで".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "policy/detect/bytes_class.h"

namespace sb::policy {

enum class Script : std::uint8_t {
  spaced,    ///< all others
  unspaced,  ///< a letter of such a script
  mark,      ///< punctuation outside ASCII
};

/// Names of mailboxes and hosts in such letters have at most so many: in a longer run of them none begins, as far as it
/// is not set apart.
inline constexpr std::size_t kMostUnspaced = 6;

/// Of the character that begins with `lead`; `second`, `third`: the bytes behind it.
constexpr Script script_of(int lead, int second, int third) {
  const auto unspaced_if = [](bool is) { return is ? Script::unspaced : Script::spaced; };
  switch (lead) {
    case 0xe0:
      return unspaced_if(second >= 0xb8);  // U+0E00..U+0FFF
    case 0xe1:                             // U+1000..U+109F, U+1780..U+17FF
      return unspaced_if(second <= 0x81 || (second == 0x82 && third < 0xa0) || second == 0x9e || second == 0x9f);
    case 0xe2:  // U+2010..U+2027: dashes, quotation marks, bullets; U+2E80..U+2FFF
      if (second == 0x80 && third >= 0x90 && third <= 0xa7) return Script::mark;
      return unspaced_if(second >= 0xba);
    case 0xe3:  // U+3000..U+303F, U+30FB are marks
      return second == 0x80 || (second == 0x83 && third == 0xbb) ? Script::mark : Script::unspaced;
    case 0xea:
      return unspaced_if(second < 0x94 || second >= 0xb0);  // U+A000..U+A4FF, U+AC00..
    case 0xed:
      return unspaced_if(second < 0xa0);  // ..U+D7FF
    case 0xef:
      if (second == 0xbd && third >= 0xa1 && third < 0xa6) return Script::mark;  // U+FF61..U+FF65
      return unspaced_if((second >= 0xa4 && second < 0xac) || (second == 0xbd && third >= 0xa6) || second == 0xbe);
    case 0xf0:
      return unspaced_if(second >= 0xa0);  // U+20000..U+3FFFF
    default:
      return unspaced_if((lead >= 0xe4 && lead < 0xea) || lead == 0xeb || lead == 0xec);
  }
}

inline Script script_at(std::string_view text, std::size_t at) {
  const int lead = byte_of(text, at);
  if (lead < 0xe0) return Script::spaced;
  return script_of(lead, byte_of(text, at + 1), byte_of(text, at + 2));
}

/// Whether the label or segment that begins at `begin` ends before the character at `at`. `may_end`: what stands before
/// is whole without it; otherwise letters of several scripts are one label ("nttドコモ.jp").
inline bool changes_script(ScanWindow& window, std::size_t begin, std::size_t at, bool may_end = true) {
  const int lead = window.at(at);
  if (lead < 0xe0) return false;
  const Script script = script_of(lead, window.at(at + 1), window.at(at + 2));
  return script == Script::mark || (may_end && script == Script::unspaced && byte_of(window.text(), at - 1) < 0x80 &&
                                    script_at(window.text(), begin) == Script::spaced);
}

/// Where the word begins that ends at `end`, of bytes that `is_part` accepts and letters of one kind; at or behind
/// `least`. `end`: there is none, or it is a run of unspaced letters that is too long for one.
template <class IsPart>
std::size_t word_before(std::string_view text, std::size_t end, std::size_t least, IsPart is_part) {
  std::size_t start = end;
  std::size_t unspaced = 0;
  while (start > least && is_part(byte_of(text, start - 1))) {
    if (byte_of(text, start - 1) < 0x80) {
      if (unspaced > 0) break;
      --start;
      continue;
    }
    std::size_t begin = start - 1;
    while (begin > least && start - begin < 4 && (byte_of(text, begin) & 0xc0) == 0x80) --begin;
    const Script script = script_at(text, begin);
    const bool begins_other = script == Script::unspaced ? start < end && unspaced == 0 : unspaced > 0;
    if (script == Script::mark || begins_other) break;
    if (script == Script::unspaced && ++unspaced > kMostUnspaced) return end;
    start = script == Script::unspaced ? begin : start - 1;
  }
  return to_sequence_start(text, start);
}

}  // namespace sb::policy
