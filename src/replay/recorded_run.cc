#include "replay/recorded_run.h"

#include <fmt/format.h>

#include <array>

#include "base/json.h"
#include "triage/decision_record.h"

namespace sb::replay {
namespace {

RecordedChoice::By made_by(const json::value& decision) {
  const auto* reasons = find_member(decision, "reasons");
  const auto* first = reasons && reasons->is_array() && !reasons->get_array().empty()
                          ? reasons->get_array().front().if_string()
                          : nullptr;
  const std::string_view reason = first ? std::string_view(*first) : std::string_view();
  if (reason == triage::kNamedByCaller) return RecordedChoice::By::caller;
  if (reason == triage::kAskedByPolicy) return RecordedChoice::By::policy;
  if (reason == triage::kNoTriage) return RecordedChoice::By::nothing;
  return RecordedChoice::By::triage;
}

Result<RecordedChoice> read_choice(const json::value& decision, const std::string& text) {
  RecordedChoice choice;
  choice.by = made_by(decision);
  choice.route = string_member(decision, "chosen");
  choice.record = text;
  if (choice.by == RecordedChoice::By::triage) {
    SB_TRY(choice.decision, triage::read_record(decision));
  }
  return choice;
}

std::optional<model::Price> read_price(const json::value& attempt) {
  const auto* price = find_member(attempt, "price");
  if (!price || !price->is_array() || price->get_array().size() != 3) return std::nullopt;
  std::int64_t parts[3] = {};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto* part = price->get_array()[i].if_int64();
    if (!part) return std::nullopt;
    parts[i] = *part;
  }
  return model::Price{parts[0], parts[1], parts[2]};
}

RecordedCall read_call(const json::value& decision, MicroMoney cost) {
  RecordedCall call;
  call.target = string_member(decision, "target");
  call.cost = cost;
  const auto* attempts = find_member(decision, "attempts");
  if (!attempts || !attempts->is_array()) return call;
  for (const auto& one : attempts->get_array()) {
    call.attempts.push_back({std::string(string_member(one, "deployment")),
                             {int_member(one, "input_tokens"), int_member(one, "cached_tokens"),
                              int_member(one, "output_tokens"), bool_member(one, "estimated")},
                             read_price(one),
                             int_member(one, "cost_micro"),
                             string_member(one, "cause") == "ok"});
  }
  return call;
}

void read_guard(const json::value& decision, RecordedRun& run) {
  const bool inbound = string_member(decision, "direction") == "inbound";
  count_findings(decision, inbound ? run.inbound : run.outbound);
  if (!inbound || !run.policy.empty()) return;  // what comes after the first are checks of services, and children
  run.verdict = string_member(decision, "chosen");
  if (const auto* versions = find_member(decision, "versions")) run.policy = string_member(*versions, "policy");
}

std::optional<model::Usage> read_tokens(const json::value& decision) {
  if (!find_member(decision, "input_tokens")) return std::nullopt;
  return model::Usage{int_member(decision, "input_tokens"), 0, int_member(decision, "output_tokens"), true};
}

Result<> read_step(const store::StepRow& step, RecordedRun& run) {
  if (step.decision.empty()) return {};
  // A million runs have some four million decisions: a tree in memory of their own each would be half the work.
  std::array<unsigned char, 8192> memory;
  json::monotonic_resource resource(memory.data(), memory.size());
  boost::system::error_code error;
  const json::value decision = json::parse(step.decision, error, &resource);
  if (error) return fail(Errc::corrupt, "a decision is no JSON");
  const auto kind = string_member(decision, "kind");
  if (kind == "guard") {
    read_guard(decision, run);
  } else if (kind == "route") {
    SB_TRY(auto choice, read_choice(decision, step.decision));
    run.choices.push_back(std::move(choice));
  } else if (kind == "chat" || kind == "embed") {
    run.calls.push_back(read_call(decision, step.cost));
  } else if (kind == "verify" && !run.look) {
    SB_TRY(auto verdict, triage::read_verdict(decision));
    const bool cached = !run.calls.empty() && run.calls.back().attempts.empty();
    run.look = RecordedLook{std::move(verdict), step.decision, run.calls.size(), cached};
  } else if (kind == "script" || kind == "review") {
    if (auto tokens = read_tokens(decision)) run.tokens = tokens;
  }
  return {};
}

}  // namespace

void count_findings(const json::value& decision, FindingCounts& counts) {
  for (const auto* list : {find_member(decision, "findings"), find_member(decision, "unlisted")}) {
    if (!list || !list->is_array()) continue;
    for (const auto& one : list->get_array()) {
      const auto count = std::max<std::int64_t>(0, int_member(one, "count", 1));
      counts[{std::string(string_member(one, "type")), std::string(string_member(one, "action"))}] +=
          static_cast<std::uint64_t>(count);
    }
  }
}

const RecordedAttempt* RecordedCall::answer() const {
  for (const auto& attempt : attempts) {
    if (attempt.answered) return &attempt;
  }
  return nullptr;
}

Result<RecordedRun> recorded_run(const store::sqlite::ScannedRun& scanned) {
  const auto& row = scanned.run;
  RecordedRun run{.id = row.id,
                  .tenant = row.tenant,
                  .flow = row.flow,
                  .status = row.status,
                  .erased = row.erased,
                  .began_us = row.created_us,
                  .took_us = row.ended_us == 0 ? 0 : row.ended_us - row.created_us,
                  .route = row.route,
                  .cost = row.cost,
                  .cost_all_large = row.cost_all_large,
                  .review = scanned.review};
  for (const auto& step : scanned.steps) {
    if (const auto read = read_step(step, run); !read)
      return fail(Errc::corrupt, fmt::format("run {}: {}", row.id.to_string(), read.error().detail));
  }
  return run;
}

}  // namespace sb::replay
