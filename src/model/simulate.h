/// `signalbox simulate`: a model provider that is none, for demos, tests and load. Every answer says that it is
/// simulated.
///
/// It speaks the OpenAI wire format: /v1/chat/completions (streams, tools, json_schema, n, logprobs, usage),
/// /v1/embeddings, /v1/models and /healthz. Models called `sim-...` misbehave on purpose (see kSimulateHelp).
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/errors.h"
#include "base/task.h"
#include "http/server.h"

namespace sb::model {

/// One line of the answers file: used when the last user message holds `match`, letters' case aside.
struct ScriptedAnswer {
  std::string match;  ///< empty: matches every message
  std::string answer;
  std::string model{};                ///< asked for by this name alone; empty: by any
  std::string finish_reason{"stop"};  ///< "length": as if it had been cut
};

struct SimulateOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8089;
  std::string port_file;                     ///< the port is written there once the server listens
  std::vector<ScriptedAnswer> answers;       ///< first match wins
  std::chrono::milliseconds latency{0};      ///< before a whole answer
  std::chrono::milliseconds first_token{0};  ///< before a stream's first chunk; added to `latency`
  double tokens_per_second = 0;              ///< of streams, and of whole answers' length; 0: as fast as it goes
  double jitter = 0;                         ///< share by which every wait varies, 0..1
  double error_rate = 0;                     ///< share of requests answered with 500, 0..1
  std::uint64_t seed = 1;
  std::vector<std::string> models;  ///< listed by /v1/models; any name is served
  std::string journal;              ///< a JSON line per request is appended there
};

/// Errors: invalid_argument (unknown flag, with the nearest known one; a value out of range), not_found (answers file).
Result<SimulateOptions> parse_simulate_options(std::span<const std::string> args);

/// What the flags mean and which faults there are.
extern const std::string_view kSimulateHelp;

/// The simulator's request handler, for tests and benchmarks that bring their own server. Belongs to one shard.
class Simulator {
 public:
  /// Errors: unavailable (the journal cannot be opened).
  static Result<std::unique_ptr<Simulator>> create(asio::io_context& io, SimulateOptions options);
  virtual ~Simulator() = default;
  /// The simulator outlives the handler.
  virtual http::Handler handler() = 0;
};

/// The subcommand: runs until SIGTERM or SIGINT. Returns the exit status: 0, 1 (could not start), 2 (usage).
int simulate_command(std::span<const std::string> args);

}  // namespace sb::model
