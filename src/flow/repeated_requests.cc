// Requests that a recorded run has answered before: the engine's side of AnswerCache.
#include <fmt/format.h>

#include "flow/asked_before.h"
#include "flow/engine.h"

namespace sb::flow {
namespace {

// The encoder takes a millisecond. Where more wait for it than this, nobody waits longer: a model is asked.
constexpr std::size_t kMaxReading = 4;

AnswerScope scope_of(const LiveRun& run, const TaskNode& task, const model::Target& target) {
  return {run.row.tenant, run.guard.policy_hash(), run.machine.flow().hash, task.ref, target.name};
}

// What was found belongs to somebody.
bool has_findings(const LiveRun& run) {
  return !run.guard.inbound_types().empty() || run.guard.vault_used() || run.guard.needs_local();
}

}  // namespace

std::optional<Digest> Engine::repeatable(const LiveRun& run, const TaskNode& task, const model::Target& target) const {
  if (!parts_.answers || run.profile != policy::JsonProfile::chat_request) return std::nullopt;
  auto scope = scope_of(run, task, target);
  std::string whose;
  if (has_findings(run)) {  // without a name nobody can be told to be the same again
    if (run.row.subject.empty() || run.row.key.empty()) return std::nullopt;
    scope.whose = whose = fmt::format("{} {}", run.row.key, run.row.subject);
  }
  return digest_of(scope, run.input.text());
}

Task<std::optional<Question>> Engine::question_asked(LiveRun& run, const TaskNode& task, const model::Target& target) {
  if (!parts_.likeness || has_findings(run) || reading_ >= kMaxReading) co_return std::nullopt;
  auto single = single_question(run.input.text());
  if (!single) co_return std::nullopt;
  ++reading_;
  auto work = [likeness = parts_.likeness, text = single->text] { return likeness->read(text); };
  auto read = co_await readers_.run(std::move(work));
  --reading_;
  if (!read) co_return std::nullopt;
  co_return question_of(scope_of(run, task, target), *single, *std::move(read));
}

Task<std::optional<Engine::CallResult>> Engine::answer_again(LiveRun& run, const TaskNode& task,
                                                             const model::Target& target) {
  auto& answers = *parts_.answers;
  auto& ours = run.model_call;
  auto answer = answers.find(*ours.request_hash, parts_.clock.now_us(), run.cache.max_age_us);
  std::optional<LikenessReason> reason;
  if (!answer) {
    ours.question = co_await question_asked(run, task, target);
    if (!ours.question) co_return std::nullopt;
    const double threshold = parts_.likeness->threshold();
    auto alike =
        answers.find_alike(*ours.question, static_cast<float>(threshold), parts_.clock.now_us(), run.cache.max_age_us);
    if (!alike) co_return std::nullopt;
    answer = std::move(alike->answer);
    reason = {alike->similarity, threshold};
  }
  auto text = open_answer(parts_.sealer, run.row.tenant, *answer);
  if (!text || text->empty()) {
    answers.forget({&answer->run, 1});
    co_return std::nullopt;
  }
  run.row.model = answer->model;
  ours.again = true;
  ours.alike = reason.has_value();
  count_saving(run, answer->usage);
  CallResult result;
  result.decision = answer_again_decision(*answer, target, reason);
  result.output = Data::from_text(*std::move(text));
  co_return result;
}

void Engine::claim_answer(const LiveRun& run, std::optional<AnswerCache::Claim>& claim) const {
  const auto& asked = run.model_call;
  if (!asked.request_hash || run.cache.no_store || asked.again || asked.found || asked.repaired || run.problem) return;
  claim.emplace(*parts_.answers, run.row.id);
}

void Engine::remember_answer(LiveRun& run, const AnswerCache::Claim& claim) {
  if (!parts_.sealer.renew(run.row, run.data_key)) return;  // a rotation may have changed the tenant's key since
  auto& asked = run.model_call;
  AnswerCache::Answer answer{run.row.id, run.row.model, asked.usage, run.row.data_key, run.sealed_output};
  parts_.answers->put(claim, *asked.request_hash, std::exchange(asked.question, {}), std::move(answer),
                      parts_.clock.now_us());
}

}  // namespace sb::flow
