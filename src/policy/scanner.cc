#include "policy/scanner.h"

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

#include "base/errors.h"
#include "policy/detect/byte_masks.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/scripts.h"
#include "policy/overlaps.h"

namespace sb::policy {
namespace {

// The start of a trailing run in which a candidate may stand whose wake byte has not come yet.
std::size_t trailing_start(std::string_view text) {
  const std::size_t least = text.size() > kMaxWordBytes ? text.size() - kMaxWordBytes : 0;
  return word_before(text, text.size(), least, [](int byte) { return is_word_byte(byte) || byte == '('; });
}

// What wakes a detector stands in a candidate's window or is the first character behind it.
constexpr std::size_t kInSight = kWindowBytes + 1;
static_assert(kInSight <= Fold::kMaxSkip);

// The first place from `begin` on that sees behind the text: what begins before it can be woken no more.
std::size_t first_open_window(const Fold& fold, std::size_t begin) {
  std::size_t end = fold.text().size();
  while (begin < end) {
    const std::size_t middle = begin + (end - begin) / 2;
    if (fold.skip_characters(middle, kInSight) > fold.text().size())
      end = middle;
    else
      begin = middle + 1;
  }
  return begin;
}

// Of the findings from the one at `first` on: those that do not see what woke their detector.
void drop_out_of_sight(const Fold& fold, std::size_t at, std::size_t first, Findings& findings) {
  const auto is_out = [&](const Finding& finding) {
    const std::size_t begin = finding.span.begin;
    return at > begin && fold.next_crowded(begin, at + 1) <= at && at >= fold.skip_characters(begin, kInSight);
  };
  const auto begin = findings.begin() + static_cast<std::ptrdiff_t>(first);
  findings.erase(std::remove_if(begin, findings.end(), is_out), findings.end());
}

constexpr std::size_t kLiteralBits = 1 << 16;
constexpr std::uint32_t kThreeBytes = 0xffffff;

std::uint32_t literal_hash(std::uint32_t key) {
  return key * 0x9e3779b1U >> 16;
}

// The first three bytes, letters in lower case; other bytes change too, but everywhere in the same way. REQUIRES: a
// fourth may be read.
std::uint32_t literal_key(const char* text) {
  std::uint32_t key = 0;
  std::memcpy(&key, text, 4);
  return (key | 0x202020U) & kThreeBytes;
}

std::size_t address_hash(const void* address) {
  return static_cast<std::size_t>(reinterpret_cast<std::uintptr_t>(address) * 0x9e3779b97f4a7c15ULL >> 40);
}

}  // namespace

Scanner::Scanner(std::vector<std::shared_ptr<const Detector>> detectors, const LeastScore& least_score,
                 Overlaps overlaps)
    : detectors_(std::move(detectors)), overlaps_(overlaps), literal_bits_(kLiteralBits / 64) {
  SB_ASSERT(detectors_.size() <= 64);
  std::vector<std::string_view> types;
  std::vector<std::pair<std::string_view, Detectors>> words;
  for (std::size_t i = 0; i < detectors_.size(); ++i) {
    const Detectors self = 1ULL << i;
    for (const char c : detectors_[i]->wake_bytes()) {
      const auto byte = static_cast<unsigned char>(c);
      at_byte_[byte] |= self;
      if (byte < 0x80)
        rare_low_[byte & 15] |= static_cast<std::uint8_t>(1U << (byte >> 4));
      else
        rare_high_ = true;
    }
    if (detectors_[i]->wakes_at_digits()) at_digit_ |= self;
    if (detectors_[i]->wakes_at_labels()) at_label_ |= self;
    if (detectors_[i]->sweeps()) sweeping_ |= self;
    for (const auto literal : detectors_[i]->wake_literals()) words.emplace_back(literal, self);
    const auto more = detectors_[i]->types();
    types.insert(types.end(), more.begin(), more.end());
  }
  add_neighbours();
  literals_.resize(std::bit_ceil(2 * words.size() + 1));
  for (const auto& [literal, who] : words) add_literal(literal, who);
  if (!least_score) return;
  wanted_.resize(std::bit_ceil(2 * types.size() + 1));
  for (const auto type : types) {
    std::size_t at = address_hash(type.data()) & (wanted_.size() - 1);
    while (wanted_[at].type != nullptr && wanted_[at].type != type.data()) at = (at + 1) & (wanted_.size() - 1);
    wanted_[at] = {type.data(), least_score(type)};
  }
}

void Scanner::add_neighbours() {
  std::vector<std::pair<Beside, Detectors>> all;
  for (std::size_t i = 0; i < detectors_.size(); ++i) {
    for (const auto& beside : detectors_[i]->wakes_beside()) all.emplace_back(beside, 1ULL << i);
  }
  std::uint8_t rows = 1;
  for (const auto& [beside, self] : all) {
    auto& row = row_[static_cast<unsigned char>(beside.byte)];
    if (row == 0) row = rows++;
  }
  std::map<std::vector<bool>, std::size_t> kinds;
  for (int byte = 0; byte < 256; ++byte) {
    std::vector<bool> told;
    for (const auto& [beside, self] : all) {
      told.push_back(beside.before.has(byte));
      told.push_back(beside.behind.has(byte));
    }
    const std::size_t kind = kinds.try_emplace(told, kinds.size() + 1).first->second;
    SB_ASSERT(kind < 256);
    kind_[static_cast<std::size_t>(byte)] = static_cast<std::uint8_t>(kind);
  }
  kinds_ = kinds.size() + 1;
  neighbours_.resize(rows * kinds_);
  for (const auto& [beside, self] : all) {
    for (int byte = 0; byte < 256; ++byte) {
      auto& neighbour =
          neighbours_[row_[static_cast<unsigned char>(beside.byte)] * kinds_ + kind_[static_cast<std::size_t>(byte)]];
      if (!beside.before.has(byte)) neighbour.before &= ~self;
      if (!beside.behind.has(byte)) neighbour.behind &= ~self;
    }
  }
}

// Who wakes at the byte at `at`, for itself: no branch, for which bytes stand there is as good as random.
inline Scanner::Detectors Scanner::woken_by_byte(std::string_view text, std::size_t at) const {
  const auto byte = static_cast<unsigned char>(text[at]);
  const Neighbour* const row = neighbours_.data() + row_[byte] * kinds_;
  const auto kind_of = [&](std::size_t index) { return index < text.size() ? kind_[byte_of(text, index)] : 0U; };
  return at_byte_[byte] & row[kind_of(at - 1)].before & row[kind_of(at + 1)].behind;  // before the first: none
}

void Scanner::add_literal(std::string_view literal, Detectors who) {
  SB_ASSERT(literal.size() >= 3);
  std::array<char, 4> beginning{};
  std::copy_n(literal.begin(), 3, beginning.begin());
  const std::uint32_t key = literal_key(beginning.data());
  literal_bits_[literal_hash(key) >> 6] |= 1ULL << (literal_hash(key) & 63);
  std::size_t at = literal_hash(key) & (literals_.size() - 1);
  while (literals_[at].who != 0 && literals_[at].key != key) at = (at + 1) & (literals_.size() - 1);
  literals_[at].key = key;
  literals_[at].who |= who;
}

// 1 where a literal may begin so: mostly none does.
inline std::uint32_t Scanner::may_wake(std::uint32_t first_three) const {
  const std::uint32_t hash = literal_hash(first_three);
  return static_cast<std::uint32_t>(literal_bits_[hash >> 6] >> (hash & 63) & 1);
}

Scanner::Detectors Scanner::woken_by_word(std::uint32_t first_three) const {
  const std::uint32_t hash = literal_hash(first_three);
  for (std::size_t at = hash & (literals_.size() - 1); literals_[at].who != 0; at = (at + 1) & (literals_.size() - 1)) {
    if (literals_[at].key == first_three) return literals_[at].who;
  }
  return 0;
}

// Classifies 32 bytes at a time.
struct Scanner::Block {
  std::uint32_t digits, letters, rare;

