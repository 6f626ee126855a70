#include "policy/tagger/gazetteer.h"

#include <bit>

namespace sb::policy::tagger {

std::vector<std::uint32_t> Gazetteer::build(std::span<const std::pair<std::uint32_t, std::uint8_t>> words) {
  std::vector<std::uint32_t> slots(std::bit_ceil(2 * words.size() + 2), 0);
  for (const auto& [word, flags] : words) {
    std::size_t at = word & (slots.size() - 1);
    while (slots[at] != 0 && (slots[at] ^ word) >> 8 != 0) at = (at + 1) & (slots.size() - 1);
    slots[at] = (word & 0xffffff00U) | (slots[at] & 0xffU) | flags;
  }
  return slots;
}

}  // namespace sb::policy::tagger
