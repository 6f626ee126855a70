#include "model/simulate.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <filesystem>
#include <fstream>

#include "base/bytes.h"
#include "base/json.h"
#include "model/error_body.h"
#include "model/gateway.h"
#include "model/schema_instance.h"

namespace sb::model {
namespace {

using std::chrono::milliseconds;

// The real simulator behind the real server, asked by the real provider over loopback.
class Simulated : public ::testing::Test {
 protected:
  // Only the models that never answer are given a short time: a busy machine must not fail the other tests.
  void serve(SimulateOptions options = {}, milliseconds first_byte = milliseconds(20'000)) {
    simulator_ = *Simulator::create(io_, std::move(options));
    http::ServerOptions listen;
    server_ = *http::Server::create(io_, listen, simulator_->handler());
    server_->start();
    client_ = http::Client::create(io_, {});
    config_.name = "sim";
    config_.base_url = "http://127.0.0.1:" + std::to_string(server_->port()) + "/v1";
    config_.timeouts.first_byte = first_byte;
    provider_ = make_provider(config_, *client_, system_clock());
  }

  template <class T>
  T run(Task<T> task) {
    std::optional<T> result;
    asio::co_spawn(io_.get_executor(), std::move(task), [&](std::exception_ptr error, T value) {
      EXPECT_FALSE(error);
      result = std::move(value);
    });
    io_.restart();
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!result && std::chrono::steady_clock::now() < limit) io_.run_one_until(limit);
    EXPECT_TRUE(result.has_value()) << "the test did not finish";
    return result ? *std::move(result) : T(std::unexpected(Error(Errc::internal, "hung")));
  }

  ChatCall call(const char* body = R"({"model":"x","messages":[{"role":"user","content":"hello there"}]})") {
    ChatCall call;
    call.body = body;
    return call;
  }
  Result<ChatReply> chat(std::string_view model) { return run(provider_->chat(call(), {model})); }
  Result<ChatReply> chat(const char* body, std::string_view model) { return run(provider_->chat(call(body), {model})); }

  struct Streamed {
    std::vector<json::value> chunks;
    bool ended = false;
    std::optional<Error> error;
    Usage usage;
    int status = 0;
  };
  Streamed stream(std::string_view model, bool want_usage = false) {
    ChatCall asked = call();
    asked.want_usage = want_usage;
    Streamed streamed;
    auto start = run(provider_->chat_stream(asked, {model}));
    if (!start) {
      streamed.error = start.error();
      return streamed;
    }
    streamed.status = start->head.status;
    while (start->stream && !streamed.ended && !streamed.error) {
      auto chunk = run(start->stream->next());
      if (!chunk)
        streamed.error = chunk.error();
      else if (!*chunk)
        streamed.ended = true;
      else
        streamed.chunks.push_back(*parse_json(**chunk));
    }
    if (start->stream) streamed.usage = start->stream->usage();
    return streamed;
  }

