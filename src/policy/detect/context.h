/// The words around a candidate: what decides between a telephone number and an order number.
///
/// Telling words (detect/context_words.cc) say what kind of value follows them ("routing", "Reisepass") and sometimes
/// of which country ("NHS", "burgerservicenummer"). A text's telling words are found once, from left to right, as far
/// as somebody asks.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace sb::policy {

/// Kinds of values (low half) and countries (high half); a word may stand for several.
namespace topic {
enum Bits : std::uint64_t {
  phone = 1ULL << 0,
  card = 1ULL << 1,
  bank = 1ULL << 2,
  routing = 1ULL << 3,
  address = 1ULL << 4,  ///< of a machine
  wallet = 1ULL << 5,
  birth = 1ULL << 6,
  passport = 1ULL << 7,
  driver = 1ULL << 8,
  tax = 1ULL << 9,
  national = 1ULL << 10,  ///< the number a state gives a person: social security, identity, insurance
  health = 1ULL << 11,
  provider = 1ULL << 12,  ///< of physicians and their practices
  vehicle = 1ULL << 13,
  voter = 1ULL << 14,
  company = 1ULL << 15,
  id_card = 1ULL << 16,
  postcode = 1ULL << 17,
  patient = 1ULL << 18,
  insurance = 1ULL << 19,
  user = 1ULL << 20,
  customer = 1ULL << 21,
  employee = 1ULL << 22,
  other = 1ULL << 23,   ///< some other number: order, invoice, version
  number = 1ULL << 24,  ///< "number", "no", "id": a value follows
  time = 1ULL << 25,
  foreigner = 1ULL << 26,
  version = 1ULL << 27,  ///< of software, of a document's part: may look like an address of a machine

  au = 1ULL << 32,
  br = 1ULL << 33,
  ca = 1ULL << 34,
  de = 1ULL << 35,
  es = 1ULL << 36,
  fi = 1ULL << 37,
  fr = 1ULL << 38,
  in = 1ULL << 39,
  it = 1ULL << 40,
  kr = 1ULL << 41,
  ng = 1ULL << 42,
  nl = 1ULL << 43,
  ph = 1ULL << 44,
  pl = 1ULL << 45,
  se = 1ULL << 46,
  sg = 1ULL << 47,
  th = 1ULL << 48,
  tr = 1ULL << 49,
  uk = 1ULL << 50,
  us = 1ULL << 51,
  za = 1ULL << 52,
};
inline constexpr std::uint64_t kKinds = 0xffffffffULL;
inline constexpr std::uint64_t kCountries = ~kKinds;
/// Words that say "a value follows", but not which, do not end the search for one that does.
inline constexpr std::uint64_t kTelling = kKinds & ~static_cast<std::uint64_t>(number);
}  // namespace topic

/// What the word text[begin, end) stands for, in any ASCII letter case; 0: nothing. What stands around it does not
/// matter. REQUIRES begin < end.
std::uint64_t topics_of(std::string_view text, std::size_t begin, std::size_t end);

/// What the words before a place say.
struct Context {
  std::uint64_t nearest = 0;  ///< the last telling word
  std::uint64_t segment = 0;  ///< all that belong with it: no other number stands between them
  std::uint64_t all = 0;      ///< within reach

  bool says(std::uint64_t kinds) const { return (segment & kinds) != 0; }
};

/// The telling words of one text, found as far as they were asked for.
class ContextIndex {
 public:
  /// Borrows `text` and `label` (the JSON key the text stood under, read as words before it).
  void reset(std::string_view text, std::string_view label);

  std::string_view label() const { return label_; }

  /// The words in [start - reach, start), whole ones only.
  Context before(std::size_t start, std::size_t reach);

  /// Topics of all words in `text`; what follows a candidate.
  static std::uint64_t topics_in(std::string_view text);

 private:
  struct Hit {
    std::size_t begin;
    std::uint64_t topics;
    std::uint32_t numbers;  // how many groups of digits stand before it
  };

  void read_to(std::size_t end);
  std::size_t read_block(std::size_t end);

  std::string_view text_;
  std::string_view label_;
  std::uint64_t label_topics_ = 0;
  std::vector<Hit> hits_;
  std::size_t read_ = 0;
  std::uint32_t numbers_ = 0;
  Context last_;  // what was said of the place that was asked about last: several classifiers ask about one place
  std::size_t last_start_ = std::string_view::npos;
};

}  // namespace sb::policy
