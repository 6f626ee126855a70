/// One record as it came.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/json.h"

namespace sb::kafka {

struct Record {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::int64_t timestamp_ms = -1;  ///< -1: it has none
  std::vector<std::pair<std::string, std::string>> headers;
  std::string value;  ///< at most ConsumerOptions::value_bytes_max; of a longer one nothing
  bool is_too_large = false;

  /// The only header of that name; empty: there is none. Errors: invalid_argument (it is there twice).
  Result<std::string_view> header(std::string_view name) const;
};

/// A CloudEvent by the Kafka protocol binding 1.0.2: binary mode where there is a header `ce_id`, else structured mode.
/// Errors: invalid_argument.
Result<json::value> read_event(const Record& record);

}  // namespace sb::kafka
