#include "policy/detect/context.h"

#include <bit>

#include "policy/detect/byte_masks.h"
#include "policy/detect/bytes_class.h"

namespace sb::policy {
namespace {

bool is_word_part(int byte) {
  return is_a(byte, kUpper | kLower | kHigh);
}

// Behind the word that begins at `at`: letters, until a capital follows a small one ("phoneNumber" is two).
std::size_t word_end(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  while (is_word_part(byte_of(text, end)) &&
         !(is_a(byte_of(text, end), kUpper) && is_a(byte_of(text, end - 1), kLower)))
    ++end;
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
  last_start_ = std::string_view::npos;
}

std::uint64_t ContextIndex::topics_in(std::string_view text) {
  std::uint64_t topics = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (!is_word_part(byte_of(text, i))) {
      ++i;
      continue;
    }
    const std::size_t end = word_end(text, i);
    topics |= topics_of(text, i, end);
    i = end;
  }
  return topics;
}

void ContextIndex::read_to(std::size_t end) {
  while (read_ < end) {
    const std::size_t done = read_block(end);
    read_ += done;
    if (done > 0) continue;
    const std::size_t behind = word_end(text_, read_);
    if (behind > end) return;  // it goes on behind the place that is asked about
    read_ = behind;            // no telling word is as long as a block
  }
}

// Reads the whole words of the 64 bytes from `read_` on that end at `end` or before; how many bytes that are. 0: the
// first word is longer.
std::size_t ContextIndex::read_block(std::size_t end) {
  const ByteMasks masks(text_, read_);
  const std::size_t size = std::min<std::size_t>(end - read_, 64);
  const std::uint64_t parts = masks.letters | masks.high;
  const std::uint64_t humps = masks.capitals & (masks.letters & ~masks.capitals) << 1;  // "phoneNumber" is two
  std::uint64_t begins = (parts & ~(parts << 1)) | humps;
  std::uint64_t ends = (~parts & parts << 1) | humps;  // bit n: a word ends before byte n
  std::uint64_t numbers = masks.digits & ~(masks.digits << 1);
  if (read_ > 0 && is_digit(byte_of(text_, read_ - 1))) numbers &= ~std::uint64_t{1};
  const auto numbers_before = [&](std::size_t at) {
    return numbers_ + static_cast<std::uint32_t>(std::popcount(numbers & low_bits(at)));
  };
  std::size_t done = size;
  for (begins &= low_bits(size); begins != 0; begins &= begins - 1, ends &= ends - 1) {
    const auto begin = static_cast<std::size_t>(std::countr_zero(begins));
    const auto end_of_word = static_cast<std::size_t>(std::countr_zero(ends));  // 64 where it is not among these bytes
    if (end_of_word > size || end_of_word == 64) {
      done = begin;
      break;
    }
    const auto topics = topics_of(text_, read_ + begin, read_ + end_of_word);
    // Letters right behind a digit are a piece of something ("xQ7vT9"), no word.
    if (topics != 0 && (read_ + begin == 0 || !is_digit(byte_of(text_, read_ + begin - 1))))
      hits_.push_back({read_ + begin, topics, numbers_before(begin)});
  }
  numbers_ = numbers_before(done);
  return done;
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
