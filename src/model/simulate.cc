#include "model/simulate.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/log.h"
#include "http/sse.h"
#include "model/error_body.h"
#include "model/gateway.h"
#include "model/simulate_answer.h"

namespace sb::model {
namespace {

using std::chrono::microseconds;

constexpr std::size_t kJournalBodyMax = 1 << 20;
constexpr std::chrono::seconds kSlowFirstByte{30};
constexpr std::chrono::minutes kHang{10};
constexpr std::size_t kBreakAfterChunks = 3;
constexpr std::string_view kPage = "<!doctype html><html><body><h1>Simulated gateway page</h1></body></html>\n";

http::Headers simulated_headers(std::string_view content_type) {
  http::Headers headers;
  headers.add("content-type", std::string(content_type));
  headers.add("x-signalbox-simulated", "true");
  return headers;
}

// One line per request, one write(2) each, so that lines of several processes never mix.
class Journal {
 public:
  Journal() = default;
  ~Journal() {
    if (file_ >= 0) ::close(file_);
  }
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  Result<> open(const std::string& path) {
    file_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file_ >= 0) return {};
    return fail(Errc::unavailable, fmt::format("--journal: cannot append to \"{}\": {}", path, std::strerror(errno)));
  }

  void append(const http::Request& request, std::string_view body, std::string_view model, int status,
              std::size_t output_tokens) {
    if (file_ < 0) return;
    std::string line = fmt::format(R"({{"time":"{}","path":)", rfc3339(system_clock().now_us()));
    append_json_string(line, request.path);
    line += R"(,"idempotency_key":)";
    append_json_string(line, request.headers.get("idempotency-key"));
    line += R"(,"model":)";
    append_json_string(line, model);
    line += fmt::format(R"(,"status":{},"output_tokens":{},"body":)", status, output_tokens);
    append_json_string(line, body.substr(0, kJournalBodyMax));
    line += "}\n";
    if (::write(file_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
      log_warn("simulate.journal_failed", {{"errno", errno}});
    }
  }

 private:
  int file_ = -1;
};

class SimulatorImpl final : public Simulator {
 public:
  SimulatorImpl(asio::io_context& io, SimulateOptions options)
      : options_(std::move(options)), sleeper_(make_sleeper(io)), random_(options_.seed) {
    for (auto& line : options_.answers) line.match = to_lower(line.match);
    if (options_.models.empty()) options_.models.emplace_back("simulated-model");
  }

  Result<> open_journal() { return options_.journal.empty() ? Result<>() : journal_.open(options_.journal); }

  http::Handler handler() override {
    return [this](http::Exchange& exchange) { return serve(exchange); };
  }

 private:
  Task<void> serve(http::Exchange& exchange) {
    const auto& request = exchange.request();
    if (request.path == "/healthz") co_return co_await answer(exchange, 200, R"({"status":"ok"})");
    if (request.path == "/v1/models" && request.method == "GET") {
      co_return co_await answer(exchange, 200, models_body(options_.models));
    }
    const bool is_chat = request.path == "/v1/chat/completions";
    if (!is_chat && request.path != "/v1/embeddings") {
      co_return co_await refuse(exchange, Error(Errc::not_found, "the simulator has no such path; see --help"));
    }
    if (request.method != "POST") {
      co_return co_await refuse(exchange, Error(Errc::invalid_argument, "this path takes POST"));
    }
    if (is_chat)
      co_await chat(exchange);
    else
      co_await embeddings(exchange);
  }

  Task<void> embeddings(http::Exchange& exchange) {
    const std::string body = exchange.take_body();
    auto reply = embeddings_body(body);
    journal_.append(exchange.request(), body, {}, reply ? 200 : 400, 0);
    if (!reply) co_return co_await refuse(exchange, reply.error());
    co_await pause(options_.latency, exchange);
    co_await answer(exchange, 200, *std::move(reply));
  }

  Task<void> chat(http::Exchange& exchange) {
    const std::string body = exchange.take_body();
    const auto request = read_simulated_request(body);
    if (!request) {
      journal_.append(exchange.request(), body, {}, 400, 0);
      co_return co_await refuse(exchange, request.error());
    }
    if (const int status = planned_status(request->model); status != 200) {
      journal_.append(exchange.request(), body, request->model, status, 0);
      co_await pause(options_.latency, exchange);
      co_return co_await refuse_with(exchange, status);
    }
    SimulatedAnswer answer;
    answer_request(*request, options_.answers, answer);
    const bool breaks = request->model == "sim-break-stream";
    const std::size_t tokens = breaks ? std::min(answer.tokens.size(), kBreakAfterChunks - 1) : answer.tokens.size();
    journal_.append(exchange.request(), body, request->model, 200, tokens);
    co_await pause(request->model == "sim-hang"                                ? kHang
                   : request->model == "sim-slow" && !options_.latency.count() ? microseconds(kSlowFirstByte)
                                                                               : microseconds(options_.latency),
                   exchange);
    if (exchange.disconnect().cancelled()) co_return exchange.abort();
    if (request->model == "sim-garbage") co_return co_await respond(exchange, 200, "text/html", std::string(kPage));
    const SimulatedFrame frame{fmt::format("chatcmpl-sim-{}", ++served_), system_clock().now_us() / 1'000'000,
                               request->model};
    if (request->stream)
      co_await stream(exchange, *request, answer, frame);
    else
      co_await whole(exchange, *request, answer, frame);
  }

