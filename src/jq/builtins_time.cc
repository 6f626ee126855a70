// Builtins on UTC dates. No clock and no time zone database: these are arithmetic on the proleptic Gregorian calendar.
#include <fmt/format.h>

#include <cmath>
#include <ctime>

#include "jq/builtins.h"

namespace sb::jq {
namespace {

constexpr double kMaxSeconds = 253402300799.0;  // the end of the year 9999

std::tm broken_down(std::int64_t seconds) {
  std::tm time{};
  const std::time_t at = seconds;
  gmtime_r(&at, &time);
  return time;
}

// jq's form: [year, month 0-11, day, hours, minutes, seconds with fraction, weekday, day of the year].
Outcome to_broken(const Value& in, Value& out) {
  if (!in.is_number()) return plain("gmtime() requires a number");
  const double at = to_double(in);
  if (!(std::abs(at) <= kMaxSeconds)) return plain("gmtime() takes seconds within the years 1 to 9999");
  const double whole = std::floor(at);
  const std::tm time = broken_down(static_cast<std::int64_t>(whole));
  out = json::array{1900 + time.tm_year, time.tm_mon, time.tm_mday,
                    time.tm_hour,        time.tm_min, number(time.tm_sec + (at - whole)),
                    time.tm_wday,        time.tm_yday};
  return kDone;
}

std::optional<std::tm> from_broken(const Value& in) {
  const auto* parts = in.if_array();
  if (!parts || parts->size() < 6) return std::nullopt;
  int numbers[6];
  for (std::size_t i = 0; i < 6; ++i) {
    const Value& part = (*parts)[i];
    if (!part.is_number() || !(std::abs(to_double(part)) < 100000)) return std::nullopt;
    numbers[i] = static_cast<int>(std::floor(to_double(part)));
  }
  std::tm time{};
  time.tm_year = numbers[0] - 1900;
  time.tm_mon = numbers[1];
  time.tm_mday = numbers[2];
  time.tm_hour = numbers[3];
  time.tm_min = numbers[4];
  time.tm_sec = numbers[5];
  std::tm normal = time;
  timegm(&normal);
  time.tm_wday = normal.tm_wday;
  time.tm_yday = normal.tm_yday;
  return time;
}

Outcome f_gmtime(Run&, const Value& in, Arguments, Value& out) {
  return to_broken(in, out);
}

Outcome f_mktime(Run&, const Value& in, Arguments, Value& out) {
  auto time = from_broken(in);
  if (!time) return plain("mktime requires array of 6 numbers");
  return out = static_cast<std::int64_t>(timegm(&*time)), kDone;
}

Outcome f_strftime(Run&, const Value& in, Arguments a, Value& out) {
  Value broken;
  if (in.is_number()) {
    if (auto fault = to_broken(in, broken)) return fault;
  } else {
    broken = in;
  }
  const auto time = from_broken(broken);
  if (!time) return plain("strftime/1 requires parsed datetime inputs");
  if (!a[0].is_string()) return plain("strftime/1 requires a string format");
  const std::string format = std::string(a[0].get_string()) + ".";  // never empty, so that 0 always means "did not fit"
  char buffer[1024];
  std::tm mutable_time = *time;
  mutable_time.tm_zone = "UTC";
  const std::size_t size = std::strftime(buffer, sizeof buffer, format.c_str(), &mutable_time);
  if (size == 0) return plain("strftime/1: the result is over 1023 bytes");
  return out = json::string(std::string_view(buffer, size - 1)), kDone;
}

Outcome f_strptime(Run&, const Value& in, Arguments a, Value& out) {
  if (!in.is_string() || !a[0].is_string()) return plain("strptime/1 requires string inputs and arguments");
  const std::string text(in.get_string()), format(a[0].get_string());
  std::tm time{};
  const char* rest = strptime(text.c_str(), format.c_str(), &time);
  if (!rest || *rest != '\0') return fault_about(in, "does not match the date format");
  std::tm normal = time;
  timegm(&normal);
  out = json::array{1900 + time.tm_year, time.tm_mon, time.tm_mday,   time.tm_hour,
                    time.tm_min,         time.tm_sec, normal.tm_wday, normal.tm_yday};
  return kDone;
}

constexpr Native kTimeNatives[] = {
    {"gmtime", 0, f_gmtime},
    {"mktime", 0, f_mktime},
    {"strftime", 1, f_strftime},
    {"strptime", 1, f_strptime},
};

}  // namespace

std::span<const Native> time_natives() {
  return kTimeNatives;
}

}  // namespace sb::jq
