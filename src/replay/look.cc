#include "replay/look.h"

namespace sb::replay {
namespace {

// The shipped flow would look at it: triage sent it there, and the small model has answered.
bool would_be_looked_at(const RecordedRun& run) {
  const bool by_triage = run.choices.size() == 1 && run.choices.front().by == RecordedChoice::By::triage;
  return by_triage && run.route == "small" && run.flow.starts_with("signalbox/chat@") && !run.calls.empty() &&
         !run.calls.front().attempts.empty();
}

}  // namespace

std::string_view explain(triage::Unverified reason) {
  switch (reason) {
    case triage::Unverified::not_looked:
      return "nobody looked at the answer then, or not for all that the candidate looks for";
    case triage::Unverified::other_verifier:
      return "another verifier has told the gain, or none has";
  }
  return "";
}

std::optional<std::expected<LookedAgain, triage::Unverified>> look_again(const Candidate& candidate,
                                                                         const RecordedRun& run) {
  using Fate = LookedAgain::Fate;
  if (!run.look && !would_be_looked_at(run)) return std::nullopt;
  const auto router = run.choices.empty() ? candidate.router : candidate.router_of(run.choices.front().decision);
  const auto* cascade = router ? router->cascade() : nullptr;
  if (!cascade) {
    if (!run.look) return std::nullopt;
    // Where nobody looked then either, the record is the same but for the version that did not ask for it.
    const bool as_it_was = run.look->verdict.looked.empty() && !run.look->verdict.gain;
    return LookedAgain{as_it_was ? Fate::given : Fate::not_looked_at, as_it_was ? run.look->record : std::string()};
  }
  if (!run.look) return std::unexpected(triage::Unverified::not_looked);
  // An answer of another run had been looked at there.
  if (run.look->of_another_run) return LookedAgain{Fate::given, run.look->record};
  const auto verdict = triage::verify_again(*cascade, run.look->verdict);
  if (!verdict) return std::unexpected(verdict.error());
  return LookedAgain{verdict->accepted() ? Fate::given : Fate::passed_on,
                     std::string(triage::record_of(*verdict, router->version()).text())};
}

}  // namespace sb::replay