  asio::io_context io_;
  ProviderConfig config_;
  std::unique_ptr<Simulator> simulator_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<http::Client> client_;
  std::unique_ptr<Provider> provider_;
};

std::string text_of(const ChatReply& reply) {
  return std::string(parse_json(reply.body)->at("choices").at(0).at("message").at("content").get_string());
}

TEST_F(Simulated, EveryAnswerSaysThatItIsSimulated) {
  serve();
  const auto reply = chat("any-model");
  ASSERT_TRUE(reply) << reply.error().detail;
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->headers.get("x-signalbox-simulated"), "true");
  EXPECT_EQ(parse_json(reply->body)->at("system_fingerprint"), "signalbox-simulated");
  EXPECT_NE(text_of(*reply).find("simulated"), std::string::npos);
  EXPECT_FALSE(reply->usage.estimated);
  EXPECT_GT(reply->usage.output_tokens, 0);
}

TEST_F(Simulated, StreamAndWholeAnswerSayTheSame) {
  serve();
  const auto whole = chat("m");
  const auto streamed = stream("m", true);
  ASSERT_TRUE(whole);
  ASSERT_TRUE(streamed.ended && !streamed.chunks.empty());
  std::string text;
  for (const auto& chunk : streamed.chunks) {
    EXPECT_EQ(chunk.at("system_fingerprint"), "signalbox-simulated");
    for (const auto& choice : chunk.at("choices").get_array()) text += string_member(choice.at("delta"), "content");
  }
  EXPECT_EQ(text, text_of(*whole));
  EXPECT_EQ(streamed.usage, whole->usage);
  EXPECT_TRUE(find_member(streamed.chunks.back(), "usage")->is_object());
}

TEST_F(Simulated, TheUsageChunkIsOursAloneUnlessTheCallerAsked) {
  serve();
  const auto streamed = stream("m", false);
  ASSERT_TRUE(streamed.ended);
  EXPECT_FALSE(streamed.usage.estimated);
  for (const auto& chunk : streamed.chunks) EXPECT_FALSE(chunk.at("choices").get_array().empty());
}

TEST_F(Simulated, ConnectionsOfFinishedStreamsAreUsedAgain) {
  serve();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(stream("m").ended);
    ASSERT_TRUE(chat("m"));  // gives the background read its turn
  }
  EXPECT_LE(server_->connections(), 2U);
}

struct FaultCase {
  const char* model;
  int status;  ///< 0: no answer
  Errc code;   ///< of the missing answer
};
class Fault : public Simulated, public ::testing::WithParamInterface<FaultCase> {};
TEST_P(Fault, IsToldForWhatItIs) {
  serve({}, milliseconds(GetParam().code == Errc::upstream_timeout ? 100 : 20'000));
  const auto reply = chat(GetParam().model);
  const auto streamed = stream(GetParam().model);
  if (GetParam().status == 0) {
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, GetParam().code) << reply.error().detail;
    ASSERT_TRUE(streamed.error);
    EXPECT_EQ(streamed.error->code, GetParam().code);
    return;
  }
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, GetParam().status);
  EXPECT_TRUE(is_openai_error(reply->body));
  EXPECT_EQ(streamed.status, GetParam().status);
  if (GetParam().status == 429) EXPECT_EQ(reply->headers.get("retry-after"), "1");
}
INSTANTIATE_TEST_SUITE_P(Models, Fault,
                         ::testing::Values(FaultCase{"sim-error-500", 500, {}}, FaultCase{"sim-error-400", 400, {}},
                                           FaultCase{"sim-429", 429, {}},
                                           FaultCase{"sim-garbage", 0, Errc::upstream_invalid},
                                           FaultCase{"sim-slow", 0, Errc::upstream_timeout},
                                           FaultCase{"sim-hang", 0, Errc::upstream_timeout}),
                         [](const auto& info) {
                           std::string name = info.param.model;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST_F(Simulated, ABrokenStreamNeverLooksFinished) {
  serve();
  const auto streamed = stream("sim-break-stream");
  EXPECT_FALSE(streamed.ended);
  EXPECT_EQ(streamed.chunks.size(), 3U);
  ASSERT_TRUE(streamed.error);
  EXPECT_EQ(streamed.error->code, Errc::upstream_invalid);
  EXPECT_TRUE(streamed.usage.estimated);
  EXPECT_GT(streamed.usage.input_tokens, 0);
  const auto whole = chat("sim-break-stream");
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().code, Errc::upstream_invalid);
}

TEST_F(Simulated, AGarbageStreamNeverLooksFinished) {
  serve();
  const auto streamed = stream("sim-garbage-stream");
  EXPECT_FALSE(streamed.ended);
  ASSERT_TRUE(streamed.error);
  EXPECT_EQ(streamed.error->code, Errc::upstream_invalid);
}

TEST_F(Simulated, MissingUsageIsEstimated) {
  serve();
  const auto reply = chat("sim-no-usage");
  const auto streamed = stream("sim-no-usage", true);
  ASSERT_TRUE(reply);
  ASSERT_TRUE(streamed.ended);
  EXPECT_TRUE(reply->usage.estimated);
  EXPECT_GT(reply->usage.output_tokens, 10);
  EXPECT_EQ(streamed.usage, reply->usage);
}

TEST_F(Simulated, EchoGivesBackTheLastUserText) {
  serve();
  EXPECT_EQ(text_of(*chat("sim-echo")), "hello there");
}

TEST_F(Simulated, AFlakyModelIsHealedByOneRetry) {
  serve();
  CatalogConfig config;
  config_.models = {{"sim-flaky", "", {}, 0}};
  config_.retries.backoff_base = milliseconds(1);
  config.providers = {config_};
  const auto catalog = Catalog::create(std::move(config));
  ASSERT_TRUE(catalog);
  std::vector<std::unique_ptr<Provider>> providers;
  providers.push_back(make_provider(catalog->providers()[0], *client_, system_clock()));
  const auto sleeper = make_sleeper(io_);
  SeededEntropy random(1);
  ModelGateway gateway(*catalog, std::move(providers), system_clock(), *sleeper, random);
  std::optional<ModelResult<ChatOutcome>> outcome;
  asio::co_spawn(io_.get_executor(), gateway.chat(**catalog->resolve("sim-flaky"), call()),
                 [&](std::exception_ptr, ModelResult<ChatOutcome> value) { outcome = std::move(value); });
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!outcome && std::chrono::steady_clock::now() < limit) io_.run_one_until(limit);
  ASSERT_TRUE(outcome && *outcome);
  EXPECT_EQ((*outcome)->attempts.size(), 2U);
}

