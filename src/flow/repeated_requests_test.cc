// Requests that were answered before: when they are answered again without a model, and when never.
#include <thread>

#include "flow/engine_testing.h"
#include "triage/encoder/testing_encoder.h"

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
    EXPECT_EQ(run->model_call.again, provider_->seen.size() == before);
    return run->model_call.again;
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
  EXPECT_FALSE(first->model_call.again);
  EXPECT_GT(first->row.cost, 0);
  const auto second = ask("when do you open");
  EXPECT_TRUE(second->model_call.again);
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
  EXPECT_TRUE(second->model_call.again);
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

/// Questions like one that was answered. The encoder is one for tests: the threshold is where its vectors tell apart.
class AlikeQuestions : public RepeatedRequests {
 protected:
  AlikeQuestions() {
    auto encoder = *triage::Encoder::from_data(triage::testing_encoder(triage::vocabulary_of_letters()), "letters");
    triage::LikenessData data;
    data.encoder = "letters";
    data.threshold = 0.5;
    likeness_ = std::make_shared<const triage::Likeness>(*triage::Likeness::create(std::move(data), encoder));
    on_cache_ = [this](CacheOutcome outcome) { outcomes_.push_back(outcome); };
    restart();
    provider_->fake.otherwise["l"].body = answer_of("we open at nine");
  }
  static std::string chat(std::string_view system, std::string_view text, std::string_view more = {}) {
    return fmt::format(
        R"({{"model":"auto","messages":[{{"role":"system","content":"{}"}},{{"role":"user","content":"{}"}}]{}}})",
        system, text, more);
  }
  bool again_as(const std::string& body) {
    return again("", [&](RunRequest& request) { request.input = body; });
  }
  std::vector<CacheOutcome> outcomes_;
};

TEST_F(AlikeQuestions, AreAnsweredByTheSameAnswerAndTheRecordSaysWhy) {
  const auto first = ask("when do you open");
  const auto second = ask("please, when do you open?");
  EXPECT_TRUE(second->model_call.alike);
  EXPECT_EQ(second->output.text(), first->output.text());
  EXPECT_EQ(row_of(second->row.id).cost, 0);
  const auto decision = *parse_json(decision_of(*second));
  EXPECT_EQ(string_member(decision, "cache"), "semantic");
  EXPECT_EQ(string_member(decision, "answer_of"), first->row.id.to_string());
  EXPECT_EQ(find_member(decision, "threshold")->to_number<double>(), 0.5);
  EXPECT_GE(find_member(decision, "similarity")->to_number<double>(), 0.5);
  const auto third = ask("when do you open");
  EXPECT_TRUE(third->model_call.again);
  EXPECT_FALSE(third->model_call.alike) << "the very same is exact";
  using enum CacheOutcome;
  EXPECT_EQ(outcomes_, (std::vector{miss, semantic, hit}));
}

TEST_F(AlikeQuestions, AnAnswerGivenAgainIsNotPassedOn) {
  ask("when do you open");
  EXPECT_TRUE(again("please, when do you open?"));
  EXPECT_EQ(answers_->size(), 1U);
}

TEST_F(AlikeQuestions, AreOnlyThoseWithTheSameKeptWords) {
  ask("what is 50 EUR in USD");
  EXPECT_TRUE(again("tell me what 50 EUR is in USD"));
  for (const std::string_view other :
       {"what is 51 EUR in USD", "what is 50 GBP in USD", "what is 50 USD in EUR", "what is not 50 EUR in USD"})
    EXPECT_FALSE(again(other)) << other;
}

TEST_F(AlikeQuestions, AreNotLikeEnoughBelowTheThreshold) {
  triage::LikenessData data;
  data.encoder = "letters";
  data.threshold = 1;
  auto encoder = *triage::Encoder::from_data(triage::testing_encoder(triage::vocabulary_of_letters()), "letters");
  likeness_ = std::make_shared<const triage::Likeness>(*triage::Likeness::create(std::move(data), encoder));
  restart();
  provider_->fake.otherwise["l"].body = answer_of("we open at nine");
  ask("when do you open");
  EXPECT_FALSE(again("please, when do you open?"));
}

