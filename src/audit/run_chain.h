/// A run's leaves as a chain of their own, whatever lies between them in the log (pure).
///
/// `prev_state` of a leaf is the hex SHA-256 of
///
///     <prev_state of the one before> LF <its kind> LF <its summary> LF <its payload_commit>
///
/// as they stand in the leaf, with nothing for what it does not have. The first one is `run.start`, and has none. What
/// is recorded of a run but not by it (who opened it, its erasure, holds) is outside of the chain.
#pragma once

#include <string>

#include "audit/leaf.h"

namespace sb::audit {

class RunChain {
 public:
  /// False: a leaf before it is missing, or was changed. Takes them in their order; goes on from this one.
  bool take(const LeafFields& leaf);
  bool begun() const { return begun_; }

 private:
  std::string state_;
  bool begun_ = false;
};

}  // namespace sb::audit
