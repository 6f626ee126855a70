/// What answers and mistakes cost, in units of one's own; by default one call of the small model is one.
#pragma once

#include <span>
#include <string>

#include "base/errors.h"
#include "base/json.h"

namespace sb::triage {

struct Prices {
  double script = 0;
  double small = 1;
  double large = 20;
  double human = 0;           ///< a person's time for a query
  double wrong_script = 0;    ///< harm beside the bill
  double missed_human = 0;    ///< a query that needed a person and got none
  double needless_human = 0;  ///< a person asked for nothing
};

/// The routes file's "cost": names as above, `small_model` and `large_model` for the two models; others keep their
/// price. Errors: invalid_argument (names the member).
Result<Prices> read_prices(const json::value& cost);

/// "name=units", names as in Prices, over `prices`. Errors: invalid_argument (and the nearest name that exists).
Result<> set_prices(std::span<const std::string> settings, Prices& prices);

}  // namespace sb::triage
