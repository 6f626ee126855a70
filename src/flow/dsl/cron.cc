#include "flow/dsl/cron.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <vector>

#include "base/bytes.h"

namespace sb::flow {
namespace {

struct Field {
  std::string_view name;
  unsigned low, high;
  std::vector<std::string_view> words;  ///< the first one is `low`
};

const std::array<Field, 5>& field_table() {
  static const std::array<Field, 5> fields{
      {{"minute", 0, 59, {}},
       {"hour", 0, 23, {}},
       {"day of month", 1, 31, {}},
       {"month", 1, 12, {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
       {"day of week", 0, 7, {"sun", "mon", "tue", "wed", "thu", "fri", "sat"}}}};
  return fields;
}

Result<unsigned> number(std::string_view text, const Field& field) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (const auto word = std::ranges::find(field.words, lower); word != field.words.end())
    return field.low + static_cast<unsigned>(word - field.words.begin());
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < field.low || value > field.high)
    return fail(Errc::invalid_argument,
                fmt::format("cron: `{}` is no {} ({} to {})", text, field.name, field.low, field.high));
  return value;
}

Result<std::bitset<64>> parse_field(std::string_view text, const Field& field) {
  std::bitset<64> set;
  for (const auto part : split(text, ',')) {
    const auto slash = part.find('/');
    const auto range = part.substr(0, slash);
    unsigned step = 1, low = field.low, high = field.high;
    if (slash != std::string_view::npos) {
      const Field steps{"step", 1, field.high == 0 ? 1 : field.high, {}};
      SB_TRY(step, number(part.substr(slash + 1), steps));
    }
    if (range != "*") {
      const auto dash = range.find('-');
      SB_TRY(low, number(range.substr(0, dash), field));
      if (dash != std::string_view::npos) {
        SB_TRY(high, number(range.substr(dash + 1), field));
      } else if (slash == std::string_view::npos) {
        high = low;
      }
      if (high < low) return fail(Errc::invalid_argument, fmt::format("cron: `{}` runs backwards", range));
    }
    for (unsigned i = low; i <= high; i += step) set.set(i);
  }
  return set;
}

}  // namespace

Result<Cron> Cron::parse(std::string_view text) {
  constexpr std::pair<std::string_view, std::string_view> kNicknames[] = {
      {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
      {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@hourly", "0 * * * *"}};
  for (const auto& [name, meaning] : kNicknames) {
    if (text == name) text = meaning;
  }
  std::vector<std::string_view> parts;
  for (const auto part : split(text, ' ')) {
    if (!trim(part).empty()) parts.push_back(trim(part));
  }
  if (parts.size() != 5)
    return fail(Errc::invalid_argument, "cron needs five fields: minute, hour, day of month, month, day of week");
  Cron cron;
  for (std::size_t i = 0; i < 5; ++i) {
    SB_TRY(cron.fields_[i], parse_field(parts[i], field_table()[i]));
  }
  cron.any_day_ = parts[2].starts_with('*');
  cron.any_weekday_ = parts[4].starts_with('*');
  if (cron.fields_[4].test(7)) cron.fields_[4].set(0);  // Sunday has two numbers
  return cron;
}

Result<Micros> Cron::next(Micros after) const {
  using namespace std::chrono;
  const auto first = floor<minutes>(sys_time<microseconds>(microseconds(after))) + minutes(1);
  const auto first_day = floor<days>(first);
  constexpr int kDaysAhead = 30 * 366;
  for (int ahead = 0; ahead < kDaysAhead; ++ahead) {
    const sys_days day = first_day + days(ahead);
    const year_month_day date(day);
    const bool day_fits = fields_[2].test(static_cast<unsigned>(date.day()));
    const bool weekday_fits = fields_[4].test(weekday(day).c_encoding());
    const bool either = any_day_ || any_weekday_ ? day_fits && weekday_fits : day_fits || weekday_fits;
    if (!either || !fields_[3].test(static_cast<unsigned>(date.month()))) continue;
    const int start = ahead == 0 ? static_cast<int>((first - first_day).count()) : 0;
    for (int minute = start; minute < 24 * 60; ++minute) {
      if (fields_[1].test(static_cast<std::size_t>(minute / 60)) &&
          fields_[0].test(static_cast<std::size_t>(minute % 60)))
        return duration_cast<microseconds>((day + minutes(minute)).time_since_epoch()).count();
    }
  }
  return fail(Errc::not_found, "cron: no such day comes within 30 years");
}

}  // namespace sb::flow
