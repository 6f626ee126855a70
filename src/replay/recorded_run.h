/// A run as its record tells of it: what was chosen, who was called, what it cost. No text of the caller's is in it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "model/price.h"
#include "store/sqlite/run_scan.h"
#include "triage/router.h"

namespace sb::replay {

/// One try of a deployment.
struct RecordedAttempt {
  std::string deployment;  ///< "provider/model"
  model::Usage usage{};
  std::optional<model::Price> price{};  ///< none: of before prices and cached tokens were recorded
  MicroMoney cost = 0;
  bool answered = false;
};

/// A step that called a model.
struct RecordedCall {
  std::string target;  ///< tier, or "provider/model"; empty: of before it was recorded, or no model has the name
  std::vector<RecordedAttempt> attempts{};
  MicroMoney cost = 0;  ///< of the step: its attempts', and those of an answer that had to be corrected
  const RecordedAttempt* answer() const;
};

/// A step that chose a route.
struct RecordedChoice {
  enum class By : std::uint8_t { triage, caller, policy, nothing };
  By by = By::triage;
  std::string route;                 ///< script, small, large, human, direct
  triage::RouteDecision decision{};  ///< of triage
  std::string record{};              ///< the decision as it stands there
};

/// A step that looked at the small model's answer before it was given.
struct RecordedLook {
  triage::Verdict verdict{};
  std::string record{};         ///< the decision as it stands there
  std::size_t calls = 0;        ///< of the run's calls, those before it
  bool of_another_run = false;  ///< the answer came out of the cache
};

/// Route of calls that are on another program's log: somebody named the model.
inline constexpr std::string_view kLogged = "logged";

/// How often, by type and action: {"EMAIL", "tokenise"}.
using FindingCounts = std::map<std::pair<std::string, std::string>, std::uint64_t>;
/// Adds what a guard's decision lists.
void count_findings(const json::value& decision, FindingCounts& counts);

struct RecordedRun {
  RunId id;
  std::string tenant;
  std::string flow;
  store::RunStatus status{};
  bool erased = false;
  Micros began_us = 0;
  Micros took_us = 0;  ///< 0: not ended
  std::string route;   ///< that answered; another than the chosen one where a script had no answer
  MicroMoney cost = 0;
  MicroMoney cost_all_large = 0;
  std::string policy{};                 ///< version that guarded the request; empty: none is on record
  std::string verdict{};                ///< what it said: allow, changed, local, human, block
  FindingCounts inbound{}, outbound{};  ///< in the request; in answers
  std::vector<RecordedChoice> choices{};
  std::vector<RecordedCall> calls{};
  std::optional<RecordedLook> look{};    ///< the first
  std::optional<model::Usage> tokens{};  ///< estimated, where a script or a person answered
  std::optional<store::ReviewState> review{};
};

/// Errors: corrupt (a decision that is none; names the run).
Result<RecordedRun> recorded_run(const store::sqlite::ScannedRun& scanned);

}  // namespace sb::replay
