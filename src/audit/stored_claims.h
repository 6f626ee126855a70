/// What a leaf must say of what is stored (pure).
#pragma once

#include <optional>
#include <string>

#include "audit/leaf.h"
#include "base/json.h"
#include "store/sqlite/record_reader.h"

namespace sb::audit {

/// Whether the leaf says of the step what is stored: task, kind, decision, cost, whether it failed, when it ended.
bool tells(const LeafFields& leaf, const store::StepRow& step);
/// Whether the leaf, a `run.start`, says of the run what is stored: tenant, flow.
bool tells_of_start(const LeafFields& leaf, const store::sqlite::StoredRun& run);
/// Whether the leaf, a `run.end`, says of the run what is stored: status, cost, model, route.
bool tells_of_end(const LeafFields& leaf, const store::sqlite::StoredRun& run);
/// Whether a run that ended as the leaf, a `run.end`, says may be retried.
bool may_go_on(const LeafFields& leaf);
/// Whether the leaf, a `review.verdict`, says of the review what is stored: its run, and what was decided.
bool tells(const LeafFields& leaf, const store::sqlite::StoredReview& review);
/// Of an `erasure`: how many runs.
std::uint64_t runs_erased(const LeafFields& leaf);
/// Of an `erasure`: how many the same order took before.
std::uint64_t runs_erased_before(const LeafFields& leaf);
/// Of an `erasure`: whether the order went on after it.
bool goes_on(const LeafFields& leaf);
/// Of a claim or a verdict: of which review.
std::optional<ReviewId> review_of(const LeafFields& leaf);
/// Of what a key noted on a run: under which name.
std::string note_of(const LeafFields& leaf);
/// Whom a legal hold protects, as its leaf and its row say it.
struct HoldClaim {
  std::string id;
  std::string tenant;
  std::string subject;
  std::string run;
  bool operator==(const HoldClaim&) const = default;
};
HoldClaim hold_of(const LeafFields& leaf);
HoldClaim hold_of(const json::value& stored);

}  // namespace sb::audit
