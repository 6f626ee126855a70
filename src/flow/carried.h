/// What goes with a text that one run gives to another, beside the text.
#pragma once

#include <string>
#include <vector>

#include "policy/carried.h"

namespace sb::flow {

struct Carried {
  std::vector<policy::CarriedValue> values{};  ///< behind the placeholders in the text
  std::string subject{};                       ///< pseudonym of the person whose data it is; empty: nobody was named
  bool local = false;                          ///< models of our own alone may see it
  bool may_restore = true;                     ///< who asked may see the values
  bool observes = false;                       ///< a lifecycle event led to it, however far back
};

}  // namespace sb::flow
