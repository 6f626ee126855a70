#include "flow/engine_testing.h"

namespace sb::flow {
namespace {

/// Sees every '#' and cannot bear it.
class FaultyDetector final : public policy::Detector {
 public:
  std::string_view name() const override { return "faulty"; }
  bool reports(std::string_view type) const override { return type == "FAULT"; }
  std::string_view wake_bytes() const override { return "#"; }
  void verify(policy::ScanWindow&, std::size_t, policy::Findings&) const override {
    throw std::runtime_error("secret words");
  }
};

TEST_F(EngineTest, ADetectorThatThrowsStopsQuestionAndAnswer) {
  policy_ = *policy::Policy::load("{name: p, version: 1, rules: [{types: ['*'], action: redact}]}", "p",
                                  {std::make_shared<FaultyDetector>()});
  RunRequest request;
  request.flow = *flows_.find("signalbox", "chat");
  request.tenant = "acme";
  request.input = request_of("tell me of C#");
  request.profile = policy::JsonProfile::chat_request;
  const RunId id = RunId::generate(clock_, entropy_);
  const auto refused = engine_->prepare(std::move(request), in_flight_->enter("acme", {}, id, {}).pending, id);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::internal);
  EXPECT_EQ(refused.error().detail.find("secret words"), std::string::npos);
  provider_->fake.otherwise["l"].body =
      R"({"choices":[{"index":0,"message":{"role":"assistant","content":"use C#"},"finish_reason":"stop"}]})";
  auto run = prepare(request_of("which language?"));
  ASSERT_TRUE(drive(run));
  ASSERT_TRUE(run->problem);
  EXPECT_EQ(to_text(run->problem->to_json()).find("C#"), std::string::npos);
  const auto row = row_of(run->row.id);
  EXPECT_EQ(row.status, RunStatus::faulted);
  EXPECT_EQ((row.output + row.error).find("C#"), std::string::npos);
}

constexpr std::string_view kShape = R"(
name: shape
version: 1
rules: []
checks:
  - name: shape
    kind: json_schema
    direction: outbound
    repair: true
    action: block
    schema: {type: object, required: [total], properties: {total: {type: number}}}
)";

TEST_F(EngineTest, AnAnswerOfTheWrongFormIsCorrectedOnce) {
  policy_ = *policy::Policy::load(kShape, "test");
  FakeReply wrong, right;
  wrong.body = answer_of(R"({"sum": 3})");
  right.body = answer_of(R"({"total": 3})");
  provider_->fake.then("l", wrong).then("l", right);
  auto run = prepare(request_of("add up"));
  ASSERT_TRUE(drive(run));
  EXPECT_FALSE(run->problem);
  ASSERT_EQ(provider_->seen.size(), 2U);
  EXPECT_NE(provider_->seen[1].body.find("must have"), std::string::npos) << provider_->seen[1].body;
  EXPECT_NE(provider_->seen[0].key, provider_->seen[1].key);
  EXPECT_NE(run->output.text().find("total"), std::string::npos);
  EXPECT_EQ(run->row.cost, 40) << "both answers are paid for";

  provider_->fake.then("l", wrong).then("l", wrong);
  auto stubborn = prepare(request_of("add up again"));
  ASSERT_TRUE(drive(stubborn));
  ASSERT_TRUE(stubborn->problem);
  EXPECT_EQ(stubborn->error_code, Errc::policy_denied);
  EXPECT_EQ(provider_->seen.size(), 4U);
}

TEST_F(EngineTest, AStreamWaitsForAnswersThatAreChecked) {
  policy_ = *policy::Policy::load(kShape, "test");
  provider_->fake.then("l", [] {
    FakeReply reply;
    reply.body = answer_of(R"({"total": 3})");
    return reply;
  }());
  Listener listener;
  auto run = prepare(request_of("add up"), [&](RunRequest& request) {
    request.stream = true;
    request.audience = &listener;
  });
  ASSERT_TRUE(drive(run));
  EXPECT_FALSE(run->problem);
  EXPECT_TRUE(listener.heard.empty()) << "nothing before it was checked";
}

// Nobody there to ask is no permission.
TEST_F(EngineTest, ChecksThatCannotBeMadeObject) {
  for (const char* check : {"kind: injection, min_score: 0.9", "kind: http, url: 'http://127.0.0.1:1/'"}) {
    policy_ = *policy::Policy::load(
        std::string("{name: c, version: 1, rules: [], checks: [{name: c, direction: inbound, action: block, ") + check +
            "}]}",
        "test");
    auto run = prepare(request_of("hello"));
    ASSERT_TRUE(drive(run));
    ASSERT_TRUE(run->problem) << check;
    EXPECT_EQ(run->error_code, Errc::policy_denied);
    EXPECT_TRUE(provider_->seen.empty()) << check;
  }
}

}  // namespace
}  // namespace sb::flow
