#include "policy/detect/context.h"

#include "policy/detect/bytes_class.h"

namespace sb::policy {
namespace {

bool is_word_part(int byte) {
  return is_a(byte, kUpper | kLower | kHigh);
}

struct Word {
  std::size_t end;
  std::uint32_t hash;
};

// The word that begins at `at`: letters, until a capital follows a small one ("phoneNumber" is two).
Word read_word(std::string_view text, std::size_t at) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  WordHash hash;
  hash.add(bytes[at]);
  std::size_t end = at + 1;
  while (end < text.size() && is_word_part(bytes[end]) && !(is_a(bytes[end], kUpper) && is_a(bytes[end - 1], kLower)))
    hash.add(bytes[end++]);
  return {end, hash.value()};
}

}  // namespace

void ContextIndex::reset(std::string_view text, std::string_view label) {
  text_ = text;
  label_ = label;
  label_topics_ = topics_in(label);
  hits_.clear();
  read_ = 0;
  numbers_ = 0;
  last_start_ = std::string_view::npos;
}

std::uint64_t ContextIndex::topics_in(std::string_view text) {
  std::uint64_t topics = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (!is_word_part(byte_of(text, i))) {
      ++i;
      continue;
    }
    const Word word = read_word(text, i);
    topics |= topics_of(text.substr(i, word.end - i), word.hash);
    i = word.end;
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
    const Word word = read_word(text_, read_);
    if (word.end > end) break;  // it goes on behind the place that is asked about
    if (const auto topics = topics_of(text_.substr(read_, word.end - read_), word.hash))
      hits_.push_back({read_, topics, numbers_});
    read_ = word.end;
  }
}

Context ContextIndex::before(std::size_t start, std::size_t reach) {
  if (start == last_start_) return last_;
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
  last_start_ = start;
  return last_ = found;
}

}  // namespace sb::policy
