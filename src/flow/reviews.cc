// A person's part in a run: it is parked with a question, which is claimed and decided.
#include <fmt/format.h>

#include "base/record_writer.h"
#include "flow/chat_completion.h"
#include "flow/engine.h"

namespace sb::flow {
namespace {

/// What a claim or a verdict says of the review. `choice`: as the caller sent it, once it is known to be one of ours.
RecordJson summary_of(const ReviewId& review, std::string_view choice) {
  RecordWriter summary(96);
  summary.begin_object().member("review", RecordText::ours(review.to_string()));
  if (!choice.empty()) summary.member("verdict", RecordText::ours(choice));
  return std::move(summary.end_object()).take();
}

/// Whether it is the reviewer's to decide. Errors: conflict.
Result<> check_undecided(const store::ReviewRow& review, std::string_view reviewer, Micros now) {
  const bool claimed = review.state == store::ReviewState::claimed;
  if (review.state != store::ReviewState::open && !claimed)
    return fail(Errc::conflict, fmt::format("the review is already {}", store::to_string(review.state)));
  if (claimed && review.claimed_by != reviewer && review.claim_until_us >= now)
    return fail(Errc::conflict, "the review is claimed by somebody else");
  return {};
}

}  // namespace

std::expected<Engine::CallResult, Problem> Engine::review(LiveRun& run, const Machine::Call& call) {
  const auto with = handed(run, call, "/with");
  if (!with) return std::unexpected(with.error());
  // It is said to the caller, not to the person.
  const std::string_view holding = string_member(call.with, "holding", "A person will answer this.");
  const auto said = guard_made(run, to_text(json::value(holding)));
  if (!said) return said;
  run.row.route = "human";
  store::ReviewRow review;
  review.id = ReviewId::generate(parts_.clock, parts_.entropy);
  review.run = run.row.id;
  review.step = StepIndex{run.next_step};
  review.tenant = run.row.tenant;
  // Beside sealed columns and in the record stands what the flow's author wrote, or what triage has recorded already.
  const std::string reason(string_member(*with, "reason", "flow"));
  const auto& written = std::get<CallTask>(call.task->body).with;
  const bool public_reason = !find_member(*with, "reason") || reason == written->literal("reason") ||
                             (!reason.empty() && reason == run.route_reason);
  if (public_reason) review.reason = reason;
  review.priority = static_cast<int>(int_member(*with, "priority"));
  review.created_us = parts_.clock.now_us();
  run.guard.recall_user_text(run.input.text());
  json::object question{
      {"asked", run.guard.last_user_text()}, {"proposal", string_member(*with, "proposal")}, {"intent", run.intent}};
  if (!public_reason) question["reason"] = reason;
  review.question = parts_.sealer.seal(run.data_key, run.row.id, place::question(review.id), to_text(question));
  run.review = review.id;
  run.needs_person = false;
  // What the caller hears meanwhile; the run's own output is the person's answer.
  const auto id = run.row.id.to_string();
  const std::string_view told = said->output.value().get_string();
  model::Usage usage{model::estimate_input_tokens(run.input.text()), 0, model::estimate_tokens(told), true};
  count_saving(run, usage);
  run.row.model = "human";
  run.output = Data::from_text(completion_json({id, "human", run.row.created_us, usage}, told));
  CallResult result;
  result.parked = true;
  RecordWriter decision;
  decision.begin_object().member("chosen", "park").member("input_tokens", usage.input_tokens);
  decision.member("kind", "review").member("output_tokens", usage.output_tokens).key("reasons").begin_array();
  decision.string(public_reason ? RecordText::configured(review.reason) : "computed by the flow").end_array();
  decision.member("review", RecordText::ours(review.id.to_string())).end_object();
  result.decision = std::move(decision).take();
  run.review_create = std::move(review);
  return result;
}

Task<Result<store::ReviewRow>> Engine::claim(ReviewId id, std::string reviewer) {
  SB_CO_TRY(auto review, co_await parts_.store.load_review(id));
  const Micros now = parts_.clock.now_us();
  const bool free =
      review.state == store::ReviewState::open ||
      (review.state == store::ReviewState::claimed && (review.claim_until_us < now || review.claimed_by == reviewer));
  if (!free) {
    co_return fail(Errc::conflict, review.state == store::ReviewState::claimed
                                       ? "the review is claimed by somebody else"
                                       : fmt::format("the review is already {}", store::to_string(review.state)));
  }
  store::Commit commit;
  commit.run = review.run;
  store::ReviewChange change{review, review.state, review.claimed_by};
  change.row.state = store::ReviewState::claimed;
  change.row.claimed_by = reviewer;
  change.row.claim_until_us =
      now + std::chrono::duration_cast<std::chrono::microseconds>(options_.review_claim).count();
  store::LeafDraft leaf;
  leaf.kind = "review.claim";
  leaf.tenant = review.tenant;
  leaf.run = review.run;
  leaf.step = review.step;
  leaf.actor = parts_.pseudonyms.actor(reviewer);
  leaf.summary = summary_of(id, {}).text();
  leaf.time_us = now;
  commit.leaves.push_back(std::move(leaf));
  const store::ReviewRow claimed = change.row;
  commit.review_change = std::move(change);
  SB_CO_CHECK(co_await parts_.store.commit(std::move(commit)));
  co_return claimed;
}

// Other branches may have calls of their own that wait: the verdict is for the task that asked.
Result<std::uint32_t> Engine::asked_at(LiveRun& run, const std::vector<store::StepRow>& steps,
                                       const store::ReviewRow& review) {
  const auto asked = std::ranges::find_if(
      steps, [&](const store::StepRow& step) { return step.index >= review.step && step.kind == "review"; });
  (void)run.machine.next();  // a checkpoint stands before what is pending
  const auto call = asked == steps.end() ? std::nullopt : run.machine.pending_at(asked->ref);
  if (!call) return fail(Errc::conflict, "the run does not wait at this review any more");
  return *call;
}

Result<> Engine::apply_verdict(LiveRun& run, std::uint32_t call, const store::ReviewRow& review,
                               store::ReviewState state, std::string_view text) {
  if (state == store::ReviewState::rejected) {
    take_failure(run, call,
                 {error_type("authorization"), 403, "Rejected by a person", "a reviewer rejected the answer", ""},
                 true);
    run.error_code = Errc::policy_denied;
    return {};
  }
  const json::value question = open_question(review, run.row);
  const std::string_view answer = state == store::ReviewState::edited ? text : string_member(question, "proposal");
  const auto run_id = run.row.id.to_string();
  const model::Usage usage{model::estimate_input_tokens(run.input.text()), 0, model::estimate_tokens(answer), true};
  auto guarded = guard_answer(run, completion_json({run_id, "human", run.row.created_us, usage}, answer), {});
  if (!guarded) return fail(run.error_code, guarded.error().detail, "text");
  take_result(run, call, std::move(guarded->output));
  return {};
}

Task<Result<store::ReviewRow>> Engine::decide(ReviewId id, std::string reviewer, json::object verdict, bool teaches) {
  const std::string choice(string_member(verdict, "verdict"));
  const std::string text(string_member(verdict, "text"));
  const auto state = choice == "approve"  ? store::ReviewState::approved
                     : choice == "edit"   ? store::ReviewState::edited
                     : choice == "reject" ? store::ReviewState::rejected
                                          : store::ReviewState::open;
  if (state == store::ReviewState::open)
    co_return fail(Errc::invalid_argument, "verdict must be approve, edit or reject", "verdict");
  if (state == store::ReviewState::edited && text.empty())
    co_return fail(Errc::invalid_argument, "an edit needs the new text", "text");

  const Micros now = parts_.clock.now_us();
  SB_CO_TRY(auto review, co_await parts_.store.load_review(id));
  SB_CO_CHECK(check_undecided(review, reviewer, now));
  SB_CO_TRY(const auto run, co_await take_up(review.run, [](const store::RunRow& row) {
              return row.status == store::RunStatus::waiting;
            }));
  if (!run)
    co_return fail(Errc::conflict, "the run is being worked on, or waits for nobody any more; look at it again");
  // From here on nobody else decides, nor tells the run anything.
  auto again = co_await parts_.store.load_review(id);
  auto undecided = again ? check_undecided(*again, reviewer, now) : std::unexpected(again.error());
  if (!undecided) {
    let_go(*run);
    co_return std::unexpected(undecided.error());
  }
  review = *std::move(again);
  auto policed = run->guard.inspect(policy::Direction::outbound, to_text(verdict), policy::JsonProfile::any);
  const auto steps = co_await parts_.store.load_steps(review.run);
  const auto call = !policed ? std::unexpected(policed.error())
                    : steps  ? asked_at(*run, *steps, review)
                             : std::unexpected(steps.error());
  auto applied = call ? apply_verdict(*run, *call, review, state, text) : Result<>(std::unexpected(call.error()));
  if (applied) {
    // Nothing is committed yet: where a check objects, or nobody answers for it, the review stays as it was.
    const auto outside = co_await ask_outside(*run, policy::Direction::outbound);
    if (outside.verdict >= policy::Verdict::human)
      applied = fail(Errc::policy_denied, fmt::format("the text may not go out: {}", outside.reasons), "text");
  }
  if (!applied) {
    let_go(*run);
    co_return std::unexpected(applied.error());
  }
  store::ReviewChange change{review, review.state, review.claimed_by};
  change.row.state = state;
  change.row.decided_by = reviewer;
  change.row.decided_us = now;
  change.row.verdict =
      parts_.sealer.seal(run->data_key, review.run, place::verdict(review.id), policed->content.text());
  parking_.forget(review.run);
  const store::ReviewRow decided = change.row;
  const bool is_chat = run->profile == policy::JsonProfile::chat_request;  // what the promise speaks of
  // What the person said, reason and all, is committed to by what is stored of it.
  record_leaf(*run, "review.verdict", summary_of(id, choice),
              Sealer::commitment(run->data_key, "verdict", change.row.verdict));
  run->leaves.back().actor = parts_.pseudonyms.actor(reviewer);
  run->leaves.back().step = review.step;
  run->review_change = std::move(change);
  if (const auto intent = string_member(verdict, "intent"); teaches && is_chat && !intent.empty())
    label_by_review(*run, reviewer, intent);

  // An effect that follows, and its turn, may take long: the verdict is on disk first, the rest goes on by itself.
  if (parts_.gate || std::holds_alternative<Machine::Call>(run->machine.next())) {
    if (auto accepted = co_await accept(run); !accepted) {
      let_go(*run);
      co_return std::unexpected(accepted.error());
    }
    spawn(run);
  } else {
    SB_CO_CHECK(co_await spawn_until_commit(run));
  }
  if (is_chat) judged_by_person(*steps, decided, state);
  co_return decided;
}

}  // namespace sb::flow
