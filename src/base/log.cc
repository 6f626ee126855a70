#include "base/log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <ctime>

#include "base/clock.h"
#include "base/json.h"

namespace sb {
namespace {

std::atomic<LogLevel> threshold{LogLevel::info};

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warn:
      return "warn";
    case LogLevel::error:
      return "error";
    case LogLevel::off:
      return "off";
  }
  return "off";
}

void append_value(std::string& line, const LogField& field) {
  if (const auto* text = std::get_if<std::string>(&field.value))
    append_json_string(line, *text);
  else if (const auto* integer = std::get_if<std::int64_t>(&field.value))
    fmt::format_to(std::back_inserter(line), "{}", *integer);
  else if (const auto* number = std::get_if<double>(&field.value))
    fmt::format_to(std::back_inserter(line), "{:.6g}", *number);
  else
    line += std::get<bool>(field.value) ? "true" : "false";
}

}  // namespace

void set_log_level(LogLevel level) {
  threshold.store(level, std::memory_order_relaxed);
}
LogLevel log_level() {
  return threshold.load(std::memory_order_relaxed);
}

void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (level < threshold.load(std::memory_order_relaxed)) return;
  std::string line =
      fmt::format(R"({{"ts":"{}","level":"{}","event":"{}")", rfc3339(system_clock().now_us()), name_of(level), event);
  for (const auto& field : fields) {
    line += ',';
    append_json_string(line, field.name);
    line += ':';
    append_value(line, field);
  }
  line += "}\n";
  // A log that cannot be written must not stop the work it tells of.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

std::string rfc3339(std::int64_t micros) {
  std::time_t seconds = static_cast<std::time_t>(micros / 1'000'000);
  std::int64_t fraction = micros % 1'000'000;
  if (fraction < 0) fraction += 1'000'000, --seconds;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, fraction);
}

}  // namespace sb
