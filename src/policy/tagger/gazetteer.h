/// Which words are known as forenames, surnames, places: one open-addressed table of hashes.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace sb::policy::tagger {

enum Known : std::uint8_t {
  kForename = 1,
  kSurname = 2,
  kCity = 4,         ///< the whole name of a city
  kCityFirst = 8,    ///< first word of a longer name
  kCityInside = 16,  ///< a later word of one
  kCountry = 32,     ///< a word of a country's name
};

/// Slots: 24 bits of the hash and 8 of flags; 0 is empty. False alarms: fill / 2^24 a look-up.
class Gazetteer {
 public:
  /// `slots`: a power of two in number, at most half of them filled, as `build` makes them.
  explicit Gazetteer(std::span<const std::uint32_t> slots = {}) : slots_(slots) {}

  static std::vector<std::uint32_t> build(std::span<const std::pair<std::uint32_t, std::uint8_t>> words);

  /// Brings the slot near that `find` will look at: the table is no near cache's.
  void expect(std::uint32_t word) const {
    if (!slots_.empty()) __builtin_prefetch(slots_.data() + (word & (slots_.size() - 1)));
  }

  std::uint8_t find(std::uint32_t word) const {
    if (slots_.empty()) return 0;
    for (std::size_t at = word & (slots_.size() - 1); slots_[at] != 0; at = (at + 1) & (slots_.size() - 1)) {
      if ((slots_[at] ^ word) >> 8 == 0) return static_cast<std::uint8_t>(slots_[at]);
    }
    return 0;
  }

 private:
  std::span<const std::uint32_t> slots_;
};

}  // namespace sb::policy::tagger
