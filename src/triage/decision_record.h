/// A choice of a route as the record has it: `{"kind":"route", ...}`, and back.
///
/// What it says is public and stays for ever: numbers, codes and names of the configuration, never the text.
#pragma once

#include "base/json.h"
#include "base/record_writer.h"
#include "triage/router.h"

namespace sb::triage {

/// Rules named in a basis at most; a text that has the words of more leaves none.
inline constexpr std::size_t kMaxSaidOnRecord = 16;

/// Reasons of routes that triage did not choose.
inline constexpr char kNamedByCaller[] = "the caller named the model";
inline constexpr char kAskedByPolicy[] = "the policy asks for a person";
inline constexpr char kNoTriage[] = "no triage is configured";

RecordJson record_of(const RouteDecision& decision);
/// Of a candidate's decision, what goes on record beside the one that counts.
ShadowDecision shadow_of(std::string trial, const RouteDecision& decision);

/// What the classifier said in numbers is exact again, what is beside it has four places. Choices of before a basis
/// was kept come back without one. Errors: corrupt (not such a document; names the member).
Result<RouteDecision> read_record(const json::value& document);

}  // namespace sb::triage
