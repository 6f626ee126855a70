#include "model/retry.h"

#include <algorithm>
#include <charconv>
#include <ctime>

#include "base/bytes.h"

namespace sb::model {
namespace {

using std::chrono::microseconds;

constexpr double kLongestSeconds = 86'400;

std::optional<double> positive_number(std::string_view text) {
  text = trim(text);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= 0)) return std::nullopt;
  return value;
}

microseconds of_seconds(double seconds) {
  return microseconds(static_cast<std::int64_t>(std::min(seconds, kLongestSeconds) * 1e6));
}

// IMF-fixdate only: "Sun, 06 Nov 1994 08:49:37 GMT". The two obsolete forms are not sent by any provider.
std::optional<std::int64_t> http_date(std::string_view text) {
  const std::string copy(trim(text));
  std::tm time{};
  const char* end = ::strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &time);
  if (!end || *end != '\0') return std::nullopt;
  return static_cast<std::int64_t>(::timegm(&time));
}

}  // namespace

std::optional<microseconds> retry_after(const http::Headers& headers, Micros now_us) {
  if (const auto ms = positive_number(headers.get("retry-after-ms"))) return of_seconds(*ms / 1000);
  const std::string_view value = headers.get("retry-after");
  if (const auto seconds = positive_number(value)) return of_seconds(*seconds);
  if (const auto date = http_date(value)) {
    const double left = static_cast<double>(*date) - static_cast<double>(now_us) / 1e6;
    return of_seconds(std::max(left, 0.0));
  }
  return std::nullopt;
}

microseconds backoff(const RetryConfig& config, int failures, Entropy& entropy) {
  const int doublings = std::clamp(failures - 1, 0, 20);
  const auto longest = std::min<std::int64_t>(microseconds(config.backoff_base).count() << doublings,
                                              microseconds(config.backoff_cap).count());
  return microseconds(static_cast<std::int64_t>(entropy.next_unit() * static_cast<double>(longest)));
}

std::vector<std::size_t> draw_order(const std::vector<Target::Candidate>& group, Entropy& entropy) {
  std::vector<std::size_t> order;
  order.reserve(group.size());
  if (group.size() == 1) {  // no draw where there is no choice
    order.push_back(group.front().deployment);
    return order;
  }
  std::vector<Target::Candidate> left = group;
  while (!left.empty()) {
    std::int64_t total = 0;
    for (const auto& candidate : left) total += candidate.weight;
    auto mark = static_cast<std::int64_t>(entropy.next_unit() * static_cast<double>(total));
    std::size_t chosen = 0;
    while (chosen + 1 < left.size() && mark >= left[chosen].weight) mark -= left[chosen++].weight;
    order.push_back(left[chosen].deployment);
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(chosen));
  }
  return order;
}

Cause cause_of_status(int status, bool own_key) {
  if (status < 400) return status >= 200 && status < 300 ? Cause::ok : Cause::invalid;
  switch (status) {
    case 401:
    case 403:
      return own_key ? Cause::bad_credentials : Cause::caller_fault;
    case 404:
      return Cause::not_found;
    case 408:
    case 504:
      return Cause::timeout;
    case 409:
      return Cause::server_error;
    case 429:
      return Cause::rate_limited;
    default:
      return status >= 500 ? Cause::server_error : Cause::caller_fault;
  }
}

Cause cause_of_error(Errc code) {
  switch (code) {
    case Errc::unavailable:
      return Cause::connect;
    case Errc::upstream_timeout:
    case Errc::deadline_exceeded:
      return Cause::timeout;
    case Errc::cancelled:
      return Cause::cancelled;
    case Errc::unsupported:
      return Cause::unsupported;
    case Errc::invalid_argument:
      return Cause::caller_fault;
    case Errc::upstream_error:
      return Cause::server_error;
    default:
      return Cause::invalid;
  }
}

}  // namespace sb::model
