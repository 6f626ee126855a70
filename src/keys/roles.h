/// Roles and what each may do: one table, asked at every door.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/errors.h"

namespace sb {

/// Stored by name; append only.
enum class Role : std::uint8_t {
  admin,      ///< everything, in every tenant
  operator_,  ///< runs the service: flows, policies, triage, runs; no keys, no erasure
  reviewer,   ///< decides what waits for a person
  client,     ///< an application: asks models, starts runs, sees its own
  auditor,    ///< reads everything that proves what happened, changes nothing
};

enum class Permission : std::uint8_t {
  infer,           ///< POST /v1/*: chat, embeddings
  start_runs,      ///< start flows, send events
  read_runs,       ///< runs, steps and decisions
  control_runs,    ///< suspend, resume, cancel, retry, fork
  read_reviews,    ///< the queue and its items
  decide_reviews,  ///< claim, approve, edit, reject, send back
  give_feedback,
  read_setup,    ///< flows, policies, triage, models as configured
  change_setup,  ///< new versions of them
  read_costs,
  read_audit,  ///< audit log, reports, proofs
  read_metrics,
  manage_keys,
  restore,  ///< see the values behind a policy's placeholders, in one's own answers
  erase,    ///< erase a subject's data
};

std::string_view to_string(Role role);
std::string_view to_string(Permission permission);
std::optional<Role> parse_role(std::string_view text);
std::span<const Role> all_roles();
std::span<const Permission> all_permissions();

bool allows(Role role, Permission permission);

/// Errors: permission_denied, naming the role, what it lacks and the roles that have it.
Result<> require(Role role, Permission permission);

}  // namespace sb
