#include "model/gateway_call.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "model/error_body.h"
#include "model/retry.h"

namespace sb::model {
namespace {

// With a fallback at hand nobody waits longer than this for a better deployment.
constexpr Micros kWaitBeforeFallbackUs = 1'000'000;

Failure own_failure(Error error) {
  Failure failure;
  failure.status = http_status(error.code);
  failure.body = openai_error_body(error);
  failure.error = std::move(error);
  return failure;
}

std::string whole_seconds(Micros duration_us) {
  return fmt::format("{}", std::max<Micros>((duration_us + 999'999) / 1'000'000, 1));
}

Error error_of(const Deployment& deployment, Cause cause, const ChatReply* reply, const Error* error) {
  if (error) {
    const Errc code = cause == Cause::timeout ? Errc::upstream_timeout : error->code;
    return Error(code, fmt::format("deployment \"{}\": {}", deployment.name, error->detail), error->param);
  }
  if (cause == Cause::bad_credentials) {
    return Error(Errc::upstream_error,
                 fmt::format("deployment \"{}\" refuses the configured API key (status {}): check "
                             "the provider's api_key",
                             deployment.name, reply->status));
  }
  if (cause == Cause::invalid) {
    return Error(Errc::upstream_invalid,
                 fmt::format("deployment \"{}\" answered with status {}", deployment.name, reply->status));
  }
  return Error(errc_of_status(reply->status),
               fmt::format("deployment \"{}\" answered with status {}", deployment.name, reply->status));
}

}  // namespace

void GatewayState::record(std::size_t deployment, Cause cause, Micros retry_after_us) {
  auto& line = lines[deployment];
  const Micros now = now_us();
  const auto before = line.breaker.state(now);
  line.breaker.record(cause, now, retry_after_us);
  const auto after = line.breaker.state(now);
  if (before == after) return;
  const auto& name = catalog.deployments()[deployment].name;
  if (after == Breaker::State::open || after == Breaker::State::misconfigured) {
    log_warn(
        "model.deployment_left_alone",
        {{"deployment", name}, {"cause", to_string(cause)}, {"for_ms", (line.breaker.ready_at(now) - now) / 1000}});
  } else if (after == Breaker::State::closed) {
    log_info("model.deployment_back", {{"deployment", name}});
  }
}

Failure make_failure(const Deployment& deployment, Cause cause, const ChatReply* reply, const Error* error) {
  Failure failure = own_failure(error_of(deployment, cause, reply, error));
  if (!reply || cause == Cause::bad_credentials || cause == Cause::invalid) return failure;
  failure.status = reply->status;
  if (!reply->body.empty()) failure.body = reply->body;
  failure.retry_after = reply->headers.get("retry-after");
  failure.headers = reply->headers;
  return failure;
}

GatewayCall::GatewayCall(GatewayState& state, const Target& target, ChatCall call, Operation operation)
    : state_(state),
      target_(target),
      call_(call),
      operation_(operation),
      deadline_us_(state.now_us() + to_us(state.catalog.call_deadline())) {}

Task<ModelResult<Landed>> GatewayCall::run() {
  for (std::size_t g = 0; g < target_.groups.size(); ++g) {
    if (co_await try_group(target_.groups[g], g + 1 == target_.groups.size())) break;
  }
  if (!landed_) co_return std::unexpected(failure());
  landed_->attempts = std::move(attempts_);
  co_return std::move(*landed_);
}

Task<bool> GatewayCall::try_group(const std::vector<Target::Candidate>& group, bool is_last) {
  std::vector<Candidate> candidates;
  for (const std::size_t deployment : draw_order(group, state_.entropy)) candidates.push_back({deployment});
  while (Candidate* candidate = next_candidate(candidates)) {
    const bool worth_it = co_await wait_for(*candidate, is_last);
    if (call_.cancel && call_.cancel->cancelled()) {
      failure_ = own_failure(Error(Errc::cancelled, "the caller went away"));
      co_return true;
    }
    if (!worth_it) {
      pass_over(*candidate);
      continue;
    }
    // Meanwhile another call may have been told to wait longer: then so does this one, if that is worth it.
    if (!state_.lines[candidate->deployment].breaker.allow(state_.now_us())) continue;
    if (co_await attempt(*candidate)) co_return true;
  }
  co_return false;
}

GatewayCall::Candidate* GatewayCall::next_candidate(std::vector<Candidate>& candidates) const {
  Candidate* best = nullptr;
  for (auto& candidate : candidates) {
    if (!candidate.given_up && (!best || ready_at(candidate) < ready_at(*best))) best = &candidate;
  }
  return best;
}

Micros GatewayCall::ready_at(const Candidate& candidate) const {
  // Now or earlier is all the same: then the drawn order decides.
  const Micros now = state_.now_us();
  return std::max({now, candidate.ready_at, state_.lines[candidate.deployment].breaker.ready_at(now)});
}

Task<bool> GatewayCall::wait_for(Candidate& candidate, bool is_last_group) {
  const Micros now = state_.now_us();
  const Micros ready = ready_at(candidate);
  if (now >= deadline_us_) co_return false;
  if (ready <= now) co_return true;
  const auto& config = state_.catalog.providers()[state_.catalog.deployments()[candidate.deployment].provider];
  const auto breaker = state_.lines[candidate.deployment].breaker.state(now);
  const Micros longest = is_last_group ? to_us(config.retries.retry_after_max)
                                       : std::min(kWaitBeforeFallbackUs, to_us(config.retries.retry_after_max));
  if (breaker == Breaker::State::open || breaker == Breaker::State::misconfigured || ready - now > longest ||
      ready >= deadline_us_) {
    co_return false;
  }
  co_await state_.sleeper.sleep(std::chrono::microseconds(ready - now), call_.cancel);
  co_return true;
}

void GatewayCall::pass_over(Candidate& candidate) {
  candidate.given_up = true;
  const Micros ready = ready_at(candidate);
  soonest_us_ = soonest_us_ == 0 ? ready : std::min(soonest_us_, ready);
  if (candidate.tries > 0) return;
  ++state_.lines[candidate.deployment].stats.passed_over;
  Attempt record;
  record.deployment = candidate.deployment;
  record.name = state_.catalog.deployments()[candidate.deployment].name;
  record.cause = Cause::passed_over;
  attempts_.push_back(std::move(record));
}

Task<bool> GatewayCall::attempt(Candidate& candidate) {
  const auto& deployment = state_.catalog.deployments()[candidate.deployment];
  const auto& config = state_.catalog.providers()[deployment.provider];
  const Micros begun = state_.now_us();
  ++candidate.tries;
  auto landed = co_await call_once(deployment, deadline_us_ - begun);
  const Micros now = state_.now_us();

  Attempt record;
  record.deployment = deployment.index;
  record.name = deployment.name;
  record.latency_us = now - begun;
  record.status = landed ? landed->head.status : 0;
  const bool own_key = call_.caller_key.empty();
  record.cause = landed ? cause_of_status(landed->head.status, own_key) : cause_of_error(landed.error().code);
  if (record.cause == Cause::ok) {
    record.usage = landed->head.usage;
  } else if (!landed && was_read(record.cause) && !call_.body.empty()) {
    record.usage = {estimate_input_tokens(call_.body), 0, 0, true};
  }
  record.cost = cost_of(record.usage, deployment.price);
  const Cause cause = record.cause;
  attempts_.push_back(std::move(record));

  const auto asked = landed ? retry_after(landed->head.headers, state_.clock.now_us()) : std::nullopt;
  state_.record(deployment.index, cause, asked ? asked->count() : 0);
  auto& stats = state_.lines[deployment.index].stats;
  ++stats.attempts;
  if (cause == Cause::ok) {
    landed_ = *std::move(landed);
    co_return true;
  }
  if (cause != Cause::cancelled) ++stats.failures;
  fail_with(deployment, cause, landed ? &landed->head : nullptr, landed ? nullptr : &landed.error());
  if (!is_fallback(cause)) co_return true;
  if (!is_retriable(cause) || candidate.tries >= config.retries.attempts_max) {
    candidate.given_up = true;
  } else {
    const Micros pause = backoff(config.retries, candidate.tries, state_.entropy).count();
    candidate.ready_at = now + std::max<Micros>(pause, asked ? asked->count() : 0);
  }
  co_return false;
}

Task<Result<Landed>> GatewayCall::call_once(const Deployment& deployment, Micros time_left_us) {
  ChatCall call = call_;
  call.stream = operation_ == Operation::stream;
  if (state_.catalog.providers()[deployment.provider].report_requested_model && call.reported_model.empty()) {
    call.reported_model = target_.name;
  }
  const UpstreamModel model{deployment.upstream, std::chrono::milliseconds(std::max<Micros>(time_left_us / 1000, 1))};
  return call.stream ? begin_stream(deployment, call, model) : whole_reply(deployment, call, model);
}

Task<Result<Landed>> GatewayCall::whole_reply(const Deployment& deployment, ChatCall call, UpstreamModel model) {
  auto& provider = *state_.providers[deployment.provider];
  auto reply =
      operation_ == Operation::chat ? co_await provider.chat(call, model) : co_await provider.embeddings(call, model);
  if (!reply) co_return std::unexpected(std::move(reply).error());
  Landed landed;
  landed.deployment = deployment.index;
  landed.head = *std::move(reply);
  co_return landed;
}

Task<Result<Landed>> GatewayCall::begin_stream(const Deployment& deployment, ChatCall call, UpstreamModel model) {
  auto start = co_await state_.providers[deployment.provider]->chat_stream(call, model);
  if (!start) co_return std::unexpected(std::move(start).error());
  Landed landed;
  landed.deployment = deployment.index;
  landed.head = std::move(start->head);
  landed.stream = std::move(start->stream);
  if (!landed.stream) co_return landed;
  auto first = co_await landed.stream->next();
  if (!first) {
    if (first.error().code == Errc::upstream_error && !landed.stream->error_body().empty()) {
      // An error in place of the first chunk is an answer, only with the wrong status.
      landed.head.status = 502;
      landed.head.body = landed.stream->error_body();
      landed.stream.reset();
      co_return landed;
    }
    co_return std::unexpected(std::move(first).error());
  }
  if (!*first) co_return fail(Errc::upstream_invalid, "the stream ended before its first chunk");
  landed.first_chunk = **std::move(first);
  co_return landed;
}

void GatewayCall::fail_with(const Deployment& deployment, Cause cause, const ChatReply* reply, const Error* error) {
  // What one provider's protocol cannot say is a weaker story than what another one answered.
  if (cause == Cause::unsupported && failure_) return;
  failure_ = make_failure(deployment, cause, reply, error);
}

Failure GatewayCall::failure() {
  const Micros now = state_.now_us();
  if (!failure_) {
    failure_ = own_failure(Error(now >= deadline_us_ ? Errc::deadline_exceeded : Errc::unavailable,
                                 fmt::format("no deployment of \"{}\" takes calls at the moment", target_.name)));
  }
  const bool comes_back = failure_->status == 429 || failure_->status >= 500;
  if (failure_->retry_after.empty() && comes_back && soonest_us_ > now) {
    failure_->retry_after = whole_seconds(soonest_us_ - now);
  }
  failure_->attempts = std::move(attempts_);
  return *std::move(failure_);
}

}  // namespace sb::model
