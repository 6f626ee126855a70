#include "replay/log_import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "replay/replay.h"
#include "replay/report.h"
#include "store/testing.h"

namespace sb::replay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Import : public ::testing::Test {
 protected:
  Import() {
    model::CatalogConfig config;
    model::ProviderConfig provider;
    provider.name = "p";
    provider.base_url = "http://127.0.0.1:1/v1";
    provider.models = {{"gpt-4o", "", {2'500'000, 1'250'000, 10'000'000}, 0},
                       {"gpt-4o-mini", "", {150'000, 75'000, 600'000}, 0}};
    config.providers.push_back(std::move(provider));
    config.tiers = {{"large", {{"p", "gpt-4o", 1, 0}}}, {"small", {{"p", "gpt-4o-mini", 1, 0}}}};
    catalog_ = std::make_shared<model::Catalog>(*model::Catalog::create(std::move(config)));
  }

  std::string file(std::string_view name, std::string_view content) {
    std::ofstream(folder_.file(name)) << content;
    return folder_.file(name);
  }
  Result<ImportSums> read(LogFormat format, const std::vector<std::string>& files) {
    calls_.clear();
    return import_log(format, files, *catalog_, [&](const LoggedCall& call) {
      calls_.push_back(call);
      return Result<>();
    });
  }
  const RecordedAttempt& attempt(std::size_t i) const { return calls_.at(i).run.calls.at(0).attempts.at(0); }

  store::testing::TemporaryFolder folder_;
  std::shared_ptr<const model::Catalog> catalog_;
  std::vector<LoggedCall> calls_;
};

TEST_F(Import, PayloadsAndRowsOfLiteLlm) {
  const auto log = file("litellm.jsonl", R"(
{"id":"a","call_type":"acompletion","response_cost":0.00125,"status":"success","prompt_tokens":100,"completion_tokens":90,"startTime":1790000000.0,"endTime":1790000001.5,"model":"gpt-4o","messages":[{"role":"user","content":"what is my balance"}],"model_parameters":{"tools":[{"type":"function"}],"temperature":0},"metadata":{"usage_object":{"prompt_tokens":100,"prompt_tokens_details":{"cached_tokens":40}}}}
{"request_id":"b","call_type":"completion","spend":"0.002","prompt_tokens":7,"completion_tokens":3,"startTime":"2026-09-21 12:13:20.000","endTime":"2026-09-21T12:13:20.250Z","model":"other-model","messages":"[{\"role\":\"user\",\"content\":\"as text\"}]"}
{"id":"c","call_type":"completion","status":"failure","model":"gpt-4o","messages":[{"role":"user","content":"in vain"}]}
{"id":"d","call_type":"aembedding","model":"embed"}
{"id":"e","call_type":"completion","model":"gpt-4o","messages":{},"prompt_tokens":5}
)");
  const auto sums = read(LogFormat::litellm, {log});
  ASSERT_TRUE(sums) << sums.error().detail;
  EXPECT_EQ(sums->calls, 3U);
  EXPECT_EQ(sums->failed, 1U);
  EXPECT_EQ(sums->other, 1U);
  EXPECT_EQ(sums->without_text, 1U);
  EXPECT_EQ(attempt(0).usage, (model::Usage{100, 40, 90, false}));
  EXPECT_EQ(attempt(0).deployment, "p/gpt-4o");
  EXPECT_EQ(calls_[0].run.cost, 1250);
  EXPECT_EQ(calls_[0].run.took_us, 1'500'000);
  EXPECT_EQ(
      calls_[0].request,
      R"({"model":"auto","messages":[{"role":"user","content":"what is my balance"}],"tools":[{"type":"function"}]})");
  EXPECT_EQ(attempt(1).deployment, "other-model");
  EXPECT_EQ(calls_[1].run.cost, 2000);
  EXPECT_EQ(calls_[1].run.took_us, 250'000);
  EXPECT_THAT(calls_[1].request, HasSubstr("as text"));
  EXPECT_FALSE(attempt(2).answered);
  EXPECT_EQ(notes_of(*sums).size(), 4U);
}

TEST_F(Import, FilesOfTheBatchApiInAnyOrderAndPairs) {
  const auto requests = file(
      "in.jsonl",
      R"({"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-4o-mini","messages":[{"role":"user","content":"one"}]}}
{"custom_id":"2","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-4o","messages":[{"role":"user","content":"two"}],"response_format":{"type":"json_schema"}}}
{"custom_id":"3","method":"POST","url":"/v1/embeddings","body":{"model":"e","input":"x"}}
{"custom_id":"4","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-4o","messages":[{"role":"user","content":"never"}]}}
)");
  const auto answers = file(
      "out.jsonl",
      R"({"id":"r2","custom_id":"2","response":{"status_code":200,"request_id":"q","body":{"object":"chat.completion","choices":[{}],"usage":{"prompt_tokens":20,"completion_tokens":8,"prompt_tokens_details":{"cached_tokens":16}}}},"error":null}
{"id":"r1","custom_id":"1","response":null,"error":{"code":"batch_expired"}}
{"id":"r3","custom_id":"3","response":{"status_code":200,"body":{"data":[]}},"error":null}
)");
  const auto pairs =
      file("pairs.json", R"([{"request":{"model":"gpt-4o","messages":[{"role":"user","content":"three"}]},
 "response":{"choices":[{}],"usage":{"prompt_tokens":3,"completion_tokens":4}}}])");
  for (const auto& files : {std::vector{requests, answers, pairs}, std::vector{pairs, answers, requests}}) {
    const auto sums = read(LogFormat::openai, files);
    ASSERT_TRUE(sums) << sums.error().detail;
    EXPECT_EQ(sums->calls, 3U);
    EXPECT_EQ(sums->failed, 1U);
    EXPECT_EQ(sums->other, 1U);
    EXPECT_EQ(sums->unmatched, 1U);
    std::map<std::string, model::Usage> usage;
    for (std::size_t i = 0; i < calls_.size(); ++i) usage[calls_[i].request.substr(26)] = attempt(i).usage;
    EXPECT_EQ(usage.size(), 3U);
    for (const auto& [request, tokens] : usage) {
      if (request.find("two") != request.npos) {
        EXPECT_EQ(tokens, (model::Usage{20, 16, 8, false}));
        EXPECT_THAT(request, HasSubstr("json_schema"));
      }
    }
  }
}

