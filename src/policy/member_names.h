/// Members that say of one beside them what it is: {"name": "X-Api-Key", "value": "..."}, as Kubernetes and records of
/// HTTP write variables and headers.
#pragma once

#include <string_view>

namespace sb::policy {

/// Whether the member's text is the name of the value beside it.
constexpr bool names_value(std::string_view key) {
  return key == "name" || key == "key";
}

/// Whether the member is such a value. Without a name beside it, it is called as the object that has it is.
constexpr bool is_named_value(std::string_view key) {
  return key == "value";
}

}  // namespace sb::policy