TEST_F(AlikeQuestions, NeverAcrossTenantsPoliciesOrModels) {
  ask("when do you open");
  EXPECT_FALSE(again("please, when do you open?", [](RunRequest& request) { request.tenant = "other"; }));
  EXPECT_FALSE(again("please, when do you open?", [](RunRequest& request) { request.requested_model = "small"; }));
  policy_ = *policy::Policy::load(std::string(kPolicy) + "  - {name: url, types: [URL], action: redact}\n", "other");
  EXPECT_FALSE(again("please, when do you open?"));
}

TEST_F(AlikeQuestions, NeverWhereThePolicyFoundSomething) {
  const std::string text = "write to " + std::string(kMail);
  ask(text, as("ann"));
  EXPECT_FALSE(again("please " + text, as("bob")));
  EXPECT_FALSE(again("i want to " + text, as("ann"))) << "not for the same person either";
  EXPECT_TRUE(again(text, as("ann")));
}

TEST_F(AlikeQuestions, NeverWithAnotherSystemPromptOrOtherParameters) {
  EXPECT_FALSE(again_as(chat("be short", "when do you open")));
  EXPECT_TRUE(again_as(chat("be short", "please, when do you open?")));
  EXPECT_FALSE(again_as(chat("be long", "please, when do you open?"))) << "what it means depends on the prompt";
  EXPECT_FALSE(again_as(chat("be short", "please, when do you open", R"(,"temperature":0.5)")));
}

TEST_F(AlikeQuestions, NeverInAConversationOrWithToolsPicturesFormsOrVariety) {
  const auto messages = [](std::string_view list, std::string_view more) {
    return fmt::format(R"({{"model":"auto","messages":[{}]{}}})", list, more);
  };
  struct Kind {
    std::string_view before;  // of the question
    std::string_view more;
  };
  for (const auto& [before, more] :
       std::initializer_list<Kind>{{R"({"role":"user","content":"hello"},{"role":"assistant","content":"hello"},)", ""},
                                   {"", R"(,"tools":[{"type":"function","function":{"name":"f"}}])"},
                                   {"", R"(,"response_format":{"type":"json_object"})"},
                                   {"", R"(,"temperature":1.5)"},
                                   {"", R"(,"n":2)"},
                                   {"", R"(,"seed":7)"},
                                   {"", R"(,"logprobs":true)"}}) {
    const auto asked = [&](std::string_view text) {
      return messages(fmt::format(R"({}{{"role":"user","content":"{}"}})", before, text), more);
    };
    EXPECT_FALSE(again_as(asked("when do you open")));
    EXPECT_FALSE(again_as(asked("please, when do you open?"))) << before << more;
    EXPECT_TRUE(again_as(asked("please, when do you open?"))) << "the very same all the same";
  }
  const std::string picture =
      R"({"role":"user","content":[{"type":"text","text":"TEXT"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]})";
  const auto with = [&](std::string_view text) {
    std::string message = picture;
    return messages(message.replace(message.find("TEXT"), 4, text), "");
  };
  EXPECT_FALSE(again_as(with("when do you open")));
  EXPECT_FALSE(again_as(with("please, when do you open?")));
}

TEST_F(AlikeQuestions, NeverAfterNoCacheNorOfWhatWasNotToBeKept) {
  const auto wishing = [](CacheWishes wishes) { return [wishes](RunRequest& request) { request.cache = wishes; }; };
  ask("when do you open", wishing({.no_store = true}));
  EXPECT_FALSE(again("please, when do you open?"));
  EXPECT_FALSE(again("i want to know: when do you open", wishing({.no_cache = true})));
  clock_.advance(std::chrono::seconds(30));
  EXPECT_FALSE(again("can you tell me when do you open", wishing({.max_age_us = 29'000'000})));
}

