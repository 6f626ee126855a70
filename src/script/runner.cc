#include "script/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>

#include "base/log.h"
#include "script/worker_process.h"

namespace sb::script {
namespace {

std::string request(const Script& script, std::string_view input, std::size_t result_bytes_max) {
  const auto& source = std::get<JavaScript>(script.code).source;
  std::string frame;
  frame.reserve(20 + source.size() + input.size());
  append_u32(frame, static_cast<std::uint32_t>(16 + source.size() + input.size()));
  append_u32(frame, static_cast<std::uint32_t>(script.timeout_ms));
  append_u32(frame, static_cast<std::uint32_t>(script.memory_mib));
  append_u32(frame, static_cast<std::uint32_t>(result_bytes_max));
  append_u32(frame, static_cast<std::uint32_t>(source.size()));
  frame += source;
  frame += input;
  return frame;
}

Errc code_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::timeout:
      return Errc::deadline_exceeded;
    case Outcome::memory:
    case Outcome::too_large:
      return Errc::too_large;
    default:
      return Errc::invalid_argument;
  }
}

}  // namespace

struct ScriptRunner::Waiter {
  explicit Waiter(Executor executor) : timer(executor) {}
  ShardTimer timer;
  bool granted = false;
};

/// A worker on loan. Given back when the exchange went well; destroyed with the worker in every other case.
class ScriptRunner::Lease {
 public:
  Lease(ScriptRunner& runner, std::shared_ptr<WorkerProcess> worker) : runner_(&runner), worker_(std::move(worker)) {}
  Lease(Lease&& other) noexcept : runner_(std::exchange(other.runner_, nullptr)), worker_(std::move(other.worker_)) {}
  Lease& operator=(Lease&&) = delete;
  ~Lease() {
    if (runner_) runner_->give_back(healthy_ ? std::move(worker_) : nullptr);
  }
  WorkerProcess& worker() { return *worker_; }
  void keep() { healthy_ = true; }

 private:
  ScriptRunner* runner_;
  std::shared_ptr<WorkerProcess> worker_;
  bool healthy_ = false;
};

ScriptRunner::ScriptRunner(Executor executor, const ScriptRegistry& registry, RunnerOptions options)
    : executor_(executor), registry_(registry), options_(std::move(options)) {}

ScriptRunner::~ScriptRunner() = default;

Result<std::shared_ptr<WorkerProcess>> ScriptRunner::take_worker() {
  if (!idle_.empty()) {
    auto worker = std::move(idle_.back());
    idle_.pop_back();
    return worker;
  }
  SB_TRY(auto worker, WorkerProcess::start(executor_, options_.program, options_.arguments));
  ++counters_.workers_started;
  return worker;
}

void ScriptRunner::give_back(std::shared_ptr<WorkerProcess> worker) {
  if (worker && worker->calls() < options_.calls_per_worker) idle_.push_back(std::move(worker));
  worker.reset();
  // The right to a worker goes to whoever waits longest.
  if (waiting_.empty()) {
    --leased_;
    return;
  }
  auto* next = waiting_.front();
  waiting_.pop_front();
  next->granted = true;
  next->timer.cancel();
}

Task<Result<ScriptRunner::Lease>> ScriptRunner::acquire() {
  if (leased_ >= options_.workers_max) {
    if (waiting_.size() >= options_.queue_max) {
      ++counters_.refused;
      co_return fail(Errc::unavailable,
                     fmt::format("{} calls wait for a script worker already; try again later", options_.queue_max));
    }
    Waiter waiter(executor_);
    waiter.timer.expires_after(options_.queue_wait);
    waiting_.push_back(&waiter);
    boost::system::error_code ignored;
    co_await waiter.timer.async_wait(asio::redirect_error(use_task, ignored));
    if (!waiter.granted) {
      std::erase(waiting_, &waiter);
      ++counters_.refused;
      co_return fail(Errc::unavailable, fmt::format("no script worker was free within {} ms; try again later",
                                                    options_.queue_wait.count()));
    }
  } else {
    ++leased_;
  }
  auto worker = take_worker();
  if (!worker) {
    give_back(nullptr);
    co_return std::unexpected(worker.error());
  }
  co_return Lease(*this, *std::move(worker));
}

Task<Result<std::string>> ScriptRunner::call(const Script& script, std::string input) {
  ++counters_.calls;
  SB_CO_TRY(Lease lease, co_await acquire());
  const auto limit = std::chrono::milliseconds(script.timeout_ms) + options_.grace;
  std::string frame = request(script, input, options_.result_bytes_max);
  constexpr std::size_t kMessageBytes = 4096;
  auto answer = co_await lease.worker().exchange(std::move(frame), limit, options_.result_bytes_max + kMessageBytes);
  if (!answer) {
    ++counters_.workers_killed;
    log_warn("script.worker_replaced", {{"script", script.name}, {"reason", answer.error().detail}});
    co_return fail(answer.error().code, fmt::format("script {}: {}", script.name, answer.error().detail));
  }
  lease.keep();
  if (answer->outcome == Outcome::result) co_return std::move(answer->text);
  co_return fail(code_of(answer->outcome), fmt::format("script {}: {}", script.name, answer->text));
}

Task<Result<json::value>> ScriptRunner::run(std::string name, json::value input) {
  SB_CO_TRY(const Script* script, registry_.get(name));
  if (script->kind != ScriptKind::javascript) co_return ScriptRegistry::evaluate(*script, input);
  co_return co_await run_javascript(*script, std::move(input));
}

Task<Result<json::value>> ScriptRunner::run_javascript(Script script, json::value input) {
  std::string text = to_text(input);
  if (text.size() > options_.input_bytes_max)
    co_return fail(Errc::too_large,
                   fmt::format("script {}: the input is over {} bytes", script.name, options_.input_bytes_max));
  SB_CO_TRY(const std::string result, co_await call(script, std::move(text)));
  auto value = parse_json(result);
  if (!value)
    co_return fail(Errc::invalid_argument,
                   fmt::format("script {}: its result is no JSON we take: {}", script.name, value.error().detail));
  co_return *std::move(value);
}

Task<Result<>> ScriptRunner::verify() {
  for (const auto& [name, script] : registry_.scripts()) {
    if (script.kind != ScriptKind::javascript) continue;
    SB_CO_CHECK(co_await call(script, {}));
  }
  co_return Result<>();
}

}  // namespace sb::script
