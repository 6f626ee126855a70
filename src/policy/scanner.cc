#include "policy/scanner.h"

#include <algorithm>
#include <bit>

#include "base/errors.h"
#include "policy/detect/bytes_class.h"

namespace sb::policy {
namespace {

// A private key block is at most this long; what goes on without an END line is text again.
constexpr std::uint32_t kMaxPemBytes = 16 << 10;
constexpr std::uint32_t kPemCountMask = 0x00ffffff;

// The start of a trailing run in which a candidate may stand whose wake byte has not come yet.
std::size_t trailing_start(std::string_view text) {
  std::size_t start = text.size();
  const std::size_t least = start > kMaxWordBytes ? start - kMaxWordBytes : 0;
  while (start > least && (is_word_byte(byte_of(text, start - 1)) || text[start - 1] == '(')) --start;
  return to_sequence_start(text, start);
}

// The start of a UTF-8 sequence that the text's end cuts, else the size.
std::size_t incomplete_sequence(std::string_view text) {
  for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if (byte < 0x80) break;
    if (byte < 0xc0) continue;
    const std::size_t need = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return need > back ? text.size() - back : text.size();
  }
  return text.size();
}

bool in_tail(Tail tail, unsigned char byte) {
  switch (tail) {
    case Tail::host:
      return is_alnum(byte) || byte >= 0x80 || byte == '-' || byte == '.';
    case Tail::token:
      return is_token(byte) || std::string_view(".+/=~").find(static_cast<char>(byte)) != std::string_view::npos;
    case Tail::word:
      return byte > 0x20 && byte != 0x7f &&
             std::string_view("\"'`\\,;<>(){}[]|").find(static_cast<char>(byte)) == std::string_view::npos;
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

// Settles overlaps, and follows the tails: what begins inside a longer finding is part of it.
void keep_leftmost(std::string_view text, bool complete, ScanResult& out) {
  auto& findings = out.findings;
  const auto before = [](const Finding& a, const Finding& b) {
    if (a.span.begin != b.span.begin) return a.span.begin < b.span.begin;
    if (a.score != b.score) return a.score > b.score;
    if (a.span.end != b.span.end) return a.span.end > b.span.end;
    return a.type < b.type;
  };
  if (!std::ranges::is_sorted(findings, before)) std::ranges::sort(findings, before);
  std::size_t end = 0;
  std::erase_if(findings, [&](Finding& finding) {
    if (out.open_tail || finding.span.begin < end) return true;
    if (finding.tail != Tail::none) {
      out.tail_state = 0;
      const TailEnd tail = follow_tail(finding.tail, text, finding.span.end, complete, out.tail_state);
      finding.span.end = tail.end;
      out.open_tail = !tail.closed;
    }
    end = finding.span.end;
    return false;
  });
}

}  // namespace

Scanner::Scanner(std::vector<std::shared_ptr<const Detector>> detectors) : detectors_(std::move(detectors)) {
  SB_ASSERT(detectors_.size() <= 16);
  for (std::size_t i = 0; i < detectors_.size(); ++i) {
    for (const char c : detectors_[i]->wake_bytes())
      wake_[static_cast<unsigned char>(c)] |= static_cast<std::uint16_t>(1U << i);
  }
}

void Scanner::scan(std::string_view text, std::size_t from, bool complete, std::string_view label,
                   ScanResult& out) const {
  out.findings.clear();
  out.open_tail = false;
  ScanWindow window(text, complete, label);
  std::size_t decided = text.size();
  if (!complete) {
    decided = std::min(trailing_start(text), incomplete_sequence(text));
    for (const auto& detector : detectors_) decided = std::min(decided, detector->pending_start(text));
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  for (std::size_t i = 0; i < text.size(); ++i) {
    // Eight bytes at a time where none wakes anybody, which is most of prose.
    while (i + 8 <= text.size() &&
           (wake_[bytes[i]] | wake_[bytes[i + 1]] | wake_[bytes[i + 2]] | wake_[bytes[i + 3]] | wake_[bytes[i + 4]] |
            wake_[bytes[i + 5]] | wake_[bytes[i + 6]] | wake_[bytes[i + 7]]) == 0) {
      i += 8;
    }
    if (i == text.size()) break;
    std::uint16_t looks = wake_[bytes[i]];
    for (; looks != 0; looks &= static_cast<std::uint16_t>(looks - 1)) {
      window.reset(i);
      detectors_[static_cast<std::size_t>(std::countr_zero(looks))]->verify(window, i, out.findings);
      if (window.touched()) decided = std::min(decided, std::max(window.start(), from));
    }
  }
  decided = std::max(decided, from);
  std::erase_if(out.findings,
                [&](const Finding& f) { return f.span.begin < from || (!complete && f.span.begin >= decided); });
  out.decided = decided;
  keep_leftmost(text, complete, out);
}

TailEnd follow_tail(Tail tail, std::string_view text, std::size_t at, bool complete, std::uint32_t& state) {
  if (tail == Tail::none) return {at, true};
  if (tail == Tail::pem) return follow_pem(text, at, complete, state);
  while (at < text.size() && in_tail(tail, static_cast<unsigned char>(text[at]))) ++at;
  return {at, complete || at < text.size()};
}

}  // namespace sb::policy
