// Requests that a recorded run has answered before: the engine's side of AnswerCache.
#include <fmt/format.h>

#include "base/canonical_json.h"
#include "base/record_writer.h"
#include "flow/engine.h"

namespace sb::flow {
namespace {

// Long conversations are hardly asked twice, and hashing them is not free.
constexpr std::size_t kMaxRequestBytes = std::size_t{64} << 10;

RecordJson hit_decision(const AnswerCache::Answer& answer, const model::Target& target) {
  RecordWriter out;
  out.begin_object().member("answer_of", RecordText::ours(answer.run.to_string())).key("attempts").begin_array();
  out.end_array().member("cache", "exact").member("chosen", RecordText::configured(answer.model));
  out.member("kind", "chat").member("target", RecordText::configured(target.name));
  return std::move(out.end_object()).take();
}

}  // namespace

std::optional<Digest> Engine::repeatable(const LiveRun& run, const TaskNode& task, const model::Target& target) const {
  if (!parts_.answers || run.profile != policy::JsonProfile::chat_request) return std::nullopt;
  // What was found belongs to somebody: without a name nobody can be told to be the same again.
  const bool found = !run.guard.inbound_types().empty() || run.guard.vault_used() || run.guard.needs_local();
  if (found && (run.row.subject.empty() || run.row.key.empty())) return std::nullopt;
  std::string request;
  if (run.input.text().size() > kMaxRequestBytes || !append_canonical_text(request, run.input.text()))
    return std::nullopt;
  const auto whose = found ? fmt::format("{} {}", run.row.key, run.row.subject) : std::string();
  const auto& flow = run.machine.flow();
  std::string all;
  for (const std::string_view part :
       {std::string_view(run.row.tenant), std::string_view(run.guard.policy_hash()), std::string_view(flow.hash),
        std::string_view(task.ref), std::string_view(target.name), std::string_view(whose)}) {
    all += fmt::format("{}:{}\n", part.size(), part);  // lengths: no two lists of parts read alike
  }
  return sha256(all, request);
}

Task<std::optional<Engine::CallResult>> Engine::answer_again(LiveRun& run, const model::Target& target) {
  const auto answer = parts_.answers->find(*run.request_hash, parts_.clock.now_us(), run.cache.max_age_us);
  if (!answer) co_return std::nullopt;
  const auto row = co_await parts_.store.load_run(answer->run);
  const bool there = row && !row->erased && row->tenant == run.row.tenant && row->status == store::RunStatus::completed;
  const auto key = there ? parts_.sealer.key_of(*row) : Result<std::string>();
  auto text = there && key ? Sealer::open(*key, row->id, place::kOutput, row->output) : Result<std::string>();
  if (!there || !key || !text || text->empty()) {
    parts_.answers->forget(*run.request_hash);
    co_return std::nullopt;
  }
  run.row.model = answer->model;
  run.answer_again = true;
  count_saving(run, answer->usage);
  CallResult result;
  result.decision = hit_decision(*answer, target);
  result.output = Data::from_text(*std::move(text));
  co_return result;
}

void Engine::remember_answer(const LiveRun& run) {
  if (!run.request_hash || run.cache.no_store || run.answer_again || run.answer_found || run.problem || run.repaired)
    return;
  parts_.answers->put(*run.request_hash, {run.row.id, run.row.model, run.answer_usage}, parts_.clock.now_us());
}

}  // namespace sb::flow