TEST_F(Simulated, AProviderThatIsNotThereIsUnavailable) {
  serve();
  server_.reset();
  const auto reply = chat("m");
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Errc::unavailable);
}

TEST_F(Simulated, ACancelledCallSaysSo) {
  serve();
  CancelSource cancel;
  ChatCall asked = call();
  asked.cancel = &cancel;
  asio::post(io_, [&] { cancel.cancel(); });
  const auto reply = run(provider_->chat(asked, {"sim-hang"}));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Errc::cancelled);
}

TEST_F(Simulated, ToolsStructuredAnswersAndScriptedOnes) {
  SimulateOptions options;
  options.answers = {{"refund", "Refunds take", "tiny", "length"}, {"Refund", "Refunds take 5 days."}};
  serve(std::move(options));
  const auto called = chat(R"({"model":"x","messages":[{"role":"user","content":"what is the weather?"}],
      "tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object",
      "properties":{"days":{"type":"integer","minimum":3}},"required":["days"]}}}]})",
                           "m");
  ASSERT_TRUE(called);
  const auto choice = parse_json(called->body)->at("choices").at(0);
  EXPECT_EQ(choice.at("finish_reason"), "tool_calls");
  EXPECT_EQ(choice.at("message").at("tool_calls").at(0).at("function").at("arguments"), R"({"days":3})");
  const auto structured = chat(R"({"model":"x","messages":[{"role":"user","content":"a"}],"response_format":
      {"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","properties":
      {"kind":{"enum":["b","c"]}},"required":["kind"]}}}})",
                               "m");
  EXPECT_EQ(text_of(*structured), R"({"kind":"b"})");
  EXPECT_EQ(text_of(*chat(R"({"model":"x","messages":[{"role":"user","content":"my REFUND?"}]})", "m")),
            "Refunds take 5 days.");
  const auto cut = chat(R"({"model":"tiny","messages":[{"role":"user","content":"my REFUND?"}]})", "tiny");
  EXPECT_EQ(parse_json(cut->body)->at("choices").at(0).at("finish_reason"), "length") << "for that model alone";
}

