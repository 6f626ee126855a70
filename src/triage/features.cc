#include "triage/features.h"

#include <algorithm>
#include <span>

#include "base/bytes.h"

namespace sb::triage {
namespace {

// A word is a run of these; anything else separates. Bytes from 0x80 up are parts of UTF-8 letters.
bool is_word_byte(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
}

// Finaliser of a 64-bit mix (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
std::uint32_t finish(std::uint64_t hash) {
  hash ^= hash >> 30;
  hash *= 0xbf58476d1ce4e5b9ULL;
  hash ^= hash >> 27;
  hash *= 0x94d049bb133111ebULL;
  return static_cast<std::uint32_t>(hash >> 32);
}

constexpr std::uint64_t kPrime = 0x100000001b3ULL;  // FNV-1a's, 64 bits
constexpr std::uint64_t kWordSeed = 0xcbf29ce484222325ULL;
constexpr std::uint64_t kPairSeed = 0x9e3779b97f4a7c15ULL;
constexpr std::uint64_t kTripleSeed = 0xd1b54a32d192ed03ULL;
constexpr std::uint64_t kSkipSeed = 0x8cb92ba72f3d8dd7ULL;
constexpr std::uint64_t kCharSeed = 0xa0761d6478bd642fULL;

constexpr std::size_t kMaxWords = 512;
// A space before, between and after the words: at most one more byte than the text, and one.
constexpr std::size_t kMaxNormalised = kMaxTextBytes + 2;

struct Word {
  std::size_t begin;
  std::size_t end;
  std::uint64_t hash;
};

// The text as " word word word ", lower case, digits as '0', apostrophes dropped ("don't" = "dont": people type both).
struct Normalised {
  std::array<unsigned char, kMaxNormalised> bytes;
  std::size_t size = 0;
  std::array<Word, kMaxWords> words;
  std::size_t word_count = 0;
  bool truncated = false;
};

unsigned char fold(unsigned char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<unsigned char>(c + 32);
  if (c >= '0' && c <= '9') return '0';
  return c;
}

void end_word(Normalised& out, std::size_t begin) {
  std::uint64_t hash = kWordSeed;
  for (std::size_t i = begin; i < out.size; ++i) hash = (hash ^ out.bytes[i]) * kPrime;
  out.words[out.word_count++] = {begin, out.size, hash};
  out.bytes[out.size++] = ' ';
}

void normalise(std::string_view text, Normalised& out) {
  out.bytes[out.size++] = ' ';
  std::size_t begin = 0;  // of the open word; 0: none (a word never begins at 0)
  unsigned char before = 0;
  for (const char raw : text) {
    const auto c = static_cast<unsigned char>(raw);
    if (is_word_byte(c)) {
      if (begin == 0) begin = out.size;
      // Latin-1 capitals are U+00C0..U+00DE, in UTF-8 c3 80..c3 9e; their small letters 0x20 further on.
      const bool latin_capital = before == 0xc3 && c >= 0x80 && c <= 0x9e && c != 0x97;
      out.bytes[out.size++] = latin_capital ? static_cast<unsigned char>(c + 0x20) : fold(c);
    } else if (begin != 0 && c != '\'') {
      if (out.word_count == kMaxWords) break;
      end_word(out, begin);
      begin = 0;
    }
    before = c;
    if (out.word_count == kMaxWords) {
      out.truncated = true;
      return;
    }
  }
  if (begin != 0) end_word(out, begin);
}

// Collects up to kMaxFeatures and remembers when there were more. Where a feature came from it does not ask.
class Collector {
 public:
  explicit Collector(FeatureList& out) : out_(out) {}
  template <class Name>
  void add(std::uint64_t hash, const Name&) {
    if (out_.count == kMaxFeatures) {
      out_.truncated = true;
      return;
    }
    out_.hashes[out_.count++] = finish(hash);
  }

 private:
  FeatureList& out_;
};

// Collects the names of the same features.
class Namer {
 public:
  explicit Namer(std::vector<std::string>& out) : out_(out) {}
  template <class Name>
  void add(std::uint64_t, const Name& name) {
    if (out_.size() < kMaxFeatures) out_.push_back(name());
  }

