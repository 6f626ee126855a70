#include "model/gateway.h"

#include <utility>

#include "model/error_body.h"
#include "model/gateway_call.h"
#include "model/retry.h"

namespace sb::model {
namespace {

class LandedStream final : public GatewayStream {
 public:
  LandedStream(GatewayState& state, Landed landed) : state_(state), landed_(std::move(landed)) {}

  Task<Result<std::optional<std::string>>> next() override {
    if (has_first_) {
      has_first_ = false;
      co_return std::optional<std::string>(std::move(landed_.first_chunk));
    }
    auto chunk = co_await landed_.stream->next();
    if (!chunk && !failure_) fail_with(chunk.error());
    co_return chunk;
  }

  bool is_ready() const override { return has_first_ || landed_.stream->is_ready(); }
  const http::Headers& headers() const override { return landed_.head.headers; }
  std::size_t deployment() const override { return landed_.deployment; }
  Failure failure() const override {
    if (!failure_) return {};
    Failure failure = *failure_;
    failure.attempts = attempts();
    return failure;
  }

  std::vector<Attempt> attempts() const override {
    auto attempts = landed_.attempts;
    attempts.back().usage = landed_.stream->usage();
    attempts.back().cost = cost_of(attempts.back().usage, deployment_config().price);
    return attempts;
  }

  Usage usage() const override {
    Usage usage;
    for (const auto& attempt : attempts()) usage += attempt.usage;
    return usage;
  }

  MicroMoney cost() const override {
    MicroMoney cost = 0;
    for (const auto& attempt : attempts()) cost += attempt.cost;
    return cost;
  }

 private:
  const Deployment& deployment_config() const { return state_.catalog.deployments()[landed_.deployment]; }

  void fail_with(const Error& error) {
    const Cause cause = cause_of_error(error.code);
    landed_.attempts.back().cause = cause;
    if (cause != Cause::cancelled) ++state_.lines[landed_.deployment].stats.failures;
    state_.record(landed_.deployment, cause, 0);
    failure_ = make_failure(deployment_config(), cause, nullptr, &error);
    if (const auto body = landed_.stream->error_body(); !body.empty()) failure_->body = body;
  }

  GatewayState& state_;
  Landed landed_;
  bool has_first_ = true;
  std::optional<Failure> failure_;
};

}  // namespace

struct ModelGateway::Impl {
  GatewayState state;

  Task<ModelResult<ChatOutcome>> whole(const Target& target, ChatCall call, Operation operation) {
    GatewayCall run(state, target, call, operation);
    auto landed = co_await run.run();
    if (!landed) co_return std::unexpected(std::move(landed).error());
    ChatOutcome outcome;
    outcome.deployment = landed->deployment;
    outcome.reply = std::move(landed->head);
    outcome.attempts = std::move(landed->attempts);
    for (const auto& attempt : outcome.attempts) {
      outcome.usage += attempt.usage;
      outcome.cost += attempt.cost;
    }
    co_return outcome;
  }
};

ModelGateway::ModelGateway(const Catalog& catalog, std::vector<std::unique_ptr<Provider>> providers, const Clock& clock,
                           Sleeper& sleeper, Entropy& entropy)
    : impl_(new Impl{GatewayState{catalog, std::move(providers), clock, sleeper, entropy, {}}}) {
  SB_ASSERT(impl_->state.providers.size() == catalog.providers().size());
  for (const auto& deployment : catalog.deployments()) {
    impl_->state.lines.emplace_back(catalog.providers()[deployment.provider].breaker);
  }
}

ModelGateway::~ModelGateway() = default;

Task<ModelResult<ChatOutcome>> ModelGateway::chat(const Target& target, ChatCall call) {
  return impl_->whole(target, call, Operation::chat);
}

Task<ModelResult<ChatOutcome>> ModelGateway::embeddings(const Target& target, ChatCall call) {
  return impl_->whole(target, call, Operation::embeddings);
}

Task<ModelResult<std::unique_ptr<GatewayStream>>> ModelGateway::chat_stream(const Target& target, ChatCall call) {
  GatewayCall run(impl_->state, target, call, Operation::stream);
  auto landed = co_await run.run();
  if (!landed) co_return std::unexpected(std::move(landed).error());
  std::unique_ptr<GatewayStream> stream = std::make_unique<LandedStream>(impl_->state, *std::move(landed));
  co_return stream;
}

const Catalog& ModelGateway::catalog() const {
  return impl_->state.catalog;
}

DeploymentStats ModelGateway::stats(std::size_t deployment) const {
  const auto& line = impl_->state.lines.at(deployment);
  DeploymentStats stats = line.stats;
  stats.state = line.breaker.state(impl_->state.now_us());
  return stats;
}

}  // namespace sb::model
