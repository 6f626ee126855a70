#include "flow/engine_testing.h"

namespace sb::flow {
namespace {

FakeReply stream_of(std::vector<std::string> texts) {
  FakeReply reply;
  for (const auto& text : texts) {
    reply.chunks.push_back(to_text(json::object{
        {"id", "c"},
        {"object", "chat.completion.chunk"},
        {"choices", json::array{json::object{
                        {"index", 0}, {"delta", json::object{{"content", text}}}, {"finish_reason", nullptr}}}}}));
  }
  return reply;
}

TEST_F(EngineTest, AStreamIsRecordedWithPlaceholdersAndHeardWithValues) {
  provider_->fake.then("l", stream_of({"Wrote to [EMA", "IL_1] just", " now"}));
  Listener listener;
  auto run = prepare(request_of("write to " + std::string(kMail)), [&](RunRequest& request) {
    request.stream = true;
    request.audience = &listener;
  });
  ASSERT_TRUE(drive(run));
  std::string heard;
  for (const auto& payload : listener.heard) heard += payload;
  EXPECT_NE(heard.find(kMail), std::string::npos);
  EXPECT_EQ(heard.find("[EMAIL_1]"), std::string::npos);
  const auto row = row_of(run->row.id);
  EXPECT_NE(row.output.find("Wrote to [EMAIL_1] just now"), std::string::npos) << row.output;
  const auto chunks = wait(store_->load_chunks(row.id, 0));
  for (const auto& chunk : *chunks)
    EXPECT_EQ(Sealer::open(*sealer_.key_of(row), row.id, place::chunk(chunk.first_event), chunk.data)->find(kMail),
              std::string::npos);
  EXPECT_EQ(wait(engine_->stored_events(*run)), listener.heard);
}

TEST_F(EngineTest, AStreamedAnswerThatIsJsonStaysJsonAndIsTheSameAgain) {
  const std::string key =
      "-----BEGIN PRIVATE KEY-----\nMIIBVAIBADANBgkqhkiG9w0BAQEFAASCAT4wggE6AgEAAkEA\n-----END PRIVATE KEY-----";
  policy_ = *policy::Policy::load(
      "{name: s, version: 1, rules: [{types: [SECRET], direction: inbound, action: tokenise}]}", "test");
  provider_->fake.then("l", stream_of({"{\"to\": \"use [SEC", "RET_1] now", "\", \"n\": 1}"}));
  Listener listener;
  auto run = prepare(request_of(key), [&](RunRequest& request) {
    request.stream = true;
    request.audience = &listener;
  });
  ASSERT_TRUE(drive(run));
  std::string heard;
  for (const auto& payload : listener.heard)
    heard += string_member(parse_json(payload)->at("choices").at(0).at("delta"), "content");
  const auto answer = parse_json(heard);
  ASSERT_TRUE(answer) << heard;
  EXPECT_EQ(answer->at("to").as_string(), "use " + key + " now");
  EXPECT_EQ(wait(engine_->stored_events(*run)), listener.heard);
}

TEST_F(EngineTest, AStreamThatBreaksIsFaultedAndPaid) {
  auto reply = stream_of({"half an ", "answer is "});
  reply.stream_error = Error(Errc::upstream_invalid, "the stream was cut");
  provider_->fake.then("l", reply);
  Listener listener;
  auto run = prepare(request_of("hello"), [&](RunRequest& request) {
    request.stream = true;
    request.audience = &listener;
  });
  ASSERT_TRUE(drive(run));
  EXPECT_TRUE(run->problem);
  const auto row = row_of(run->row.id);
  EXPECT_EQ(row.status, RunStatus::faulted);
  EXPECT_GT(row.cost, 0);
  EXPECT_EQ(booked(), row.cost);
  EXPECT_TRUE(wait(engine_->stored_events(*run)).empty());
}

TEST_F(EngineTest, ACallerThatGoesIsRecordedUnlessItMeansToComeBack) {
  for (const bool comes_back : {false, true}) {
    const MicroMoney before = booked();
    provider_->fake.then("l", stream_of({"one ", "two ", "three ", "four "}));
    Listener listener;
    listener.patience = 1;
    auto run = prepare(request_of("hello"), [&](RunRequest& request) {
      request.stream = true;
      request.audience = &listener;
      if (comes_back) request.idempotency_key = "again";
    });
    ASSERT_TRUE(drive(run));
    const auto row = row_of(run->row.id);
    EXPECT_EQ(row.status, comes_back ? RunStatus::completed : RunStatus::cancelled);
    EXPECT_GT(row.cost, 0);
    EXPECT_EQ(booked() - before, row.cost);
    EXPECT_EQ(wait(engine_->stored_events(*run)).empty(), !comes_back);
  }
}

}  // namespace
}  // namespace sb::flow
