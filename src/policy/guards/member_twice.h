/// JSON that says two things: readers differ in which of two members of one name they take.
#pragma once

#include <string_view>

namespace sb::policy {

/// Whether an object of the document has two members of one name, escapes read. REQUIRES: parse_json takes `json`.
bool has_member_twice(std::string_view json);

}  // namespace sb::policy