  Block(__m256i bytes, __m256i rare_low, bool rare_high) {
    digits = digit_bits(bytes);
    letters = letter_bits(bytes);
    const __m256i nibble = _mm256_set1_epi8(15);
    const __m256i high_bits = _mm256_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32,
                                               64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m256i rows = _mm256_shuffle_epi8(rare_low, _mm256_and_si256(bytes, nibble));
    const __m256i row = _mm256_shuffle_epi8(high_bits, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble));
    rare = ~mask_of(_mm256_cmpeq_epi8(_mm256_and_si256(rows, row), _mm256_setzero_si256()));
    if (rare_high) rare |= mask_of(bytes);
  }

  static std::uint32_t mask_of(__m256i bytes) { return static_cast<std::uint32_t>(_mm256_movemask_epi8(bytes)); }
};

// Calls look(position, detectors) at every place that somebody wakes at, from left to right.
template <class Look>
void Scanner::visit_triggers(std::string_view text, Look look) const {
  const __m256i rare_low =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(rare_low_.data())));
  const bool digits_wake = at_digit_ != 0;
  const bool words_wake = literals_.size() > 1;
  std::uint32_t before_digit = 0;  // whether the byte before the block is one
  std::uint32_t before_alnum = 0;
  for (std::size_t base = 0; base < text.size(); base += 32) {
    alignas(32) char padded[40] = {};
    const char* data = text.data() + base;
    if (text.size() - base < 40) {
      std::memcpy(padded, data, std::min<std::size_t>(text.size() - base, 40));
      data = padded;
    }
    const Block block(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(data)), rare_low, rare_high_);
    const std::uint32_t alnum = block.digits | block.letters;
    const std::uint32_t digit_starts = block.digits & ~(block.digits << 1 | before_digit);
    const std::uint32_t word_starts = words_wake ? alnum & ~(alnum << 1 | before_alnum) : 0;
    before_digit = block.digits >> 31;
    before_alnum = alnum >> 31;
    std::uint32_t words = 0;
    for (std::uint32_t left = word_starts; left != 0; left &= left - 1) {
      const auto bit = static_cast<unsigned>(std::countr_zero(left));
      words |= may_wake(literal_key(data + bit)) << bit;
    }
    std::uint32_t places = block.rare | words | (digits_wake ? digit_starts : 0);
    // Behind the end stand zeros, which may wake somebody too.
    if (text.size() - base < 32) places &= (1U << (text.size() - base)) - 1;
    for (; places != 0; places &= places - 1) {
      const auto bit = static_cast<unsigned>(std::countr_zero(places));
      const auto is = [bit](std::uint32_t places_of) { return Detectors{places_of >> bit & 1}; };
      Detectors who = woken_by_byte(text, base + bit) | (at_digit_ & (0 - is(digit_starts)));
      if (is(words) != 0) who |= woken_by_word(literal_key(data + bit));
      if (who != 0) look(base + bit, who);
    }
  }
}

