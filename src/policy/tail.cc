#include "policy/tail.h"

#include <algorithm>
#include <optional>

#include "policy/detect/bytes_class.h"
#include "policy/detect/scripts.h"

namespace sb::policy {
namespace {

// A private key block is at most this long; what goes on without an END line is text again.
constexpr std::uint32_t kMaxPemBytes = 16 << 10;
constexpr std::uint32_t kPemCountMask = 0x00ffffff;

// What stands around the lines of a block that is quoted in a mail, in source code, in HTML: "> ", "\n" + ", <br>.
constexpr ByteSet kPemMarks("\"'`>|<\\.;#*%&()_");
// So many characters of base64 without a break are a line of a block, and no word of what stands behind one.
constexpr std::size_t kPemLine = 24;
constexpr std::size_t kPemDashes = 5;
// Raw bytes of the marks and such a line: a stream keeps them beside the beginning of the block.
constexpr std::size_t kMaxMarksBytes = 192;

constexpr bool is_base64(int byte) {
  return is_alnum(byte) || byte == '+' || byte == '/' || byte == '=';
}

}  // namespace

bool in_tail(Tail tail, int byte) {
  constexpr int kFirstOfThree = 0xe0;  // a host so long has no letters of scripts that set no blanks
  static constexpr ByteSet kTokenMarks(".+/=~");
  static constexpr ByteSet kWordEnds("\"'`\\,;<>(){}[]|");
  static constexpr ByteSet kLineEnds("\r\n");
  static constexpr ByteSet kQuoteEnds("\"'`\r\n");
  static constexpr ByteSet kPemBetween("-:, \r\n\t");
  switch (tail) {
    case Tail::host:
      return is_alnum(byte) || (is_a(byte, kHigh) && byte < kFirstOfThree) || byte == '-' || byte == '.';
    case Tail::token:
      return is_token(byte) || kTokenMarks.has(byte);
    case Tail::word:
    case Tail::url:
      return byte > 0x20 && byte != 0x7f && !kWordEnds.has(byte);
    case Tail::userinfo:
      return byte != '@' && in_tail(Tail::word, byte);
    case Tail::quoted:
      return byte >= 0 && !kQuoteEnds.has(byte);
    case Tail::line:
      return byte >= 0 && !kLineEnds.has(byte);
    case Tail::pem:
      return is_base64(byte) || kPemBetween.has(byte);
    case Tail::none:
      break;
  }
  return false;
}

namespace {

// Where behind marks that begin at `at` the block goes on: with a line of base64 or dashes. npos: it does not; nothing:
// more text must come to say so.
std::optional<std::size_t> behind_marks(const Fold& fold, std::size_t at, bool complete) {
  const auto text = fold.text();
  std::size_t window = fold.skip_characters(at, kWindowBytes);
  const std::size_t raw = fold.raw_begin(at) + kMaxMarksBytes;
  if (raw <= fold.folded_bytes()) window = std::min(window, fold.from_raw(raw));
  const std::size_t limit = std::min(text.size(), window);
  std::size_t line = 0;
  std::size_t dashes = 0;
  for (std::size_t i = at; i < limit; ++i) {
    const int byte = byte_of(text, i);
    if (!in_tail(Tail::pem, byte) && !kPemMarks.has(byte)) return std::string_view::npos;
    line = is_base64(byte) ? line + 1 : 0;
    dashes = byte == '-' ? dashes + 1 : 0;
    if (line == kPemLine || dashes == kPemDashes) return i + 1 - std::max(line, dashes);
  }
  if (complete || limit == window) return std::string_view::npos;
  return std::nullopt;
}

// `state`: characters seen in the low 24 bits; above, the phase: dashes met so far (0..5), 8 inside the END line's
// words, 9..13 its closing dashes.
std::size_t follow_pem(const Fold& fold, std::size_t at, bool complete, std::uint32_t& state, bool& closed) {
  const auto text = fold.text();
  for (; at < text.size(); ++at) {
    const int byte = byte_of(text, at);
    std::uint32_t phase = state >> 24;
    std::uint32_t count = (state & kPemCountMask) + 1;
    closed = true;
    if (count > kMaxPemBytes) return at;
    if (!in_tail(Tail::pem, byte)) {
      const auto on = kPemMarks.has(byte) ? behind_marks(fold, at, complete) : std::string_view::npos;
      closed = on.has_value();
      if (!on || *on == std::string_view::npos) return at;
      count += static_cast<std::uint32_t>(*on - at - 1);
      phase = 0;
      at = *on - 1;
    } else if (phase < 5) {
      phase = byte == '-' ? phase + 1 : 0;
    } else if (phase == 5) {
      phase = byte == 'E' ? 8 : byte == '-' ? 5 : 0;  // "-----E(ND ...)"
    } else if (phase == 8) {
      phase = byte == '-' ? 9 : 8;
    } else if (byte != '-') {
      return at;
    } else if (++phase == 13) {
      return at + 1;
    }
    state = phase << 24 | count;
  }
  closed = complete;
  return at;
}

// Of an address: whether the character at `at` is one of the text around it, in a script that sets no blanks.
bool leaves_address(std::string_view text, std::size_t at) {
  static constexpr ByteSet kParts("/?#&=:~!");
  const Script script = script_at(text, at);
  const bool begins_part = at > 0 && kParts.has(byte_of(text, at - 1));
  return script == Script::mark ||
         (script == Script::unspaced && !begins_part && at > 0 && byte_of(text, at - 1) < 0x80);
}

}  // namespace

TailEnd follow_tail(Tail tail, const Fold& fold, std::size_t at, bool complete, std::uint32_t& state,
                    std::size_t stop) {
  const auto text = stop < fold.folded_bytes() ? fold.text().substr(0, fold.from_raw(stop)) : fold.text();
  complete = complete && text.size() == fold.text().size();
  const std::size_t begin = fold.from_raw(at);
  std::size_t end = begin;
  bool closed = true;
  if (tail == Tail::pem) {
    end = follow_pem(fold, begin, complete, state, closed);
  } else {
    const bool is_url = tail == Tail::url;
    while (end < text.size() && in_tail(tail, byte_of(text, end)) && !(is_url && leaves_address(text, end))) ++end;
    closed = complete || end < text.size();
  }
  return {end == begin ? at : fold.raw_end(end), closed};
}

}  // namespace sb::policy
