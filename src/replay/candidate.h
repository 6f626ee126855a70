/// What recorded traffic is held against: a configuration that is not live, or the live one to see that nothing
/// differs.
#pragma once

#include <map>
#include <memory>
#include <string>

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
  /// Of its splits and shadows by name. Who is in a split the record alone knows.
  std::map<std::string, std::shared_ptr<const triage::Router>, std::less<>> splits{}, shadows{};

  /// That decides where `recorded` was decided: who was given a split's candidate gets it again, where it is there.
  /// Null: no triage.
  std::shared_ptr<const triage::Router> router_of(const triage::RouteDecision& recorded) const;
  /// What was so then, and is so under this: the split that the asker was in, and what shadows said.
  void keep_trials(const triage::RouteDecision& recorded, triage::RouteDecision& again) const;

  /// As decisions name it.
  std::string policy_version() const { return policy->hash().substr(0, 16); }
};

}  // namespace sb::replay