void Scanner::scan(std::string_view raw, const ScanPlace& from, bool complete, std::string_view label,
                   const Weigh& weigh, ScanResult& out) const {
  out.findings.clear();
  out.open_tails.fill({});
  out.fold.assign(raw, complete, from.folded);
  const Fold& fold = out.fold;
  const auto text = fold.text();
  out.context.reset(text, label);
  ScanWindow window(fold, complete, out.context);
  if (!label.empty() && from.decided == 0) {  // what it is the name of begins here
    for (Detectors who = at_label_; who != 0; who &= who - 1) {
      window.reset(0);
      detectors_[static_cast<std::size_t>(std::countr_zero(who))]->verify_labelled(window, out.findings);
    }
  }
  visit_triggers(text, [&](std::size_t at, Detectors who) {
    for (; who != 0; who &= who - 1) {
      window.reset(at);
      const std::size_t before = out.findings.size();
      detectors_[static_cast<std::size_t>(std::countr_zero(who))]->verify(window, at, out.findings);
      if (out.findings.size() > before && !fold.is_sparse()) drop_out_of_sight(fold, at, before, out.findings);
    }
  });
  std::size_t decided = text.size();
  if (!complete) {
    decided = trailing_start(text);
    for (const auto& detector : detectors_) decided = std::min(decided, detector->pending_start(text));
    if (!fold.is_sparse()) decided = std::max(decided, first_open_window(fold, decided));
    decided = std::min(decided, window.undecided());
  }
  const std::size_t folded_from = fold.from_raw(from.decided);
  for (Detectors who = sweeping_; who != 0; who &= who - 1) {
    const auto& detector = detectors_[static_cast<std::size_t>(std::countr_zero(who))];
    const std::size_t swept = detector->sweep({text, folded_from, complete, label, &fold, &out.names}, out.findings);
    if (!complete) decided = std::min(decided, swept);
  }
  if (from.most < raw.size()) decided = std::min(decided, fold.from_raw(from.most));
  decided = std::max(decided, folded_from);
  std::erase_if(out.findings, [&](Finding& finding) {
    const bool reported = finding.span.begin < folded_from;
    if (reported || (!complete && finding.span.begin >= decided) || !cares(finding)) return true;
    finding.span = {fold.raw_begin(finding.span.begin), fold.raw_end(finding.span.end)};
    if (!weigh) return false;
    const auto weighed = weigh(finding, raw.substr(finding.span.begin, finding.span.size()));
    if (!weighed) return true;
    finding.weight = weighed->weight;
    finding.stops = weighed->stops;
    return false;
  });
  out.place = from;
  out.place.decided = complete ? raw.size() : std::max(from.decided, fold.raw_begin(decided));
  settle_overlaps(complete, overlaps_, out);
  out.names.settle(complete ? text.size() : fold.from_raw(out.place.decided));
}

std::size_t Scanner::cost() const {
  std::size_t total = 0;
  for (const auto& detector : detectors_) total += detector->cost();
  return total;
}

bool Scanner::cares(const Finding& finding) const {
  if (wanted_.empty()) return true;
  std::size_t at = address_hash(finding.type.data()) & (wanted_.size() - 1);
  for (; wanted_[at].type != nullptr; at = (at + 1) & (wanted_.size() - 1)) {
    if (wanted_[at].type == finding.type.data()) return finding.score >= wanted_[at].least;
  }
  return true;
}

}  // namespace sb::policy
