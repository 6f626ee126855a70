// Requests that were answered before: when they are answered again without a model, and when never.
#include "flow/engine_testing.h"

namespace sb::flow {
namespace {

constexpr Micros kMinute = 60'000'000;

class RepeatedRequests : public EngineTest {
 protected:
  RepeatedRequests() {
    tenant_keys_.add("other", entropy_);
    answers_ = std::make_unique<AnswerCache>(AnswerCacheOptions{10 * kMinute, 100});
    restart();
    provider_->fake.otherwise["l"].body = answer_of("we open at nine");
  }

  std::shared_ptr<LiveRun> ask(std::string_view text, const std::function<void(RunRequest&)>& change = {}) {
    auto run = prepare(request_of(text), change);
    EXPECT_TRUE(drive(run));
    return run;
  }
  /// Whether it was answered without a model.
  bool again(std::string_view text, const std::function<void(RunRequest&)>& change = {}) {
    const auto before = provider_->seen.size();
    const auto run = ask(text, change);
    EXPECT_EQ(run->answer_again, provider_->seen.size() == before);
    return run->answer_again;
  }
  std::string decision_of(const LiveRun& run) {
    const auto steps = *wait(store_->load_steps(run.row.id));
    const auto found = std::ranges::find(steps, "chat", &store::StepRow::kind);
    return found == steps.end() ? std::string() : found->decision;
  }
  static std::function<void(RunRequest&)> as(std::string subject) {
    return [subject = std::move(subject)](RunRequest& request) { request.subject = subject; };
  }
};

TEST_F(RepeatedRequests, WhoAsksForANewAnswerGetsOneAndWhoForbidsToKeepItIsHeeded) {
  std::vector<CacheOutcome> outcomes;
  on_cache_ = [&](CacheOutcome outcome) { outcomes.push_back(outcome); };
  restart();
  provider_->fake.otherwise["l"].body = answer_of("we open at nine");
  const auto wishing = [](CacheWishes wishes) { return [wishes](RunRequest& request) { request.cache = wishes; }; };
  EXPECT_FALSE(again("when do you open", wishing({.no_store = true})));
  EXPECT_FALSE(again("when do you open")) << "the first was not to be kept";
  EXPECT_TRUE(again("when do you open", wishing({.no_store = true}))) << "what is kept already may be told";
  EXPECT_FALSE(again("when do you open", wishing({.no_cache = true})));
  clock_.advance(std::chrono::seconds(30));
  EXPECT_FALSE(again("when do you open", wishing({.max_age_us = 29'000'000})));
  EXPECT_TRUE(again("when do you open", wishing({.max_age_us = 29'000'000}))) << "the new answer took its place";
  using enum CacheOutcome;
  EXPECT_EQ(outcomes, (std::vector<CacheOutcome>{miss, miss, hit, bypass, miss, hit}));
}

TEST_F(RepeatedRequests, TheSameIsAnsweredOnceAndTheRecordSaysByWhich) {
  const auto first = ask("when do you open");
  EXPECT_FALSE(first->answer_again);
  EXPECT_GT(first->row.cost, 0);
  const auto second = ask("when do you open");
  EXPECT_TRUE(second->answer_again);
  EXPECT_EQ(provider_->seen.size(), 1U);
  EXPECT_EQ(second->output.text(), first->output.text());
  const auto row = row_of(second->row.id);
  EXPECT_EQ(row.status, RunStatus::completed);
  EXPECT_EQ(row.cost, 0);
  EXPECT_EQ(row.model, "fake/l");
  EXPECT_EQ(row.cost_all_large, row_of(first->row.id).cost_all_large);
  EXPECT_EQ(row.output, row_of(first->row.id).output);
  EXPECT_EQ(decision_of(*second),
            R"({"answer_of":")" + first->row.id.to_string() +
                R"(","attempts":[],"cache":"exact","chosen":"fake/l","kind":"chat","target":"large"})");
  EXPECT_EQ(step_names(second->row.id), step_names(first->row.id)) << "the policy looks at the answer again";
  EXPECT_EQ(booked(), first->row.cost);
}

TEST_F(RepeatedRequests, AnotherRequestIsAnother) {
  ask("when do you open");
  EXPECT_FALSE(again("when do you open?"));
  EXPECT_FALSE(again("when do you open", [](RunRequest& request) {
    request.input.insert(request.input.size() - 1, R"(,"temperature":1)");
  }));
  EXPECT_TRUE(again("when do you open", [](RunRequest& request) {  // the same, written otherwise
    request.input = R"({"messages": [{"content":"when do you open", "role":"user"}], "model":"auto"})";
  }));
}

TEST_F(RepeatedRequests, NeverAcrossTenants) {
  ask("when do you open");
  EXPECT_FALSE(again("when do you open", [](RunRequest& request) { request.tenant = "other"; }));
  EXPECT_TRUE(again("when do you open", [](RunRequest& request) { request.tenant = "other"; }));
}

TEST_F(RepeatedRequests, NeverAcrossPolicies) {
  ask("when do you open");
  policy_ = *policy::Policy::load(std::string(kPolicy) + "  - {name: url, types: [URL], action: redact}\n", "other");
  EXPECT_FALSE(again("when do you open"));
  EXPECT_TRUE(again("when do you open"));
}

TEST_F(RepeatedRequests, NeverAcrossModels) {
  ask("when do you open");
  EXPECT_FALSE(again("when do you open", [](RunRequest& request) { request.requested_model = "small"; }));
}

