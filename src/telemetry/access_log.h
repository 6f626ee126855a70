/// One JSON line a finished request, on standard error beside the other log lines.
///
/// What a line never holds: query strings, bodies, headers, keys, addresses of clients. The route is its template
/// ("/api/v1/runs/{id}"), so that no id or text of a client gets in by the path either.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace sb {

struct AccessRecord {
  Micros started_us = 0;
  std::string_view request_id;
  std::string_view method;
  std::string_view route;  ///< the template that matched; empty where none did
  int status = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::int64_t duration_us = 0;
  std::string_view run;     ///< empty: none
  std::string_view tenant;  ///< empty: not authenticated
};

/// The line without its end, `{"ts":...,"level":"info","event":"http.request",...}`; empty fields are left out.
/// 5xx are warnings.
std::string format_access_line(const AccessRecord& record);

/// Writes lines, at most `lines_per_second`; when flooded, the first line of the next second says how many are missing
/// (`suppressed`). Errors (5xx) count against the same limit: a flood of them is a flood. Thread-safe, no lock.
class AccessLog {
 public:
  AccessLog(const Clock& clock, std::uint32_t lines_per_second) : clock_(clock), lines_per_second_(lines_per_second) {}

  /// Writes nothing where the log level is above the line's, or the limit is reached.
  void write(const AccessRecord& record);

  /// Whether a line may be written now, and then how many were left out before it. `write` calls it.
  std::optional<std::uint64_t> admit();

 private:
  const Clock& clock_;
  const std::uint32_t lines_per_second_;
  std::atomic<std::uint64_t> window_{0};  ///< second (upper 32 bits), lines in it (lower 32 bits)
  std::atomic<std::uint64_t> suppressed_{0};
};

}  // namespace sb