TEST_F(AlikeQuestions, NeverOnceTheRunThatAnsweredIsErased) {
  const auto first = ask("when do you open");
  EXPECT_TRUE(again("please, when do you open?"));
  store::Commit commit;
  commit.erase.push_back(first->row.id);
  ASSERT_TRUE(wait(store_->commit(std::move(commit))));
  EXPECT_EQ(answers_->size(), 0U);
  EXPECT_FALSE(again("please, when do you open?"));
}

TEST_F(AlikeQuestions, OfTheModelsAnswersTheirTimeEnds) {
  ask("when do you open");
  clock_.advance(std::chrono::minutes(11));
  EXPECT_FALSE(again("please, when do you open?"));
}

/// A key that is destroyed takes with it what it sealed, in memory too.
TEST_F(RepeatedRequests, WithTheTenantsKeyItsAnswersAreGone) {
  ask("when do you open");
  tenant_keys_.add("acme", entropy_);
  EXPECT_TRUE(again("when do you open")) << "the older key is still there";
  ASSERT_TRUE(tenant_keys_.load(tenant_keys_.without_old_keys("acme", entropy_)));
  EXPECT_FALSE(again("when do you open"));
  EXPECT_TRUE(again("when do you open")) << "under the newer key";
}

/// An erasure may come between a run's last commit and the moment its answer is kept.
TEST_F(RepeatedRequests, WhatIsErasedBeforeItIsKeptIsNotKept) {
  const RunId run = RunId::generate(clock_, entropy_);
  const AnswerCache::Claim claim(*answers_, run);
  answers_->forget({&run, 1});
  answers_->put(claim, sha256("q"), std::nullopt, {run, "m", {}, "key", "sealed"}, 0);
  EXPECT_EQ(answers_->size(), 0U);
}

AnswerCache::Answer answer_number(const RunId& run, std::string model = "m") {
  return {run, std::move(model), {}, "key", "sealed"};
}

class CacheAlone : public testing::Test {
 protected:
  RunId keep(AnswerCache& cache, const Digest& request, Micros now_us, std::string model = "m",
             std::optional<Question> question = {}) {
    const RunId run = RunId::generate(clock_, entropy_);
    const AnswerCache::Claim claim(cache, run);
    cache.put(claim, request, std::move(question), answer_number(run, std::move(model)), now_us);
    return run;
  }
  static Digest digest(int i) { return sha256(std::to_string(i)); }
  static Question question(std::string_view scope, std::int8_t x, std::int8_t y) { return {sha256(scope), {x, y}}; }

  model::testing::FakeClock clock_;
  SeededEntropy entropy_{3};
};

TEST_F(CacheAlone, TheOldestGoWhereThereAreTooMany) {
  AnswerCache cache({kMinute, 3});
  for (int i = 0; i < 5; ++i) keep(cache, digest(i), i);
  EXPECT_EQ(cache.size(), 3U);
  EXPECT_FALSE(cache.find(digest(1), 10));
  EXPECT_TRUE(cache.find(digest(2), 10));
  const RunId newest = keep(cache, digest(2), 10, "n");
  keep(cache, digest(5), 11);
  EXPECT_FALSE(cache.find(digest(3), 12));
  EXPECT_EQ(cache.find(digest(2), 12)->model, "n");
  cache.forget({&newest, 1});
  EXPECT_FALSE(cache.find(digest(2), 12));
  keep(cache, digest(6), 2 * kMinute);
  EXPECT_EQ(cache.size(), 1U) << "what is too old goes with it";
}

