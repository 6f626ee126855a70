/// Triage's classifier in the policy's service: trained to tell attempts to steer a model from what people ask.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/errors.h"
#include "policy/guards/check.h"

namespace sb::flow {

/// A model file of `signalbox triage train` whose attacks carry the route "human". A text is scored
/// sentence by sentence, long ones in overlapping pieces, so that an attack may stand anywhere in it; the highest score
/// counts.
/// Errors: corrupt, unsupported; load: not_found, too_large.
Result<std::unique_ptr<const policy::InjectionScorer>> make_injection_scorer(std::string_view model_bytes);
Result<std::unique_ptr<const policy::InjectionScorer>> load_injection_scorer(const std::string& path);
/// From a model that is a part of the program, made when first asked: few policies ask. REQUIRES: bytes of a good
/// model, which outlive the scorer.
std::unique_ptr<const policy::InjectionScorer> late_injection_scorer(std::string_view model_bytes);

}  // namespace sb::flow