TEST_F(RepeatedRequests, WhereThePolicyFoundSomethingForTheSamePersonAlone) {
  const std::string text = "write to " + std::string(kMail);
  ask(text, as("ann"));
  EXPECT_FALSE(again(text, as("bob")));
  EXPECT_FALSE(again(text)) << "nobody is named";
  EXPECT_FALSE(again(text)) << "nor is that known again";
  EXPECT_FALSE(again(text, [&](RunRequest& request) {
    request.subject = "ann";
    request.key = KeyId::generate(clock_, entropy_).to_string();
  })) << "ann of another application may be another";
  EXPECT_TRUE(again(text, as("ann")));
}

/// To a model both are the same; to those who asked they are not.
TEST_F(RepeatedRequests, ValuesBehindTheSamePlaceholderAreNotMixed) {
  provider_->fake.otherwise["l"].body = answer_of("wrote to [EMAIL_1]");
  const auto first = ask("write to ann@acme.org", as("ann"));
  const auto second = ask("write to eve@acme.org", as("ann"));
  EXPECT_NE(first->guard.restore(first->output.text()).find("ann@acme.org"), std::string::npos);
  const auto told = second->guard.restore(second->output.text());
  EXPECT_NE(told.find("eve@acme.org"), std::string::npos);
  EXPECT_EQ(told.find("ann@acme.org"), std::string::npos);
}

TEST_F(RepeatedRequests, AnAnswerInWhichSomethingIsFoundIsNotUsedAgain) {
  provider_->fake.otherwise["l"].body = answer_of("call 4111 1111 1111 1111");  // the policy stops it
  ask("what is your card");
  provider_->fake.otherwise["l"].body = answer_of("mail us: " + std::string(kMail));
  policy_ = *policy::Policy::load(
      "name: t\nversion: 1\nrules: [{types: [EMAIL], direction: outbound, action: redact}]\n", "t");
  ask("how do i reach you");
  EXPECT_EQ(answers_->size(), 0U);
  EXPECT_FALSE(again("how do i reach you"));
}

TEST_F(RepeatedRequests, AFailureIsNotUsedAgain) {
  provider_->fake.otherwise["l"].status = 400;
  EXPECT_TRUE(ask("when do you open")->problem);
  provider_->fake.otherwise["l"].status = 200;
  EXPECT_FALSE(again("when do you open"));
  EXPECT_TRUE(again("when do you open"));
}

TEST_F(RepeatedRequests, WithTheRunItsAnswerIsErased) {
  const auto first = ask("when do you open");
  store::Commit commit;
  commit.erase.push_back(first->row.id);
  ASSERT_TRUE(wait(store_->commit(std::move(commit))));
  EXPECT_FALSE(again("when do you open"));
  EXPECT_TRUE(again("when do you open")) << "by the run that was asked since";
}

TEST_F(RepeatedRequests, TheirTimeEnds) {
  ask("when do you open");
  clock_.advance(std::chrono::minutes(9));
  EXPECT_TRUE(again("when do you open"));
  clock_.advance(std::chrono::minutes(2));
  EXPECT_FALSE(again("when do you open")) << "an answer does not grow younger by being used";
}

TEST_F(RepeatedRequests, AStreamIsAnsweredWholeThen) {
  provider_->fake.otherwise["l"].chunks = {
      R"({"id":"c","object":"chat.completion.chunk","created":1,"model":"l","choices":[{"index":0,"delta":{"role":"assistant","content":"at nine"},"finish_reason":null}]})",
      R"({"id":"c","object":"chat.completion.chunk","created":1,"model":"l","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})"};
  Listener listener;
  const auto streaming = [&](RunRequest& request) {
    request.stream = true;
    request.audience = &listener;
  };
  const auto first = ask("when do you open", streaming);
  EXPECT_TRUE(first->streamed);
  const auto heard = listener.heard.size();
  const auto second = ask("when do you open", streaming);
  EXPECT_TRUE(second->answer_again);
  EXPECT_FALSE(second->streamed) << "whoever listens is given the answer as of a script";
  EXPECT_EQ(listener.heard.size(), heard);
  EXPECT_NE(second->output.text().find("at nine"), std::string::npos);
}

TEST_F(RepeatedRequests, WithoutACacheEachGoesToAModel) {
  answers_.reset();
  restart();
  provider_->fake.otherwise["l"].body = answer_of("we open at nine");
  ask("when do you open");
  EXPECT_FALSE(again("when do you open"));
}

TEST(AnswerCache, TheOldestGoWhereThereAreTooMany) {
  AnswerCache cache({kMinute, 3});
  const auto digest = [](int i) { return sha256(std::to_string(i)); };
  for (int i = 0; i < 5; ++i) cache.put(digest(i), {RunId(), "m", {}}, i);
  EXPECT_EQ(cache.size(), 3U);
  EXPECT_FALSE(cache.find(digest(1), 10));
  EXPECT_TRUE(cache.find(digest(2), 10));
  cache.put(digest(2), {RunId(), "n", {}}, 10);  // the newest now
  cache.put(digest(5), {RunId(), "m", {}}, 11);
  EXPECT_FALSE(cache.find(digest(3), 12));
  EXPECT_EQ(cache.find(digest(2), 12)->model, "n");
  cache.forget(digest(2));
  EXPECT_FALSE(cache.find(digest(2), 12));
  cache.put(digest(6), {RunId(), "m", {}}, 2 * kMinute);
  EXPECT_EQ(cache.size(), 1U) << "what is too old goes with it";
}

}  // namespace
}  // namespace sb::flow
