/// What a candidate makes of an answer of the small model that is on record: whether it would have been given.
#pragma once

#include <expected>
#include <optional>
#include <string>

#include "replay/candidate.h"
#include "replay/recorded_run.h"

namespace sb::replay {

struct LookedAgain {
  enum class Fate : std::uint8_t { not_looked_at, given, passed_on };
  Fate fate = Fate::not_looked_at;  ///< the first: the candidate asks for no look
  std::string record{};             ///< as it would stand on record; empty with that
};

/// One line for people.
std::string_view explain(triage::Unverified reason);

/// Nothing: nobody looks at an answer of this run, whatever triage asks for.
std::optional<std::expected<LookedAgain, triage::Unverified>> look_again(const Candidate& candidate,
                                                                         const RecordedRun& run);

}  // namespace sb::replay
