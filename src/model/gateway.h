/// Tiers, retries, fallback, circuit breakers and costs over the providers: what a step calls to have a model answer.
///
/// One gateway per shard, on its io_context, not thread-safe; breakers are the shard's own, so a shard learns of a dead
/// deployment by itself. A call is bounded by `call_deadline` and by `attempts_max` tries per deployment. Time, waiting
/// and randomness come in through the constructor.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/errors.h"
#include "base/task.h"
#include "model/breaker.h"
#include "model/catalog.h"
#include "model/provider.h"

namespace sb::model {

/// Waits, really or in virtual time. Returns early where `cancel` fires.
class Sleeper {
 public:
  virtual ~Sleeper() = default;
  virtual Task<> sleep(std::chrono::microseconds duration, CancelSource* cancel) = 0;
};
std::unique_ptr<Sleeper> make_sleeper(asio::io_context& io);

/// One try at one deployment, for the run's record. No content.
struct Attempt {
  std::size_t deployment = 0;  ///< Deployment::index
  std::string name;            ///< Deployment::name
  int status = 0;              ///< HTTP status; 0: there was no answer
  Cause cause = Cause::ok;
  std::int64_t latency_us = 0;  ///< to the whole reply, or to a stream's first event
  Usage usage;
  MicroMoney cost = 0;
};

/// Why no deployment answered: the last upstream answer in full, and every attempt.
struct Failure {
  Error error;
  int status = 500;         ///< for the client
  std::string body;         ///< OpenAI error object; the provider's own, verbatim, where it was one
  std::string retry_after;  ///< the provider's own header, or seconds until a breaker lets calls through; or empty
  http::Headers headers;    ///< worth passing on
  std::vector<Attempt> attempts;
};

template <class T>
using ModelResult = std::expected<T, Failure>;

struct ChatOutcome {
  ChatReply reply;  ///< status 2xx
  std::size_t deployment = 0;
  std::vector<Attempt> attempts;  ///< the last one is the reply's
  Usage usage;                    ///< of all attempts
  MicroMoney cost = 0;            ///< of all attempts
};

/// A stream whose first event is there. Must not outlive the gateway, nor the ChatCall's views.
class GatewayStream {
 public:
  virtual ~GatewayStream() = default;

  /// As ChatStream::next; the first chunk comes at once. A failure after the first chunk is final: no fallback, since
  /// the caller has seen part of the answer.
  virtual Task<Result<std::optional<std::string>>> next() = 0;
  virtual bool is_ready() const = 0;  ///< as ChatStream's
  virtual const http::Headers& headers() const = 0;
  virtual std::size_t deployment() const = 0;
  /// The failure behind an error of `next`, with the provider's error object where there was one.
  virtual Failure failure() const = 0;

  /// Attempts, usage and cost so far: exact after the end, estimated from what has arrived after a cut or before.
  virtual std::vector<Attempt> attempts() const = 0;
  virtual Usage usage() const = 0;
  virtual MicroMoney cost() const = 0;
};

/// Totals since start, for the metrics.
struct DeploymentStats {
  std::uint64_t attempts = 0;
  std::uint64_t failures = 0;  ///< all causes but ok and cancelled
  std::uint64_t passed_over = 0;
  Breaker::State state = Breaker::State::closed;
};

class ModelGateway {
 public:
  /// `providers[i]` serves `catalog.providers()[i]`. References outlive the gateway.
  ModelGateway(const Catalog& catalog, std::vector<std::unique_ptr<Provider>> providers, const Clock& clock,
               Sleeper& sleeper, Entropy& entropy);
  ~ModelGateway();

  /// A whole answer (`call.stream` is ignored). `target` as `catalog.resolve` gave it.
  Task<ModelResult<ChatOutcome>> chat(const Target& target, ChatCall call);
  /// Returns when the first event has arrived: until then another deployment may take over.
  Task<ModelResult<std::unique_ptr<GatewayStream>>> chat_stream(const Target& target, ChatCall call);
  Task<ModelResult<ChatOutcome>> embeddings(const Target& target, ChatCall call);

  const Catalog& catalog() const;
  DeploymentStats stats(std::size_t deployment) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sb::model
