/// Random choices that are the same everywhere.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "base/split_mix.h"

namespace sb::policy::tagger {

class Random : public SplitMix {
 public:
  using SplitMix::SplitMix;
  bool chance(double p) { return static_cast<double>(next() >> 11) * 0x1p-53 < p; }
  template <class List>
  const auto& pick_from(const List& list) {
    return list[below(std::size(list))];
  }
  template <class List>
  void shuffle(List& list) {
    for (std::size_t i = std::size(list); i > 1; --i) std::swap(list[i - 1], list[below(i)]);
  }
};

}  // namespace sb::policy::tagger
