/// One JSON line an event on standard error: `{"ts":..,"level":"info","event":"run.resumed","run":..,"gap_ms":41}`.
///
/// Never content: no prompt or completion text, no personal data, no keys. Thread-safe; a line is one write(2).
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

namespace sb {

enum class LogLevel { debug, info, warn, error, off };

struct LogField {
  std::string_view name;
  std::variant<std::int64_t, double, bool, std::string> value;

  LogField(std::string_view n, std::string_view v) : name(n), value(std::string(v)) {}
  LogField(std::string_view n, const char* v) : name(n), value(std::string(v)) {}
  LogField(std::string_view n, const std::string& v) : name(n), value(v) {}
  LogField(std::string_view n, bool v) : name(n), value(v) {}
  LogField(std::string_view n, double v) : name(n), value(v) {}
  template <class I>
    requires std::is_integral_v<I>
  LogField(std::string_view n, I v) : name(n), value(static_cast<std::int64_t>(v)) {}
};

/// Lines below this level are dropped before they are formatted.
void set_log_level(LogLevel level);
LogLevel log_level();

void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

inline void log_info(std::string_view event, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::info, event, fields);
}
inline void log_warn(std::string_view event, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::warn, event, fields);
}
inline void log_error(std::string_view event, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::error, event, fields);
}

/// "2026-11-23T18:07:56.123456Z" (RFC 3339) of microseconds since the epoch.
std::string rfc3339(std::int64_t micros);

}  // namespace sb
