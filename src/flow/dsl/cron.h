/// Cron expressions, as crontab(5) has them: five fields, in UTC.
#pragma once

#include <array>
#include <bitset>
#include <string_view>

#include "base/clock.h"
#include "base/errors.h"

namespace sb::flow {

/// minute, hour, day of month, month, day of week; lists, ranges, steps and English names. Where both days are
/// restricted either will do.
class Cron {
 public:
  /// Errors: invalid_argument.
  static Result<Cron> parse(std::string_view text);
  /// The first minute after `after` that fits. Errors: not_found (none within 30 years: February 30th).
  Result<Micros> next(Micros after) const;

 private:
  std::array<std::bitset<64>, 5> fields_;
  bool any_day_ = true, any_weekday_ = true;
};

}  // namespace sb::flow
