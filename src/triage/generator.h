/// The random numbers of training: the same on every machine.
#pragma once

#include "base/split_mix.h"

namespace sb::triage {

class Generator : public SplitMix {
 public:
  using SplitMix::SplitMix;
  float uniform() { return static_cast<float>(next() >> 40) * 0x1p-24F; }
};

}  // namespace sb::triage
