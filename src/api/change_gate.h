/// Documents that are read, edited and written back whole (keys, the list of flows): one change at a time.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>

#include "base/errors.h"
#include "base/task.h"

namespace sb::api {

/// Shared by all shards. Two changes at once would each write the document without the other: a revoked key would be
/// back.
class ChangeGate {
 public:
  static constexpr std::chrono::milliseconds kPatience{5'000};

  /// Lets the next one in when it goes. Does not outlive the gate.
  struct Leave {
    void operator()(std::atomic<bool>* busy) const { *busy = false; }
  };
  using Pass = std::unique_ptr<std::atomic<bool>, Leave>;

  /// Errors: unavailable (another change has taken longer than `patience`).
  Task<Result<Pass>> enter(std::chrono::milliseconds patience = kPatience);

 private:
  std::atomic<bool> busy_ = false;
};

}  // namespace sb::api
