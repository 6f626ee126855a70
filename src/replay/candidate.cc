#include "replay/candidate.h"

namespace sb::replay {

std::shared_ptr<const triage::Router> Candidate::router_of(const triage::RouteDecision& recorded) const {
  const auto split = recorded.by_candidate ? splits.find(recorded.trial) : splits.end();
  return split == splits.end() ? router : split->second;
}

void Candidate::keep_trials(const triage::RouteDecision& recorded, triage::RouteDecision& again) const {
  if (splits.contains(recorded.trial)) {
    again.trial = recorded.trial;
    again.by_candidate = recorded.by_candidate;
  }
  for (const auto& shadow : recorded.shadows) {
    const auto known = shadows.find(shadow.trial);
    const bool same =
        known != shadows.end() && (!shadow.unknown.empty() || known->second->version() == shadow.config_version);
    if (same) again.shadows.push_back(shadow);
  }
}

}  // namespace sb::replay
