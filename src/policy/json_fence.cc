#include "policy/json_fence.h"

#include <algorithm>

#include "policy/detect/bytes_class.h"

namespace sb::policy {
namespace {

constexpr std::string_view kMark = "```";
constexpr std::string_view kJson = "json";  // jsonc, json5, jsonl, too
// Longer lines are none: this leaves room for a list's indentation.
constexpr std::size_t kMaxLineBytes = 32;

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

std::string_view without_blanks_before(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  return text;
}

std::string_view without_marks_before(std::string_view text) {
  while (text.starts_with(kMark[0])) text.remove_prefix(1);
  return text;
}

}  // namespace

OpeningFence::Part OpeningFence::next_part(Part part, std::uint8_t count, char c) {
  const auto in_word = [c](std::size_t letter) {
    return to_lower(static_cast<unsigned char>(c)) == kJson[letter] ? Part::word : Part::other;
  };
  switch (part) {
    case Part::indent:
      return is_blank(c) ? Part::indent : c == kMark[0] ? Part::marks : Part::other;
    case Part::marks:
      if (c == kMark[0]) return Part::marks;
      if (count < kMark.size()) return Part::other;
      [[fallthrough]];
    case Part::gap:
      return is_blank(c) ? Part::gap : in_word(0);
    case Part::word:
      if (count < kJson.size()) return in_word(count);
      [[fallthrough]];
    case Part::behind:
      return is_blank(c) || is_alnum(static_cast<unsigned char>(c)) ? Part::behind : Part::other;
    case Part::other:
      break;
  }
  return Part::other;
}

void OpeningFence::read(char c) {
  const Part part = size_ == kMaxLineBytes ? Part::other : next_part(part_, count_, c);
  count_ = part == part_ ? static_cast<std::uint8_t>(count_ + 1) : 1;
  part_ = part;
  ++size_;
}

std::size_t OpeningFence::read(std::string_view piece) {
  for (std::size_t at = 0; at < piece.size();) {
    for (; part_ != Part::other && at < piece.size() && piece[at] != '\n'; ++at) read(piece[at]);
    const auto end = piece.find('\n', at);
    if (end == std::string_view::npos) return end;
    at = end + 1;
    const bool opens = part_ == Part::behind || (part_ == Part::word && count_ == kJson.size());
    *this = {};
    if (opens) return at;
  }
  return std::string_view::npos;
}

bool is_closing_fence(std::string_view line) {
  line = without_blanks_before(line);
  return line.starts_with(kMark) && without_blanks_before(without_marks_before(line)).empty();
}

bool may_close_fence(std::string_view line, char next) {
  if (line.size() >= kMaxLineBytes || (!is_blank(next) && next != kMark[0])) return false;
  const auto marks = without_blanks_before(line);
  const auto behind = without_marks_before(marks);
  const bool ended = marks.size() - behind.size() >= kMark.size();
  return next == kMark[0] ? behind.empty() : marks.empty() || ended;
}

bool may_have_json_fence(std::string_view text) {
  for (auto at = text.find(kMark); at != std::string_view::npos; at = text.find(kMark, at)) {
    const auto behind = without_marks_before(text.substr(at));
    at = text.size() - behind.size();
    const auto word = without_blanks_before(behind);
    if (!word.empty() && (word[0] == 'j' || word[0] == 'J')) return true;
  }
  return false;
}

}  // namespace sb::policy
