#include "telemetry/access_log.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"

namespace sb {
namespace {

// A request id may come from the client: enough for any id, too short to smuggle a text.
constexpr std::size_t kMaxFieldBytes = 128;

void append_text(std::string& line, std::string_view name, std::string_view text) {
  if (text.empty()) return;
  fmt::format_to(std::back_inserter(line), ",\"{}\":", name);
  append_json_string(line, text.substr(0, kMaxFieldBytes));
}

LogLevel level_of(const AccessRecord& record) {
  return record.status >= 500 ? LogLevel::warn : LogLevel::info;
}

void append_line(std::string& line, const AccessRecord& record) {
  auto out = std::back_inserter(line);
  fmt::format_to(out, R"({{"ts":"{}","level":"{}","event":"http.request")", rfc3339(record.started_us),
                 record.status >= 500 ? "warn" : "info");
  append_text(line, "request_id", record.request_id);
  append_text(line, "method", record.method);
  append_text(line, "route", record.route.substr(0, record.route.find('?')));
  fmt::format_to(out, R"(,"status":{},"bytes_in":{},"bytes_out":{},"duration_us":{})", record.status, record.bytes_in,
                 record.bytes_out, record.duration_us);
  append_text(line, "run_id", record.run);
  append_text(line, "tenant", record.tenant);
}

}  // namespace

std::string format_access_line(const AccessRecord& record) {
  std::string line;
  line.reserve(320);
  append_line(line, record);
  line += '}';
  return line;
}

std::optional<std::uint64_t> AccessLog::admit() {
  // Wall seconds, cut to 32 bits: only whether the second changed matters, so a clock that jumps starts a new window.
  const auto second = static_cast<std::uint32_t>(clock_.now_us() / 1'000'000);
  auto seen = window_.load(std::memory_order_relaxed);
  while (true) {
    const bool same = static_cast<std::uint32_t>(seen >> 32) == second;
    const auto lines = same ? static_cast<std::uint32_t>(seen) : 0;
    if (lines >= lines_per_second_) {
      suppressed_.fetch_add(1, std::memory_order_relaxed);
      return std::nullopt;
    }
    const auto next = (std::uint64_t{second} << 32) | (lines + 1);
    if (window_.compare_exchange_weak(seen, next, std::memory_order_relaxed)) {
      return same ? 0 : suppressed_.exchange(0, std::memory_order_relaxed);
    }
  }
}

void AccessLog::write(const AccessRecord& record) {
  if (level_of(record) < log_level()) return;
  const auto missing = admit();
  if (!missing) return;
  std::string line;
  line.reserve(320);
  append_line(line, record);
  if (*missing > 0) fmt::format_to(std::back_inserter(line), ",\"suppressed\":{}", *missing);
  line += "}\n";
  // A log that cannot be written must not stop the work it tells of.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace sb
