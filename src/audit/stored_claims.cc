#include "audit/stored_claims.h"

#include <fmt/format.h>

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

// A string of a leaf, which stands there as JSON has it.
std::string unescaped(std::string_view text) {
  if (!text.contains('\\')) return std::string(text);
  const auto parsed = parse_json(fmt::format("\"{}\"", text));
  return parsed && parsed->is_string() ? std::string(parsed->get_string()) : std::string();
}

std::uint64_t number_in(const LeafFields& leaf, const char* name) {
  const auto summary = parse_json(leaf.summary);
  return summary ? static_cast<std::uint64_t>(std::max<std::int64_t>(int_member(*summary, name), 0)) : 0;
}

}  // namespace

bool tells(const LeafFields& leaf, const store::StepRow& step) {
  std::string summary;
  return append_canonical_text(summary, summary_of(step)) && leaf.summary == summary && leaf.time_us == step.ended_us;
}

bool tells_of_start(const LeafFields& leaf, const store::sqlite::StoredRun& run) {
  const auto summary = parse_json(leaf.summary);
  if (!summary || unescaped(leaf.tenant) != run.tenant || string_member(*summary, "flow") != run.flow) return false;
  return run.flow_hash.starts_with(string_member(*summary, "flow_hash"));
}

bool tells_of_end(const LeafFields& leaf, const store::sqlite::StoredRun& run) {
  const auto summary = parse_json(leaf.summary);
  return summary && string_member(*summary, "status") == store::to_string(run.status) &&
         int_member(*summary, "cost_micro", -1) == run.cost && string_member(*summary, "model") == run.model &&
         string_member(*summary, "route") == run.route;
}

bool may_go_on(const LeafFields& leaf) {
  const auto summary = parse_json(leaf.summary);
  const auto status = summary ? string_member(*summary, "status") : std::string_view();
  return status == store::to_string(store::RunStatus::faulted) ||
         status == store::to_string(store::RunStatus::cancelled);
}

bool tells(const LeafFields& leaf, const store::sqlite::StoredReview& review) {
  const auto summary = parse_json(leaf.summary);
  if (!summary || leaf.run != review.run.to_string()) return false;
  const auto verdict = string_member(*summary, "verdict");
  switch (review.state) {
    case store::ReviewState::approved:
      return verdict == "approve";
    case store::ReviewState::edited:
      return verdict == "edit";
    case store::ReviewState::rejected:
      return verdict == "reject";
    default:
      return false;
  }
}

std::optional<ReviewId> review_of(const LeafFields& leaf) {
  const auto summary = parse_json(leaf.summary);
  return summary ? ReviewId::parse(string_member(*summary, "review")) : std::nullopt;
}

std::string note_of(const LeafFields& leaf) {
  const auto summary = parse_json(leaf.summary);
  return summary ? std::string(string_member(*summary, "note")) : std::string();
}

HoldClaim hold_of(const LeafFields& leaf) {
  const auto summary = parse_json(leaf.summary);
  if (!summary) return {};
  return {std::string(string_member(*summary, "hold")), unescaped(leaf.tenant),
          std::string(string_member(*summary, "subject")), std::string(leaf.run)};
}

HoldClaim hold_of(const json::value& stored) {
  const auto text = [&](const char* name) { return std::string(string_member(stored, name)); };
  return {text("id"), text("tenant"), text("subject"), text("run")};
}

std::uint64_t runs_erased(const LeafFields& leaf) {
  return number_in(leaf, "runs");
}

std::uint64_t runs_erased_before(const LeafFields& leaf) {
  return number_in(leaf, "runs_before");
}

bool goes_on(const LeafFields& leaf) {
  const auto summary = parse_json(leaf.summary);
  return summary && bool_member(*summary, "more");
}

}  // namespace sb::audit
