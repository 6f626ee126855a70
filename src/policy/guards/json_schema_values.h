/// Values as JSON Schema compares them: 1 and 1.0 are one number, members have no order.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace sb::policy {

bool is_of_type(const json::value& value, std::string_view type);
bool equal_values(const json::value& a, const json::value& b);
/// Below, equal, above: negative, 0, positive. REQUIRES: both are numbers.
int compare_numbers(const json::value& a, const json::value& b);
bool is_multiple(const json::value& value, const json::value& step);
std::size_t count_code_points(std::string_view text);
/// `steps` grows by the comparisons made; beyond a bound it answers true, so that a hostile list costs no more.
bool has_equal_pair(const json::array& items, std::size_t& steps);
std::string percent_decoded(std::string_view text);

}  // namespace sb::policy
