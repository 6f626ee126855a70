/// The text as a detector should see it: one way of writing for every digit, dash, blank, quotation mark and escape,
/// and nothing invisible. Offsets map back, so that a finding covers what really stands there.
///
/// - full-width, Arabic-Indic, Indic, Thai and mathematical digits and letters become ASCII, dashes '-', blanks ' ',
///   typographic quotation marks '"' and '\''
/// - zero-width characters, soft hyphens, bidi marks and <wbr> vanish; where so many stand in a row that a character
/// and
///   they would be longer than kMaxCharacterBytes, those behind are read as blanks
/// - escapes of URLs (%40), HTML (&#64; &nbsp;) and JSON (\u0040 \n \") become what they stand for
///
/// Plain ASCII without '%', '&', '\' and '<' costs one vectorised look. Folding is local: what a byte becomes depends
/// on at most kMaxFoldBytes behind and kMaxCharacterBytes before it, so a stream may be folded from any place that lies
/// that far ahead.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sb::policy {

inline constexpr std::size_t kMaxFoldBytes = 10;  // "&#x0010ffff" is not read to its end, and no other is longer
/// Raw bytes of one character of the text with all that vanishes behind it: what bounds a stream's memory.
inline constexpr std::size_t kMaxCharacterBytes = 12;
/// Raw bytes in which everything that decides on a candidate begins, before it and behind: 64 characters as escapes of
/// seven bytes.
inline constexpr std::size_t kWindowRawBytes = 448;

class Fold {
 public:
  /// Borrows `raw`. Where more may come (not `complete`), an escape or character that `raw` cuts is left out.
  void assign(std::string_view raw, bool complete);

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

  /// A place in the raw text, at `raw` or before it, from which a fold gives this text's last `count` bytes before
  /// `raw`.
  std::size_t context_start(std::size_t raw, std::size_t count) const;

  /// Behind the `count` characters from the one at `index` on, as far as they begin within kWindowRawBytes.
  /// REQUIRES: count <= kMaxSkip.
  std::size_t skip_characters(std::size_t index, std::size_t count) const {
    return ascii_ ? index + count : skip_wide(index, count);
  }
  static constexpr std::size_t kMaxSkip = 64;
  /// Whether that is `index` + `count` everywhere.
  bool is_ascii() const { return ascii_; }
  /// Whether that is `index` + `count` wherever those bytes are ASCII.
  bool is_sparse() const { return sparse_; }
  /// The first of the `count` bytes before `index` that begin within kWindowRawBytes before it.
  std::size_t back(std::size_t index, std::size_t count) const {
    const std::size_t first = index > count ? index - count : 0;
    return sparse_ ? first : back_folded(index, first);
  }

 private:
  struct Place {
    std::uint32_t index;  // in copy_: the character here is `size` bytes from `raw` on; those behind it are one each
    std::uint32_t raw;
    std::uint32_t size;
  };

  std::size_t skip_wide(std::size_t index, std::size_t count) const;
  std::size_t back_folded(std::size_t index, std::size_t first) const;
  void copy_folded(std::size_t first, bool complete);
  std::size_t mapped(std::size_t index, bool end = false) const;

  std::string_view raw_;
  std::size_t folded_ = 0;
  bool identity_ = true;
  bool ascii_ = true;   // and not only up to some place
  bool sparse_ = true;  // so few bytes folded away that kWindowRawBytes bounds no window
  std::string copy_;
  std::vector<Place> places_;
};

}  // namespace sb::policy
