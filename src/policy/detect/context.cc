#include "policy/detect/context.h"

#include <array>

#include "policy/detect/bytes_class.h"

namespace sb::policy {
namespace {

bool is_word_part(int byte) {
  return is_a(byte, kUpper | kLower | kHigh);
}

// The topics of the word [begin, end); "phoneNumber" is two.
std::uint64_t topics_at(std::string_view text, std::size_t begin, std::size_t end) {
  if (end - begin > kMaxContextWord) return 0;
  std::array<char, kMaxContextWord> lower;
  for (std::size_t i = begin; i < end; ++i) lower[i - begin] = static_cast<char>(to_lower(byte_of(text, i)));
  return topics_of({lower.data(), end - begin});
}

// Behind the word that begins at `at`: letters, until a capital follows a small one.
std::size_t word_end(std::string_view text, std::size_t at, std::size_t limit) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t end = at + 1;
  while (end < limit && is_word_part(bytes[end]) && !(is_a(bytes[end], kUpper) && is_a(bytes[end - 1], kLower))) ++end;
  return end;
}

}  // namespace

void ContextIndex::reset(std::string_view text, std::string_view label) {
  text_ = text;
  label_ = label;
  label_topics_ = topics_in(label);
  hits_.clear();
  read_ = 0;
  numbers_ = 0;
}

std::uint64_t ContextIndex::topics_in(std::string_view text) {
  std::uint64_t topics = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (!is_word_part(byte_of(text, i))) {
      ++i;
      continue;
    }
    const std::size_t end = word_end(text, i, text.size());
    topics |= topics_at(text, i, end);
    i = end;
  }
  return topics;
}

void ContextIndex::read_to(std::size_t end) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text_.data());
  while (read_ < end) {
    if (!is_word_part(bytes[read_])) {
      numbers_ += is_digit(bytes[read_]) && (read_ == 0 || !is_digit(bytes[read_ - 1]));
      ++read_;
      continue;
    }
    const std::size_t word = word_end(text_, read_, text_.size());
    if (word > end) break;  // it goes on behind the place that is asked about
    if (const auto topics = topics_at(text_, read_, word)) hits_.push_back({read_, topics, numbers_});
    read_ = word;
  }
}

Context ContextIndex::before(std::size_t start, std::size_t reach) {
  const std::size_t low = start > reach ? start - reach : 0;
  if (read_ < low) {  // nobody asked about what lies between: begin at a word's edge
    read_ = low;
    while (read_ < start && is_word_part(byte_of(text_, read_))) ++read_;
    hits_.clear();
  }
  read_to(start);
  Context found;
  std::uint32_t numbers = 0;
  for (std::size_t n = hits_.size(); n-- > 0 && (hits_[n].begin > low || low == 0);) {
    const Hit& hit = hits_[n];
    if (hit.begin >= start) continue;
    if (found.nearest == 0 && (hit.topics & topic::kTelling) != 0) {
      found.nearest = hit.topics;
      numbers = hit.numbers;
    }
    if (found.nearest == 0 || hit.numbers == numbers) found.segment |= hit.topics;
    found.all |= hit.topics;
  }
  if (low == 0 && found.nearest == 0) {
    found.nearest = label_topics_;
    found.segment |= label_topics_;
  }
  if (low == 0) found.all |= label_topics_;
  return found;
}

}  // namespace sb::policy