TEST_F(Simulated, EmbeddingsAreDeterministicAndNearForSharedWords) {
  serve();
  const auto embed = [&](const char* body) {
    ChatCall asked = call(body);
    const auto reply = run(provider_->embeddings(asked, {"e"}));
    std::vector<double> vector;
    for (const auto& x : parse_json(reply->body)->at("data").at(0).at("embedding").get_array()) {
      vector.push_back(x.to_number<double>());
    }
    return vector;
  };
  const auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  };
  const auto card = embed(R"({"model":"x","input":"my card is lost"})");
  EXPECT_EQ(card, embed(R"({"model":"x","input":"my card is lost"})"));
  EXPECT_NEAR(dot(card, card), 1.0, 1e-5);
  EXPECT_GT(dot(card, embed(R"({"model":"x","input":"my card is gone"})")),
            dot(card, embed(R"({"model":"x","input":"hello sunny beaches everywhere"})")));
  EXPECT_EQ(run(provider_->list_models(nullptr)).value(), (std::vector<std::string>{"simulated-model"}));
}

TEST_F(Simulated, TheJournalHasOneLineARequest) {
  const auto path = std::filesystem::temp_directory_path() / ("sb-journal-" + std::to_string(::getpid()) + ".jsonl");
  std::filesystem::remove(path);
  SimulateOptions options;
  options.journal = path.string();
  serve(std::move(options));
  ChatCall asked = call();
  asked.idempotency_key = "key-1";
  ASSERT_TRUE(run(provider_->chat(asked, {"m"})));
  ASSERT_TRUE(chat("sim-error-500"));
  std::ifstream file(path);
  std::vector<json::value> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(*parse_json(line));
  std::filesystem::remove(path);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].at("idempotency_key"), "key-1");
  EXPECT_EQ(lines[0].at("model"), "m");
  EXPECT_EQ(lines[0].at("status"), 200);
  EXPECT_GT(lines[0].at("output_tokens").get_int64(), 0);
  EXPECT_NE(string_member(lines[0], "body").find("hello there"), std::string_view::npos);
  EXPECT_EQ(lines[1].at("status"), 500);
}

TEST(SimulateOptions, FlagsAreCheckedAndTaught) {
  const auto refused = [](std::vector<std::string> args) {
    const auto options = parse_simulate_options(args);
    return options ? std::string("accepted") : options.error().detail;
  };
  EXPECT_NE(refused({"--latncy-ms", "5"}).find("did you mean --latency-ms"), std::string::npos);
  EXPECT_NE(refused({"--error-rate", "2"}).find("0..1"), std::string::npos);
  EXPECT_NE(refused({"--listen", "8080"}).find("HOST:PORT"), std::string::npos);
  EXPECT_NE(refused({"--seed"}).find("needs a value"), std::string::npos);
  EXPECT_NE(refused({"--answers", "/nonexistent/x"}).find("cannot read"), std::string::npos);
  const auto options = parse_simulate_options(
      std::vector<std::string>{"--listen", "[::1]:0", "--model=a", "--model", "b", "--jitter", "0.5"});
  ASSERT_TRUE(options) << options.error().detail;
  EXPECT_EQ(options->host, "::1");
  EXPECT_EQ(options->port, 0);
  EXPECT_EQ(options->models, (std::vector<std::string>{"a", "b"}));
}

TEST(SchemaInstance, FillsWhatIsRequired) {
  const auto made = [](const char* schema) { return to_text(minimal_instance(*parse_json(schema))); };
  EXPECT_EQ(made(R"({"type":"object","properties":{"a":{"$ref":"#/$defs/x"},"b":{"type":"array","minItems":2,
      "items":{"type":"boolean"}},"c":{"type":"string"}},"required":["a","b"],
      "$defs":{"x":{"type":"number","exclusiveMinimum":4,"multipleOf":0.5}}})"),
            R"({"a":4.5E0,"b":[true,true]})");
  EXPECT_EQ(made(R"({"type":["string","null"],"minLength":12,"maxLength":14})"), "\"simulated...\"");
  EXPECT_EQ(made(R"({"anyOf":[{"const":7},{"type":"null"}]})"), "7");
  EXPECT_EQ(made(R"({"type":"integer","maximum":-3})"), "-3");
  // A schema that refers to itself ends.
  EXPECT_FALSE(made(R"({"type":"object","properties":{"n":{"$ref":"#"}},"required":["n"]})").empty());
}

}  // namespace
}  // namespace sb::model
