/// Who looked at what: a leaf for it, on disk before the content is answered.
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "base/ids.h"
#include "base/task.h"
#include "store/store.h"

namespace sb::api {

/// Shared by all shards. The same person and the same content within kWindow count once, also where a page is loaded
/// again every second; counted in memory, so that a restart begins anew.
class Openings {
 public:
  static constexpr std::chrono::minutes kWindow{10};
  static constexpr std::size_t kMaxRemembered = 10'000;  ///< beyond it all are forgotten: rather a leaf too many

  Openings(store::Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  struct Opening {
    std::string tenant;
    RunId run;
    std::string actor;    ///< pseudonym
    std::string summary;  ///< JSON object, canonical: {"what":"run"}
  };
  /// Errors: as the store's; then nothing may be shown.
  Task<Result<>> record(Opening opening);

 private:
  using Time = std::chrono::steady_clock::time_point;
  bool is_known(const std::string& key);
  void remember(std::string key);

  store::Store& store_;
  const Clock& clock_;
  std::mutex mutex_;
  std::unordered_map<std::string, Time> seen_;  ///< under mutex_; actor, run and summary -> when
};

}  // namespace sb::api