TEST_F(Import, GenerationsOfLangfuse) {
  const auto answer = file("page.json", R"({"data":[
 {"id":"g1","traceId":"t","type":"GENERATION","model":"gpt-4o-mini","startTime":"2026-09-21T12:13:20.000Z","endTime":"2026-09-21T12:13:22.000Z",
  "input":{"messages":[{"role":"system","content":"be kind"},{"role":"user","content":"hello"}],"tools":[{"type":"function"}]},
  "usageDetails":{"input":60,"input_cached_tokens":40,"output":10,"output_reasoning_tokens":5,"total":115},"costDetails":{"input":0.001,"total":0.0015}},
 {"id":"s1","type":"SPAN","input":"x"}],"meta":{"page":1}})");
  const auto lines = file(
      "blob.jsonl",
      R"({"id":"g2","trace_id":"t","type":"GENERATION","provided_model_name":"m","level":"ERROR","input":"plain words","usage_details":{"input":4}}
)");
  const auto sums = read(LogFormat::langfuse, {answer, lines});
  ASSERT_TRUE(sums) << sums.error().detail;
  EXPECT_EQ(sums->calls, 2U);
  EXPECT_EQ(sums->failed, 1U);
  EXPECT_EQ(sums->other, 1U);
  EXPECT_EQ(attempt(0).usage, (model::Usage{100, 40, 15, false}));
  EXPECT_EQ(calls_[0].run.cost, 1500);
  EXPECT_EQ(calls_[0].run.took_us, 2'000'000);
  EXPECT_THAT(calls_[0].request, HasSubstr("\"tools\""));
  EXPECT_EQ(calls_[1].request, R"({"model":"auto","messages":[{"role":"user","content":"plain words"}]})");
}

TEST_F(Import, WhatIsWrongIsNamedWithItsPlace) {
  EXPECT_EQ(read(LogFormat::openai, {folder_.file("none")}).error().code, Errc::not_found);
  const auto broken = file("broken.jsonl", "{\"call_type\":\"completion\"}\n{\"call_type\":\n");
  const auto second = read(LogFormat::litellm, {broken});
  EXPECT_THAT(second.error().detail, HasSubstr("broken.jsonl:2: is not one JSON object a line"));
  const auto text = read(LogFormat::litellm, {file("text", "hello\n")});
  EXPECT_THAT(text.error().detail, HasSubstr("text: invalid JSON"));
  const auto unknown = log_format("litelm");
  EXPECT_THAT(unknown.error().detail, HasSubstr("did you mean \"litellm\"?"));
}

/// A log under a candidate: routed from its texts, priced by its tokens.
TEST_F(Import, IsReplayedLikeRecordedTraffic) {
  std::string lines;
  for (int i = 0; i < 40; ++i) {
    const bool legal = i % 4 == 0;
    lines +=
        to_text(json::object{
            {"call_type", "completion"},
            {"response_cost", 0.001},
            {"prompt_tokens", 100},
            {"completion_tokens", 50},
            {"model", "gpt-4o"},
            {"messages", json::array{{{"role", "user"},
                                      {"content", legal ? "my lawyer says, write to jane@acme.org" : "hello"}}}}}) +
        "\n";
  }
  const auto log = file("log.jsonl", lines);
  Candidate candidate;
  candidate.catalog = catalog_;
  candidate.policy = *policy::Policy::load(
      "name: p\nversion: 1\nrules: [{name: mail, types: [EMAIL], direction: inbound, action: redact}]\n", "p");
  candidate.router = *triage::Router::from_text(
      "version: 1\nrules: [{name: legal, when: {phrases: [my lawyer]}, route: large}]\n", "t", std::nullopt);
  std::string request;
  Replay replay(candidate, [&](const RunId&) -> Result<std::optional<flow::RecordedInput>> {
    return flow::RecordedInput{request, request, {}, std::string(32, '\0')};
  });
  const auto sums = import_log(LogFormat::litellm, {log}, *catalog_, [&](const LoggedCall& call) {
    request = call.request;
    return replay.add(call.run);
  });
  ASSERT_TRUE(sums);
  const auto report = replay.report();
  EXPECT_EQ(report.routes.at({"logged", "large"}), 10U);
  EXPECT_EQ(report.routes.at({"logged", "small"}), 30U);
  EXPECT_EQ(report.recorded_cost, 40'000);
  // The large model answered these on the log: their very tokens, at the candidate's price.
  EXPECT_EQ(report.bill.known, 10 * (250 + 500));
  EXPECT_EQ(report.bill.expected_runs, 30U);
  EXPECT_NEAR(report.bill.expected, 30 * (100 * 0.15 + 50 * 0.6), 1e-6);
  EXPECT_EQ(report.inbound_after.at({"EMAIL", "redact"}), 10U);
  EXPECT_THAT(to_lines(report, {"log.jsonl", "c.yaml", "USD", notes_of(*sums)}),
              HasSubstr("40 calls of a log, 40 of them routed\n40 calls of chats on the log"));
}

}  // namespace
}  // namespace sb::replay
