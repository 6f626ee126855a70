// What lies sealed on disk, in clear again: for the answer that is given once more, and for whoever may look at it.
#include <fmt/format.h>

#include "base/bytes.h"
#include "base/json.h"
#include "flow/engine.h"

namespace sb::flow {

Result<> Engine::unseal(store::RunRow& row) const {
  return parts_.sealer.unseal(row);
}

Result<> Engine::unseal(const store::RunRow& row, std::vector<store::StepRow>& steps) const {
  return parts_.sealer.unseal(row, steps);
}

policy::OpenedText Engine::reveal(std::string_view tenant, std::string_view text) const {
  return policy::open_values(parts_.tenant_keys.value_keys(tenant), text);
}

Result<std::shared_ptr<LiveRun>> Engine::reopen(store::RunRow row, bool may_restore) {
  SB_CHECK(unseal(row));
  SB_TRY(auto flow, parts_.flows.find_id(row.flow));
  GuardSession guard(parts_.policy(), {row.tenant, row.key, row.flow, {}, {}, may_restore}, {});
  SB_CHECK(guard.load_vault(row.vault));
  Machine machine(flow, {row.id.to_string(), row.created_us, {}}, Data());
  if (row.erased) return fail(Errc::not_found, fmt::format("the content of run {} was erased", row.id.to_string()));
  SB_TRY(std::string data_key, parts_.sealer.key_of(row));
  auto run = std::make_shared<LiveRun>(std::move(row), std::move(machine), std::move(guard));
  run->data_key = std::move(data_key);
  run->guard.read_request(run->row.input);  // an answer that was asked for as JSON is restored as JSON
  run->output = Data::from_text(run->row.output);
  if (!run->row.error.empty()) {
    const auto error = parse_json(run->row.error).value_or(nullptr);
    run->problem = Problem::from_json(error);
    run->error_code = errc_of(string_member(error, "code"));
  }
  return run;
}

Task<std::vector<std::string>> Engine::stored_events(const LiveRun& run) {
  std::vector<std::string> events;
  auto chunks = co_await parts_.store.load_chunks(run.row.id, 0);
  if (!chunks) co_return events;
  const auto restorer = run.guard.stream_restorer();
  for (const auto& chunk : *chunks) {
    auto opened = Sealer::open(run.data_key, run.row.id, place::chunk(chunk.first_event), chunk.data);
    // A second attempt after a crash was not streamed: what the first one journaled is not the answer.
    if (!opened || chunk.first_event != events.size()) co_return std::vector<std::string>();
    for (const auto line : split(*opened, '\n'))
      events.push_back(restorer ? restorer->restore(line) : std::string(line));
  }
  if (events.empty() || events.back() != kStreamEnd) co_return std::vector<std::string>();
  events.pop_back();
  co_return events;
}

json::value Engine::open_question(const store::ReviewRow& review, const store::RunRow& run) const {
  const auto key = parts_.sealer.key_of(run);
  if (!key) return nullptr;
  return parse_json(Sealer::open(*key, review.run, place::question(review.id), review.question).value_or("null"))
      .value_or(nullptr);
}

}  // namespace sb::flow
