/// Records that flows write to topics of a broker outside.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "base/errors.h"
#include "base/task.h"

namespace sb::flow {

struct OutgoingRecord {
  std::string topic;
  std::string key;  ///< empty: none
  std::vector<std::pair<std::string, std::string>> headers;
  std::string value;
};

struct RecordsOut {
  /// `brokers`: host:port, with commas between. Errors: permission_denied, with why flows may not write there.
  std::function<Result<>(std::string_view brokers, std::string_view topic)> may_write;
  /// Returns when the record is there to stay. A step in flight is executed again after a crash: then the record comes
  /// again, with the same `idempotency-key`. Errors: cancelled (`cancel`, borrowed until it returns: nobody waits any
  /// more; it may come there all the same), what keeps it from being there.
  std::function<Task<Result<>>(OutgoingRecord record, CancelSource* cancel)> write;
};

}  // namespace sb::flow
