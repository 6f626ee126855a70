/// Learns classifiers of injections for `signalbox policy injection --families`: triage's training in policy's service.
#pragma once

#include <memory>
#include <span>

#include "base/errors.h"
#include "policy/injection_families.h"

namespace sb {

/// As `signalbox triage train --encoder none --dimension 8` learns them. Errors: triage's.
Result<std::unique_ptr<const policy::InjectionScorer>> train_injection_scorer(
    std::span<const policy::FamilyText* const> texts);

}  // namespace sb
