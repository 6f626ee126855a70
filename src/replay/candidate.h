/// What recorded traffic is held against: a configuration that is not live, or the live one to see that nothing
/// differs.
#pragma once

#include <memory>

#include "model/catalog.h"
#include "policy/guards/check.h"
#include "policy/policy.h"
#include "triage/router.h"

namespace sb::replay {

/// Immutable. Providers in the catalog are never called.
struct Candidate {
  std::shared_ptr<const triage::Router> router;  ///< null: no triage, everything to `large`
  std::shared_ptr<const model::Catalog> catalog;
  std::shared_ptr<const policy::Policy> policy;
  const policy::InjectionScorer* scorer = nullptr;  ///< null: injection checks object to everything

  /// As decisions name it.
  std::string policy_version() const { return policy->hash().substr(0, 16); }
};

}  // namespace sb::replay
