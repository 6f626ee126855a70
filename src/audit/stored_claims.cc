#include "audit/stored_claims.h"

#include "base/canonical_json.h"
#include "base/json.h"
#include "base/json_writer.h"

namespace sb::audit {
namespace {

std::string summary_of(const store::StepRow& step) {
  JsonWriter summary(96 + step.decision.size());
  summary.begin_object();
  if (step.cost != 0) summary.member("cost_micro", step.cost);
  if (!step.decision.empty()) summary.key("decision").raw(step.decision);
  if (!step.error.empty()) summary.member("failed", true);
  return std::move(summary.member("kind", step.kind).member("task", step.name).end_object()).take();
}

}  // namespace

bool tells(const LeafFields& leaf, const store::StepRow& step) {
  std::string summary;
  return append_canonical_text(summary, summary_of(step)) && leaf.summary == summary && leaf.time_us == step.ended_us;
}

bool tells(const LeafFields& leaf, const store::sqlite::StoredRun& run) {
  const auto summary = parse_json(leaf.summary);
  return summary && string_member(*summary, "status") == store::to_string(run.status) &&
         int_member(*summary, "cost_micro", -1) == run.cost && string_member(*summary, "model") == run.model &&
         string_member(*summary, "route") == run.route;
}

std::uint64_t runs_erased(const LeafFields& leaf) {
  const auto summary = parse_json(leaf.summary);
  return summary ? static_cast<std::uint64_t>(std::max<std::int64_t>(int_member(*summary, "runs"), 0)) : 0;
}

}  // namespace sb::audit