  int planned_status(std::string_view model) {
    if (model == "sim-error-500") return 500;
    if (model == "sim-error-400") return 400;
    if (model == "sim-429") return 429;
    if (model == "sim-flaky") return ++flaky_ % 2 == 1 ? 500 : 200;
    return options_.error_rate > 0 && random_.next_unit() < options_.error_rate ? 500 : 200;
  }

  Task<void> whole(http::Exchange& exchange, const SimulatedRequest& request, const SimulatedAnswer& answer_,
                   const SimulatedFrame& frame) {
    std::string body = completion_body(frame, request, answer_, request.model != "sim-no-usage");
    if (options_.tokens_per_second > 0) {
      co_await pause(microseconds(static_cast<std::int64_t>(static_cast<double>(answer_.tokens.size()) * 1e6 /
                                                            options_.tokens_per_second)),
                     exchange);
    }
    if (request.model != "sim-break-stream") co_return co_await answer(exchange, 200, std::move(body));
    (void)co_await exchange.begin_stream(200, simulated_headers("application/json"));
    (void)co_await exchange.write(std::string_view(body).substr(0, body.size() / 2));
    exchange.abort();
  }

  // One frame a chunk; false when the stream must stop (client gone, or cut on purpose).
  Task<bool> send(http::Exchange& exchange, const std::string& payload, bool breaks, std::size_t& sent) {
    if (breaks && sent == kBreakAfterChunks) {
      exchange.abort();
      co_return false;
    }
    ++sent;
    const std::string frame = http::sse_frame(payload);
    co_return (co_await exchange.write(frame)).has_value();
  }

  Task<void> stream(http::Exchange& exchange, const SimulatedRequest& request, const SimulatedAnswer& answer_,
                    const SimulatedFrame& frame) {
    const bool breaks = request.model == "sim-break-stream";
    const bool usage = request.include_usage && request.model != "sim-no-usage";
    const ChunkWriter writer(frame, usage);
    std::size_t sent = 0;
    co_await pause(options_.first_token, exchange);
    if (!(co_await exchange.begin_stream(200, simulated_headers("text/event-stream")))) co_return;
    for (int choice = 0; choice < request.n; ++choice) {
      if (!co_await send(exchange, writer.first(choice, answer_), breaks, sent)) co_return;
    }
    if (request.model == "sim-garbage-stream") {
      if (co_await exchange.write("data: {\"choices\": [nonsense\n\n")) (void)co_await exchange.end_stream();
      co_return;
    }
    for (std::size_t i = 0; i < answer_.tokens.size(); ++i) {
      if (options_.tokens_per_second > 0) {
        co_await pause(microseconds(static_cast<std::int64_t>(1e6 / options_.tokens_per_second)), exchange);
      }
      for (int choice = 0; choice < request.n; ++choice) {
        if (!co_await send(exchange, writer.token(choice, answer_, i, request.logprobs), breaks, sent)) co_return;
      }
    }
    for (int choice = 0; choice < request.n; ++choice) {
      if (!co_await send(exchange, writer.last(choice, answer_), breaks, sent)) co_return;
    }
    if (usage && !co_await send(exchange, writer.usage(request, answer_), breaks, sent)) co_return;
    if (breaks) co_return exchange.abort();
    if (co_await exchange.write("data: [DONE]\n\n")) (void)co_await exchange.end_stream();
  }

  Task<void> pause(microseconds duration, http::Exchange& exchange) {
    if (duration.count() <= 0) co_return;
    const double factor = 1 + options_.jitter * (2 * random_.next_unit() - 1);
    co_await sleeper_->sleep(microseconds(static_cast<std::int64_t>(static_cast<double>(duration.count()) * factor)),
                             &exchange.disconnect());
  }

  static Task<void> respond(http::Exchange& exchange, int status, std::string_view type, std::string body) {
    http::Response response;
    response.status = status;
    response.headers = simulated_headers(type);
    response.body = std::move(body);
    (void)co_await exchange.respond(std::move(response));
  }

  static Task<void> answer(http::Exchange& exchange, int status, std::string body) {
    return respond(exchange, status, "application/json", std::move(body));
  }

  static Task<void> refuse(http::Exchange& exchange, Error error) {
    return answer(exchange, http_status(error.code), openai_error_body(error));
  }

  static Task<void> refuse_with(http::Exchange& exchange, int status) {
    http::Response response;
    response.status = status;
    response.headers = simulated_headers("application/json");
    if (status == 429) response.headers.add("retry-after", "1");
    response.body = openai_error_body(Error(status == 429   ? Errc::rate_limited
                                            : status == 400 ? Errc::invalid_argument
                                                            : Errc::internal,
                                            fmt::format("simulated failure with status {}", status)));
    (void)co_await exchange.respond(std::move(response));
  }

  SimulateOptions options_;
  std::unique_ptr<Sleeper> sleeper_;
  SeededEntropy random_;
  Journal journal_;
  std::uint64_t served_ = 0;
  std::uint64_t flaky_ = 0;
};

}  // namespace

Result<std::unique_ptr<Simulator>> Simulator::create(asio::io_context& io, SimulateOptions options) {
  auto simulator = std::make_unique<SimulatorImpl>(io, std::move(options));
  SB_CHECK(simulator->open_journal());
  return simulator;
}

}  // namespace sb::model