TEST_F(CacheAlone, TheOldestGoWhereTheyTakeTooMuch) {
  AnswerCache cache({.keep_us = kMinute, .bytes_max = 10'000});
  for (int i = 0; i < 100; ++i) {
    keep(cache, digest(i), i, std::string(500, 'm'));
    EXPECT_LE(cache.size_bytes(), 10'000U);
  }
  EXPECT_TRUE(cache.find(digest(99), 100));
  EXPECT_TRUE(cache.find(digest(95), 100));
  EXPECT_FALSE(cache.find(digest(80), 100));
  keep(cache, digest(99), 100, std::string(20'000, 'm'));
  EXPECT_FALSE(cache.find(digest(99), 100)) << "too large for all of it, and newer than what there was";
  EXPECT_TRUE(cache.find(digest(98), 100)) << "no other goes for it";
}

TEST_F(CacheAlone, TheNearestQuestionOfTheScopeIsFound) {
  AnswerCache cache({.keep_us = kMinute, .alike_max = 3});
  const RunId right = keep(cache, digest(0), 0, "m", question("a", 100, 10));
  keep(cache, digest(1), 1, "m", question("a", 10, 100));
  keep(cache, digest(2), 2, "m", question("b", 100, 11));
  const auto found = cache.find_alike(question("a", 100, 11), 0.9F, 3);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->answer->run, right);
  EXPECT_GT(found->similarity, 0.999F);
  EXPECT_FALSE(cache.find_alike(question("a", -100, 11), 0.9F, 3));
  EXPECT_FALSE(cache.find_alike(question("c", 100, 11), 0.9F, 3));
  EXPECT_FALSE(cache.find_alike(question("a", 100, 11), 0.9F, 3, 2)) << "older than its caller wants";
  keep(cache, digest(3), 3, "m", question("a", 50, 50));
  keep(cache, digest(4), 4, "m", question("a", 49, 50));  // pushes the oldest out of the scope
  EXPECT_FALSE(cache.find_alike(question("a", 100, 11), 0.95F, 5));
  EXPECT_TRUE(cache.find(digest(0), 5)) << "it is still the answer to the very same";
  cache.forget({&right, 1});
  EXPECT_FALSE(cache.find(digest(0), 5));
  EXPECT_FALSE(cache.find_alike(question("b", 100, 11), 0.9F, 2 + kMinute)) << "too old";
}

/// Four threads keep and find, a fifth erases: what was erased is never found again.
TEST_F(CacheAlone, WhatIsErasedIsNeverFoundAgainWhateverIsUnderWay) {
  AnswerCache cache({.keep_us = kMinute, .entries_max = 50});
  constexpr std::size_t kRuns = 4'000;
  std::vector<RunId> runs;
  std::unordered_map<RunId, std::size_t> number_of;
  for (std::size_t i = 0; i < kRuns; ++i) number_of[runs.emplace_back(RunId::generate(clock_, entropy_))] = i;
  std::vector<std::atomic<bool>> claimed(kRuns), erased(kRuns);  // what is not on disk yet is not erased
  std::atomic<int> finished = 0, found_erased = 0, found = 0;
  const auto work = [&](std::size_t first) {
    for (std::size_t i = first; i < kRuns; i += 4) {
      const AnswerCache::Claim claim(cache, runs[i]);
      claimed[i] = true;
      cache.put(claim, digest(static_cast<int>(i % 20)), question("s", static_cast<std::int8_t>(i % 100), 1),
                answer_number(runs[i]), 0);
      for (int look = 0; look < 20; ++look) {
        std::vector<bool> before(kRuns);
        for (std::size_t k = 0; k < kRuns; k += 97) before[k] = erased[k];
        const auto exact = cache.find(digest(look), 0);
        const auto alike = cache.find_alike(question("s", 50, 1), -1, 0);
        for (const auto& answer : {exact, alike ? alike->answer : nullptr}) {
          if (!answer) continue;
          ++found;
          found_erased += before[number_of.at(answer->run)];
        }
      }
    }
    ++finished;
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 4; ++i) threads.emplace_back(work, i);
  while (finished < 4) {
    for (std::size_t i = 0; i < kRuns; i += 97) {
      if (!claimed[i] || erased[i]) continue;
      cache.forget({&runs[i], 1});
      erased[i] = true;
    }
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(found_erased, 0);
  EXPECT_GT(found, 0);
}

}  // namespace
}  // namespace sb::flow
