/// Where a candidate would have sent a run that is on record.
#pragma once

#include <expected>
#include <optional>
#include <string>

#include "flow/recorded_traffic.h"
#include "replay/candidate.h"
#include "replay/recorded_run.h"

namespace sb::replay {

/// Why it is not known.
enum class Reason : std::uint8_t {
  not_recorded,   ///< the decision is from before its basis was kept
  other_sight,    ///< the candidate looks at texts in another way
  nobody_looked,  ///< a rule decided then, and the candidate has none that does
  other_policy,   ///< the candidate treats texts by another policy
  erased,         ///< it takes the text, which is gone
};
inline constexpr std::size_t kReasons = 5;
/// One line for people, with what to do about it.
std::string_view explain(Reason reason);

struct Choice {
  std::string route;     ///< script, small, large, human, direct; "blocked": the policy lets nobody answer
  std::string script{};  ///< where the route is script
  std::string record{};  ///< the decision as it would stand on record; empty where triage does not decide
  bool from_text = false;
};

/// What the candidate makes of a run: a choice for each that is on record, and what its policy finds in the request.
struct Chosen {
  std::vector<std::expected<Choice, Reason>> choices;
  std::optional<FindingCounts> inbound;  ///< none: not known
};

/// Decides from the record alone where that is enough, else from the text; `open` empty: never from the text.
/// Errors: those of `open`, and internal (a detector failed).
Result<Chosen> choose(const Candidate& candidate, const RecordedRun& run, const flow::OpenInput& open);

}  // namespace sb::replay
