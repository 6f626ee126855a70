#include "policy/tail.h"

#include "policy/detect/bytes_class.h"

namespace sb::policy {
namespace {

// A private key block is at most this long; what goes on without an END line is text again.
constexpr std::uint32_t kMaxPemBytes = 16 << 10;
constexpr std::uint32_t kPemCountMask = 0x00ffffff;

bool in_tail(Tail tail, unsigned char byte) {
  switch (tail) {
    case Tail::host:
      return is_alnum(byte) || byte >= 0x80 || byte == '-' || byte == '.';
    case Tail::token:
      return is_token(byte) || std::string_view(".+/=~").find(static_cast<char>(byte)) != std::string_view::npos;
    case Tail::word:
      return byte > 0x20 && byte != 0x7f &&
             std::string_view("\"'`\\,;<>(){}[]|").find(static_cast<char>(byte)) == std::string_view::npos;
    case Tail::path:
      return is_letter(byte) || std::string_view("-_./~+").find(static_cast<char>(byte)) != std::string_view::npos;
    case Tail::pem:
      return is_alnum(byte) ||
             std::string_view("+/=-:, \r\n\t").find(static_cast<char>(byte)) != std::string_view::npos;
    case Tail::none:
      break;
  }
  return false;
}

// `state`: bytes seen in the low 24 bits; above, the phase: dashes met so far (0..5), 8 inside the END line's words,
// 9..13 its closing dashes.
TailEnd follow_pem(std::string_view text, std::size_t at, bool complete, std::uint32_t& state) {
  for (; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte == '\\') {  // an escaped line end in JSON or source: the two bytes belong together
      if (at + 1 == text.size()) return {at, complete};
      if (text[at + 1] != 'n' && text[at + 1] != 'r') return {at, true};
      ++at;
      continue;
    }
    if (!in_tail(Tail::pem, byte) || (state & kPemCountMask) >= kMaxPemBytes) return {at, true};
    std::uint32_t phase = state >> 24;
    if (phase < 5) {
      phase = byte == '-' ? phase + 1 : 0;
    } else if (phase == 5) {
      phase = byte == 'E' ? 8 : byte == '-' ? 5 : 0;  // "-----E(ND ...)"
    } else if (phase == 8) {
      phase = byte == '-' ? 9 : 8;
    } else if (byte != '-') {
      return {at, true};
    } else if (++phase == 13) {
      return {at + 1, true};
    }
    state = phase << 24 | ((state & kPemCountMask) + 1);
  }
  return {at, complete};
}

}  // namespace

TailEnd follow_tail(Tail tail, std::string_view text, std::size_t at, bool complete, std::uint32_t& state) {
  if (tail == Tail::none) return {at, true};
  if (tail == Tail::pem) return follow_pem(text, at, complete, state);
  while (at < text.size() && in_tail(tail, static_cast<unsigned char>(text[at]))) ++at;
  return {at, complete || at < text.size()};
}

}  // namespace sb::policy