 private:
  std::vector<std::string>& out_;
};

std::string word_at(const Normalised& text, std::size_t index) {
  const auto& word = text.words[index];
  return {text.bytes.begin() + word.begin, text.bytes.begin() + word.end};
}

template <class Out>
void add_word_ngrams(const Normalised& text, const FeatureConfig& config, Out& out) {
  const auto joined = [](std::uint64_t seed, std::uint64_t a, std::uint64_t b) {
    return ((seed ^ finish(a)) * kPrime ^ finish(b)) * kPrime;
  };
  for (std::size_t i = 0; i < text.word_count; ++i) {
    const auto hash = text.words[i].hash;
    const auto from = [&](std::size_t back) { return word_at(text, i - back); };
    out.add(hash, [&] { return from(0); });
    if (config.word_max >= 2 && i >= 1) {
      out.add(joined(kPairSeed, text.words[i - 1].hash, hash), [&] { return from(1) + " " + from(0); });
    }
    if (config.skip_pairs && i >= 2) {
      out.add(joined(kSkipSeed, text.words[i - 2].hash, hash), [&] { return from(2) + " _ " + from(0); });
    }
    if (config.word_max >= 3 && i >= 2) {
      out.add(joined(joined(kTripleSeed, text.words[i - 2].hash, text.words[i - 1].hash), kTripleSeed, hash),
              [&] { return from(2) + " " + from(1) + " " + from(0); });
    }
  }
}

// The word at or after a byte.
std::size_t word_of(const Normalised& text, std::size_t byte) {
  const auto words = std::span(text.words).first(text.word_count);
  const auto at = std::ranges::upper_bound(words, byte, {}, &Word::end) - words.begin();
  return std::min(static_cast<std::size_t>(at), text.word_count - 1);
}

// All n-grams of the bytes [begin, end), begun at every position; one pass of hashing a position.
template <class Out>
void add_char_ngrams(const Normalised& text, std::size_t begin, std::size_t end, const FeatureConfig& config,
                     Out& out) {
  const auto shortest = static_cast<std::size_t>(config.char_min);
  const auto longest = static_cast<std::size_t>(config.char_max);
  for (std::size_t i = begin; i + shortest <= end; ++i) {
    std::uint64_t hash = kCharSeed;
    const std::size_t stop = std::min(end, i + longest);
    for (std::size_t j = i; j < stop; ++j) {
      hash = (hash ^ text.bytes[j]) * kPrime;
      if (j - i + 1 >= shortest) out.add(hash, [&] { return word_at(text, word_of(text, i)); });
    }
  }
}

template <class Out>
void add_all_char_ngrams(const Normalised& text, const FeatureConfig& config, Out& out) {
  if (config.across_words) {
    add_char_ngrams(text, 0, text.size, config, out);
    return;
  }
  for (std::size_t i = 0; i < text.word_count; ++i) {
    add_char_ngrams(text, text.words[i].begin - 1, text.words[i].end + 1, config, out);
  }
}

// Tabs and line ends are text; other control characters, and bytes that are not UTF-8, mean that it is not.
bool is_text(std::string_view text, bool cut) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte == 0x7f) return false;
  }
  // A cut may fall inside a character: give up at most three bytes.
  for (std::size_t drop = 0; drop <= (cut ? 3U : 0U) && drop <= text.size(); ++drop) {
    if (is_valid_utf8(text.substr(0, text.size() - drop))) return true;
  }
  return false;
}

}  // namespace

void extract_features(std::string_view text, const FeatureConfig& config, FeatureList& out) {
  out.count = 0;
  out.word_count = 0;
  out.readable = false;
  out.truncated = text.size() > kMaxTextBytes;
  const auto seen = text.substr(0, kMaxTextBytes);
  if (!is_text(seen, out.truncated)) return;

  Normalised normalised;
  normalise(seen, normalised);
  out.truncated = out.truncated || normalised.truncated;
  if (normalised.word_count == 0) return;
  out.readable = true;

  Collector collector(out);
  add_word_ngrams(normalised, config, collector);
  out.word_count = out.count;
  add_all_char_ngrams(normalised, config, collector);
}

std::vector<std::string> feature_names(std::string_view text, const FeatureConfig& config) {
  std::vector<std::string> out;
  const auto seen = text.substr(0, kMaxTextBytes);
  Normalised normalised;
  if (is_text(seen, text.size() > kMaxTextBytes)) normalise(seen, normalised);
  if (normalised.word_count == 0) return out;
  Namer namer(out);
  add_word_ngrams(normalised, config, namer);
  add_all_char_ngrams(normalised, config, namer);
  return out;
}

}  // namespace sb::triage
