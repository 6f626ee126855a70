/// One call on its way through a target's deployments: the order, the waits, the record. Private to the gateway.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/gateway.h"

namespace sb::model {

/// What the calls of one gateway share.
struct GatewayState {
  const Catalog& catalog;
  std::vector<std::unique_ptr<Provider>> providers;
  const Clock& clock;
  Sleeper& sleeper;
  Entropy& entropy;

  struct Line {
    explicit Line(const BreakerConfig& config) : breaker(config) {}
    Breaker breaker;
    DeploymentStats stats;
  };
  std::vector<Line> lines;  ///< by deployment

  /// Monotonic, in microseconds: breakers and deadlines must not follow a wall clock that jumps.
  Micros now_us() const {
    return std::chrono::duration_cast<std::chrono::microseconds>(clock.steady().time_since_epoch()).count();
  }
  void record(std::size_t deployment, Cause cause, Micros retry_after_us);
};

enum class Operation { chat, stream, embeddings };

/// What the successful attempt brought. For a stream its first chunk is already here.
struct Landed {
  ChatReply head;
  std::unique_ptr<ChatStream> stream;
  std::string first_chunk;
  std::size_t deployment = 0;
  std::vector<Attempt> attempts;
};

class GatewayCall {
 public:
  GatewayCall(GatewayState& state, const Target& target, ChatCall call, Operation operation);
  /// Once only.
  Task<ModelResult<Landed>> run();

 private:
  struct Candidate {
    std::size_t deployment;
    int tries = 0;
    Micros ready_at = 0;
    bool given_up = false;
  };

  /// True when the call is over: landed, or failed for good.
  Task<bool> try_group(const std::vector<Target::Candidate>& group, bool is_last);
  /// The candidate that may be tried first, or null.
  Candidate* next_candidate(std::vector<Candidate>& candidates) const;
  /// Waits until `candidate` may be tried; false if that is not worth it.
  Task<bool> wait_for(Candidate& candidate, bool is_last_group);
  Task<bool> attempt(Candidate& candidate);
  Task<Result<Landed>> call_once(const Deployment& deployment, Micros time_left_us);
  Task<Result<Landed>> whole_reply(const Deployment& deployment, ChatCall call, UpstreamModel model);
  Task<Result<Landed>> begin_stream(const Deployment& deployment, ChatCall call, UpstreamModel model);
  void pass_over(Candidate& candidate);
  void fail_with(const Deployment& deployment, Cause cause, const ChatReply* reply, const Error* error);
  Micros ready_at(const Candidate& candidate) const;
  Failure failure();

  GatewayState& state_;
  const Target& target_;
  ChatCall call_;
  Operation operation_;
  Micros deadline_us_;
  std::vector<Attempt> attempts_;
  std::optional<Landed> landed_;
  std::optional<Failure> failure_;
  Micros soonest_us_ = 0;  ///< when the first of the passed-over deployments is ready again; 0: none was
};

/// What an upstream refusal or fault means for the caller.
Failure make_failure(const Deployment& deployment, Cause cause, const ChatReply* reply, const Error* error);

}  // namespace sb::model
