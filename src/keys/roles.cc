#include "keys/roles.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

namespace sb {
namespace {

constexpr std::array kRoles{Role::admin, Role::operator_, Role::reviewer, Role::client, Role::auditor};
constexpr std::array kRoleNames{"admin", "operator", "reviewer", "client", "auditor"};

struct Row {
  Permission permission;
  std::string_view name;
  std::array<bool, kRoles.size()> allowed;  ///< in the order of kRoles
};

constexpr bool y = true;
constexpr bool n = false;
// Least privilege: a "y" has a reason. Reviewers see runs because an item is about one; operators ask models to try a
// setup, and see placeholders.
constexpr std::array kTable{
    //                                                       admin operator reviewer client auditor
    Row{Permission::infer, "infer", {y, y, n, y, n}},
    Row{Permission::start_runs, "start_runs", {y, y, n, y, n}},
    Row{Permission::read_runs, "read_runs", {y, y, y, y, y}},
    Row{Permission::control_runs, "control_runs", {y, y, n, y, n}},
    Row{Permission::read_reviews, "read_reviews", {y, y, y, n, y}},
    Row{Permission::decide_reviews, "decide_reviews", {y, n, y, n, n}},
    Row{Permission::give_feedback, "give_feedback", {y, y, y, y, n}},
    Row{Permission::read_setup, "read_setup", {y, y, n, n, y}},
    Row{Permission::change_setup, "change_setup", {y, y, n, n, n}},
    Row{Permission::read_costs, "read_costs", {y, y, n, n, y}},
    Row{Permission::read_audit, "read_audit", {y, n, n, n, y}},
    Row{Permission::read_metrics, "read_metrics", {y, y, n, n, y}},
    Row{Permission::manage_keys, "manage_keys", {y, n, n, n, n}},
    Row{Permission::restore, "restore", {y, n, n, y, n}},
    Row{Permission::erase, "erase", {y, n, n, n, n}},
};

constexpr auto kPermissions = [] {
  std::array<Permission, kTable.size()> out{};
  for (std::size_t i = 0; i < kTable.size(); ++i) out[i] = kTable[i].permission;
  return out;
}();

// Lookups index the table by enumerator.
static_assert([] {
  for (std::size_t i = 0; i < kTable.size(); ++i) {
    if (static_cast<std::size_t>(kTable[i].permission) != i) return false;
  }
  return true;
}());

const Row& row_of(Permission permission) {
  const auto index = static_cast<std::size_t>(permission);
  SB_ASSERT(index < kTable.size());
  return kTable[index];
}

}  // namespace

std::string_view to_string(Role role) {
  const auto index = static_cast<std::size_t>(role);
  SB_ASSERT(index < kRoleNames.size());
  return kRoleNames[index];
}

std::string_view to_string(Permission permission) {
  return row_of(permission).name;
}

std::optional<Role> parse_role(std::string_view text) {
  for (const Role role : kRoles) {
    if (to_string(role) == text) return role;
  }
  return std::nullopt;
}

std::span<const Role> all_roles() {
  return kRoles;
}
std::span<const Permission> all_permissions() {
  return kPermissions;
}

bool allows(Role role, Permission permission) {
  const auto index = static_cast<std::size_t>(role);
  SB_ASSERT(index < kRoles.size());
  return row_of(permission).allowed[index];
}

Result<> require(Role role, Permission permission) {
  if (allows(role, permission)) return {};
  std::string who;
  for (const Role other : kRoles) {
    if (allows(other, permission)) who += fmt::format("{}{}", who.empty() ? "" : ", ", to_string(other));
  }
  return fail(Errc::permission_denied, fmt::format("a key with role {} may not {}; use a key with one of: {}",
                                                   to_string(role), to_string(permission), who));
}

}  // namespace sb
