#include "simulation/simulated_models.h"

#include <boost/asio/basic_waitable_timer.hpp>

#include "base/json.h"

namespace sb::simulation {
namespace {

constexpr std::size_t kRunIdLength = 36;

model::ChatReply refusal(int status, std::string retry_after = {}) {
  model::ChatReply reply;
  reply.status = status;
  if (!retry_after.empty()) reply.headers.set("retry-after", retry_after);
  return reply;
}

model::ChatReply answer(std::string_view key, std::int64_t read, std::int64_t written) {
  model::ChatReply reply;
  reply.body = to_text(json::object{
      {"choices", json::array{json::object{
                      {"index", 0},
                      {"message", json::object{{"role", "assistant"}, {"content", fmt::format("answer to {}", key)}}},
                      {"finish_reason", "stop"}}}}});
  reply.usage = {read, 0, written, false};
  return reply;
}

}  // namespace

class SimulatedModels::One final : public model::Provider {
 public:
  explicit One(SimulatedModels& models) : models_(models) {}
  Task<Result<model::ChatReply>> chat(model::ChatCall call, model::UpstreamModel) override {
    return models_.chat(std::string(call.idempotency_key), std::string(call.body));
  }
  Task<Result<model::StreamStart>> chat_stream(model::ChatCall, model::UpstreamModel) override {
    co_return fail(Errc::unsupported, "the simulated provider has no streams");
  }
  Task<Result<model::ChatReply>> embeddings(model::ChatCall call, model::UpstreamModel upstream) override {
    return chat(call, upstream);
  }
  Task<Result<std::vector<std::string>>> list_models(CancelSource*) override { co_return std::vector<std::string>(); }

 private:
  SimulatedModels& models_;
};

std::unique_ptr<model::Provider> SimulatedModels::provider() {
  return std::make_unique<One>(*this);
}

// What happens is decided when the call arrives; who called may be dead when the answer is there.
Task<Result<model::ChatReply>> SimulatedModels::chat(std::string key, std::string body) {
  ++calls_;
  if (on_call) on_call(key, body);
  auto outcome = outcome_of(key, body);
  history_.add(fmt::format("call {}: {}", key, outcome ? fmt::format("{}", outcome->status) : outcome.error().detail));
  if (!outcome || outcome->status != 200) failed_.insert(key.substr(0, kRunIdLength));
  const Micros most = draws_.one_in(8) ? 20'000'000 : 1'500'000;
  asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor> latency(
      co_await asio::this_coro::executor, std::chrono::microseconds(draws_.between(1'000, most)));
  co_await latency.async_wait(use_task);
  if (outcome && outcome->status == 200 && on_answer) on_answer(key);
  co_return outcome;
}

Result<model::ChatReply> SimulatedModels::outcome_of(const std::string& key, const std::string& body) {
  if (never_.contains(key)) return refusal(400);
  const bool faulty = draws_.below(10) < faults_in_ten_;
  const std::uint64_t fault = faulty ? draws_.below(12) : 12;
  const auto read = model::estimate_input_tokens(body);
  if (fault < 3) return refusal(429, fmt::format("{}", 1 + draws_.below(5)));
  if (fault < 6) return refusal(500);
  if (fault < 8) return fail(Errc::unavailable, "no connection");
  const auto known = answers_.find(key);
  if (fault < 11) {
    bill_ += model::cost_of({read, 0, 0, true}, kPrice);
    return fail(Errc::upstream_timeout, "the answer was lost");
  }
  if (known != answers_.end()) return known->second;
  if (fault == 11) {
    never_.insert(key);
    return refusal(400);
  }
  auto made = answer(key, read, draws_.between(1, 60));
  bill_ += model::cost_of(made.usage, kPrice);
  return answers_.emplace(key, std::move(made)).first->second;
}

}  // namespace sb::simulation
