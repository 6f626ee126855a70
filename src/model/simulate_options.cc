#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>

#include "base/bytes.h"
#include "base/json.h"
#include "model/simulate.h"

namespace sb::model {

const std::string_view kSimulateHelp =
    R"(signalbox simulate: a model provider that is none. It speaks the OpenAI wire format, so that demos, tests and load runs
need no real provider. Every answer says that it is simulated (system_fingerprint, header x-signalbox-simulated).

usage: signalbox simulate [flags]
  --listen HOST:PORT       where to listen; port 0: any free one          (127.0.0.1:8089)
  --port-file FILE         writes the port there once it listens
  --answers FILE.jsonl     lines {"match": "words", "answer": "text"}: the first line whose match stands in the last user
                           message answers it; an empty match answers everything. "model": for requests that name it
                           alone; "finish_reason": another than stop, such as length
  --latency-ms N           waits before a whole answer, and before a stream  (0)
  --first-token-ms N       waits that much more before a stream's first chunk (0)
  --tokens-per-second N    the pace of streams and of whole answers          (0: at once)
  --jitter F               varies every wait by up to this share, 0..1       (0)
  --error-rate F           answers this share of requests with status 500    (0)
  --seed N                 of jitter and errors                              (1)
  --model NAME             listed by /v1/models; repeatable; any name is served (simulated-model)
  --journal FILE           appends one JSON line per request: time, idempotency key, model, body, status, output tokens

Models that misbehave, for tests:
  sim-error-500 sim-error-400 sim-429 (retry-after: 1)   that status, always
  sim-flaky             every second request fails with 500, the first one included
  sim-slow              first byte after --latency-ms, or 30 s
  sim-hang              never answers
  sim-garbage           status 200 with an HTML page
  sim-garbage-stream    a stream that turns into nonsense
  sim-break-stream      cuts the connection after three chunks
  sim-no-usage          tells no token counts
  sim-echo              answers with the last user message

Try: signalbox simulate & curl -s http://127.0.0.1:8089/v1/chat/completions -d \
     '{"model": "any", "messages": [{"role": "user", "content": "hello"}]}'
)";

namespace {

constexpr std::size_t kAnswersMax = 100'000;

template <class Number>
Result<Number> number(std::string_view flag, std::string_view text, Number low, Number high) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= low && value <= high) return value;
  return fail(Errc::invalid_argument, fmt::format("{}: \"{}\" is not a number in {}..{}", flag, text, low, high),
              std::string(flag));
}

Result<> set_milliseconds(std::string_view flag, std::string_view text, std::chrono::milliseconds& out) {
  SB_TRY(const auto value, number<std::int64_t>(flag, text, 0, 3'600'000));
  out = std::chrono::milliseconds(value);
  return {};
}

Result<> set_listen(std::string_view text, SimulateOptions& options) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) {
    return fail(Errc::invalid_argument, fmt::format("--listen: \"{}\" is not HOST:PORT", text), "--listen");
  }
  SB_TRY(options.port, number<std::uint16_t>("--listen", text.substr(colon + 1), 0, 65535));
  options.host = text.substr(0, colon);
  if (options.host.size() > 2 && options.host.front() == '[' && options.host.back() == ']') {
    options.host = options.host.substr(1, options.host.size() - 2);
  }
  return {};
}

Result<> load_answers(const std::string& path, std::vector<ScriptedAnswer>& answers) {
  std::ifstream file(path);
  if (!file) return fail(Errc::not_found, fmt::format("--answers: cannot read \"{}\"", path), "--answers");
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (trim(line).empty()) continue;
    const auto parsed = parse_json(line);
    const auto* answer = parsed ? find_member(*parsed, "answer") : nullptr;
    if (!answer || !answer->is_string() || answers.size() >= kAnswersMax) {
      return fail(
          Errc::invalid_argument,
          fmt::format("--answers: {}:{}: expected {{\"match\": \"...\", \"answer\": \"...\"}}, at most {} lines", path,
                      number, kAnswersMax),
          "--answers");
    }
    answers.push_back({to_lower(string_member(*parsed, "match")), std::string(string_member(*parsed, "answer")),
                       std::string(string_member(*parsed, "model")),
                       std::string(string_member(*parsed, "finish_reason", "stop"))});
  }
  return {};
}

Result<> set_flag(const std::string& flag, const std::string& value, SimulateOptions& options) {
  if (flag == "--listen") return set_listen(value, options);
  if (flag == "--port-file") return options.port_file = value, Result<>();
  if (flag == "--answers") return load_answers(value, options.answers);
  if (flag == "--latency-ms") return set_milliseconds(flag, value, options.latency);
  if (flag == "--first-token-ms") return set_milliseconds(flag, value, options.first_token);
  if (flag == "--model") return options.models.push_back(value), Result<>();
  if (flag == "--journal") return options.journal = value, Result<>();
  if (flag == "--tokens-per-second") {
    SB_TRY(options.tokens_per_second, number<double>(flag, value, 0, 1e6));
  } else if (flag == "--jitter") {
    SB_TRY(options.jitter, number<double>(flag, value, 0, 1));
  } else if (flag == "--error-rate") {
    SB_TRY(options.error_rate, number<double>(flag, value, 0, 1));
  } else {
    SB_TRY(options.seed, number<std::uint64_t>(flag, value, 0, ~std::uint64_t{0}));
  }
  return {};
}

}  // namespace

Result<SimulateOptions> parse_simulate_options(std::span<const std::string> args) {
  static const std::array<std::string, 12> kFlags = {
      "--listen", "--port-file",  "--answers", "--latency-ms", "--first-token-ms", "--tokens-per-second",
      "--jitter", "--error-rate", "--seed",    "--model",      "--journal",        "--help"};
  SimulateOptions options;
  for (std::size_t i = 0; i < args.size(); ++i) {
    std::string flag = args[i];
    std::optional<std::string> value;
    if (const auto equals = flag.find('='); equals != std::string::npos) {
      value = flag.substr(equals + 1);
      flag.resize(equals);
    }
    if (std::ranges::find(kFlags, flag) == kFlags.end()) {
      const auto near = nearest(flag, kFlags);
      return fail(Errc::invalid_argument,
                  fmt::format("simulate: unknown flag \"{}\"{}; see signalbox simulate --help", flag,
                              near ? fmt::format(", did you mean {}?", *near) : ""),
                  flag);
    }
    if (!value) {
      if (++i == args.size()) return fail(Errc::invalid_argument, fmt::format("{} needs a value", flag), flag);
      value = args[i];
    }
    SB_CHECK(set_flag(flag, *value, options));
  }
  if (options.models.empty()) options.models.emplace_back("simulated-model");
  return options;
}

}  // namespace sb::model
