/// The text as a detector should see it: one way of writing for every digit, dash, blank, quotation mark and escape,
/// and nothing invisible. Offsets map back, so that a finding covers what really stands there.
///
/// - full-width, Arabic-Indic, Indic, Thai, mathematical, raised, lowered and circled digits and letters become ASCII,
///   dashes '-', blanks ' ', typographic quotation marks '"' and '\''
/// - zero-width characters, variation selectors, tags, lines through a character, soft hyphens, bidi marks and <wbr>
///   vanish; where so many stand in a row that a character and they would be longer than kMaxCharacterBytes, those
///   behind are read as blanks
/// - escapes of URLs (%40 %2540), HTML (&#64; &nbsp;), JSON and source code (\u0040 \x40 \n \") and marks that brackets
///   keep from being links ([.] [dot] [@] [:]) become what they are written for
///
/// Plain ASCII without '%', '&', '\', '<' and '[' costs one vectorised look. Folding is local: what a byte becomes
/// depends on at most kMaxFoldBytes behind and kMaxCharacterBytes before it. What a stream has let out it keeps as
/// folded: see FoldedBefore.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sb::policy {

inline constexpr std::size_t kMaxFoldBytes = 10;  // "&#x0010ffff" is not read to its end, and no other is longer
/// Raw bytes of one character of the text with all that vanishes behind it: what bounds a stream's memory.
inline constexpr std::size_t kMaxCharacterBytes = 12;
/// Raw bytes in which everything behind its beginning that decides on a candidate begins: 64 characters of five bytes,
/// or 53 as \\u0040.
inline constexpr std::size_t kWindowRawBytes = 320;

/// The beginning of a text that was folded earlier and is kept so.
struct FoldedBefore {
  std::uint16_t bytes = 0;      ///< of it
  std::uint16_t character = 0;  ///< raw bytes of its last character with all that vanished behind it
};

class Fold {
 public:
  /// Borrows `raw`, which begins with `before`. Where more may come (not `complete`), an escape or character that `raw`
  /// cuts is left out.
  void assign(std::string_view raw, bool complete, FoldedBefore before = {});

  std::string_view text() const { return identity_ ? raw_.substr(0, folded_) : std::string_view(copy_); }
  std::string_view raw() const { return raw_; }
  /// Bytes of the raw text that `text` stands for: all, or all but a cut escape or character.
  std::size_t folded_bytes() const { return folded_; }

  /// Where the character at `index` of the text begins in the raw text; REQUIRES index <= text().size().
  std::size_t raw_begin(std::size_t index) const { return identity_ ? index : mapped(index); }
  /// Where the character before `index` ends in the raw text; REQUIRES 0 < index <= text().size().
  std::size_t raw_end(std::size_t index) const { return identity_ ? index : mapped(index - 1, true); }
  /// The first byte of the text that stands at `raw` or behind it.
  std::size_t from_raw(std::size_t raw) const;
  /// Whether the text is the raw text.
  bool is_raw() const { return identity_; }

  /// Raw bytes from the beginning of the last character before `index` to that at `index`.
  std::size_t character_before(std::size_t index) const;

  /// Behind the `count` characters from the one at `index` on, as far as they begin within kWindowRawBytes. What
  /// vanished counts as characters, too: so many are held back at most. REQUIRES: count <= kMaxSkip.
  std::size_t skip_characters(std::size_t index, std::size_t count) const {
    return ascii_ ? index + count : skip_wide(index, count);
  }
  static constexpr std::size_t kMaxSkip = 65;
  /// Whether that is `index` + `count` everywhere.
  bool is_ascii() const { return ascii_; }
  /// Whether that is `index` + `count` wherever those bytes are ASCII.
  bool is_sparse() const { return crowded_.empty(); }
  /// The same of the bytes from `index` up to the returned one; `end` where it holds up to there.
  std::size_t next_crowded(std::size_t index, std::size_t end) const {
    if (is_sparse()) return end;
    const auto place = std::ranges::upper_bound(crowded_, index);
    return place == crowded_.end() ? end : std::min<std::size_t>(end, *place);
  }

 private:
  struct Place {
    std::uint32_t index;  // in copy_: the character here is `size` bytes from `raw` on; those behind it are one each
    std::uint32_t raw;
    std::uint32_t size;
    std::uint32_t hidden;  // characters that vanished before it
  };

  // The places that one window may hold together with the last.
  struct Near {
    std::size_t first = 0;
    std::size_t beyond = 0;  // raw bytes of theirs that no character but an escape has
  };

  using Places = std::vector<Place>;

  Places::const_iterator place_from(std::size_t index) const;
  std::uint32_t hidden_before(std::size_t index) const;
  void add_place(const Place& place);
  bool fit_a_window(std::size_t index, std::size_t end) const;
  std::size_t skip_wide(std::size_t index, std::size_t count) const;
  void copy_folded(std::size_t first, bool complete);
  bool leaves_room(Near& near) const;
  std::size_t mapped(std::size_t index, bool end = false) const;

  std::string_view raw_;
  std::size_t folded_ = 0;
  bool identity_ = true;
  bool ascii_ = true;  // and not only up to some place
  FoldedBefore before_;
  std::string copy_;
  Places places_;
  struct Block {
    std::uint32_t before = 0;  // how many places stand before it
    std::uint64_t here = 0;    // bit n: one is at its byte n
  };
  std::vector<Block> blocks_;  // each 64 bytes of copy_, up to the last place
  // In copy_: where something vanished, or so much was folded away that kWindowRawBytes may bound a window.
  std::vector<std::uint32_t> crowded_;
};

}  // namespace sb::policy
