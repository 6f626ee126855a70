// The small model's answer is looked at before it is given.
#include <gmock/gmock.h>

#include "flow/engine_testing.h"
#include "triage/testing_verifier.h"

namespace sb::flow {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kLargeAnswer = "The large model knows it.";

class Cascade : public EngineTest {
 protected:
  Cascade() {
    look("{}");
    answers(triage::kPlain);
    on_verified_ = [this](const triage::Verdict& verdict) { verdicts_.push_back(verdict); };
    restart();
    answers(triage::kPlain);
  }

  void look(std::string_view cascade, std::string_view more = {}) {
    auto router = triage::Router::from_text(fmt::format("version: 1\ncascade: {}\n{}", cascade, more), "triage.yaml",
                                            std::nullopt, triage::test_verifier());
    ASSERT_TRUE(router) << router.error().detail;
    router_ = *router;
  }
  void answers(std::string_view small) {
    if (!provider_) return;
    provider_->fake.otherwise["s"].body = answer_of(small);
    provider_->fake.otherwise["l"].body = answer_of(kLargeAnswer);
  }
  std::shared_ptr<LiveRun> ask(std::string_view text = "where is it?",
                               const std::function<void(RunRequest&)>& change = {}) {
    auto run = prepare(request_of(text), change);
    EXPECT_TRUE(drive(run));
    return run;
  }
  std::string decision_of(RunId id) {
    const auto steps = *wait(store_->load_steps(id));
    const auto found = std::ranges::find(steps, "verify", &store::StepRow::kind);
    return found == steps.end() ? std::string() : found->decision;
  }
  static std::string said(const LiveRun& run) { return std::string(run.output.text()); }

  std::vector<triage::Verdict> verdicts_;
};

TEST_F(Cascade, AnAnswerThatWillDoIsGiven) {
  const auto run = ask();
  EXPECT_EQ(calls_, std::vector<std::string>{"s"});
  EXPECT_THAT(said(*run), HasSubstr(triage::kPlain));
  const auto row = row_of(run->row.id);
  EXPECT_EQ(row.route, "small");
  EXPECT_EQ(row.model, "fake/s");
  EXPECT_EQ(row.cost, 20);
  EXPECT_FALSE(row.rejected_cost);
  EXPECT_THAT(step_names(row.id),
              ElementsAre("guard.inbound", "triage", "byRoute", "guard.outbound", "small", "verify", "verified"))
      << "it is guarded once";
  EXPECT_THAT(decision_of(row.id), HasSubstr(R"("chosen":"accept","found":[])"));
  ASSERT_EQ(verdicts_.size(), 1U);
  EXPECT_TRUE(verdicts_[0].accepted());
}

TEST_F(Cascade, WithoutOneNobodyLooks) {
  router_ = *triage::Router::from_text("version: 1\n", "triage.yaml", std::nullopt);
  answers("I cannot help with that.");
  const auto run = ask();
  EXPECT_EQ(calls_, std::vector<std::string>{"s"});
  EXPECT_THAT(step_names(run->row.id), ElementsAre("guard.inbound", "triage", "byRoute", "guard.outbound", "model"));
  EXPECT_TRUE(verdicts_.empty());
}

TEST_F(Cascade, AnAnswerWithAFaultIsPassedOnAndBothArePaidOnce) {
  const struct {
    std::string_view found;
    std::string message;
    std::string_view finish;
  } cases[] = {
      {"empty", R"({"role":"assistant","content":null})", "stop"},
      {"cut", R"({"role":"assistant","content":"You should first of"})", "length"},
      {"refused", R"({"role":"assistant","content":"I'm not able to say violet."})", "stop"},
      {"refused", R"({"role":"assistant","content":null,"refusal":"violet"})", "stop"},
      {"arithmetic", R"({"role":"assistant","content":"violet: 12 * 17 = 214"})", "stop"},
      {"repeats",
       R"({"role":"assistant","content":"violet violet violet violet violet violet violet violet violet violet violet "})",
       "stop"}};
  for (const auto& [found, message, finish] : cases) {
    calls_.clear();
    const auto before = booked();
    FakeReply reply;
    reply.body = fmt::format(R"({{"choices":[{{"index":0,"message":{},"finish_reason":"{}"}}]}})", message, finish);
    provider_->fake.then("s", reply);
    const auto run = ask();
    EXPECT_THAT(calls_, ElementsAre("s", "l")) << message;
    EXPECT_THAT(said(*run), HasSubstr(kLargeAnswer));
    const auto row = row_of(run->row.id);
    EXPECT_EQ(row.route, "large");
    EXPECT_EQ(row.model, "fake/l");
    EXPECT_EQ(row.cost, 40);
    EXPECT_EQ(row.cost_all_large, 20) << "all large would have asked once";
    EXPECT_EQ(row.rejected_cost, 20);
    EXPECT_EQ(booked() - before, 40);
    EXPECT_THAT(decision_of(row.id), HasSubstr(fmt::format(R"("chosen":"escalate","found":["{}"])", found)));
    EXPECT_THAT(decision_of(row.id), Not(HasSubstr("violet")));
    EXPECT_EQ(row.output.find("violet"), std::string::npos);
  }
  const auto costs = *wait(store_->costs("acme", 0, clock_.now_us() + 1));
  ASSERT_EQ(costs.size(), 1U);
  EXPECT_EQ(costs[0].passed_on_runs, std::size(cases));
  EXPECT_EQ(costs[0].rejected_cost, static_cast<MicroMoney>(20 * std::size(cases)));
}

TEST_F(Cascade, WhatAToolIsCalledForNeedsNoWords) {
  FakeReply reply;
  reply.body =
      R"({"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]})";
  provider_->fake.then("s", reply);
  (void)ask();
  EXPECT_EQ(calls_, std::vector<std::string>{"s"});
}

TEST_F(Cascade, OfSeveralAnswersTheWorstCounts) {
  FakeReply reply;
  reply.body =
      R"({"choices":[{"index":0,"message":{"role":"assistant","content":"On the left."},"finish_reason":"stop"},)"
      R"({"index":1,"message":{"role":"assistant","content":"On the"},"finish_reason":"length"}]})";
  provider_->fake.then("s", reply);
  (void)ask();
  EXPECT_THAT(calls_, ElementsAre("s", "l"));
}

TEST_F(Cascade, AnAnswerMustHaveTheFormThatWasAskedFor) {
  const std::string request =
      R"({"model":"auto","messages":[{"role":"user","content":"add up"}],"response_format":{"type":"json_schema",)"
      R"("json_schema":{"name":"sum","schema":{"type":"object","required":["total"]}}}})";
  for (const auto& [text, passed_on] :
       {std::pair(R"({"total": 3})", false), {R"({"sum": 3})", true}, {"3", true}, {"The total is 3", true}}) {
    calls_.clear();
    answers(text);
    ASSERT_TRUE(drive(prepare(request)));
    EXPECT_EQ(calls_.size(), passed_on ? 2U : 1U) << text;
  }
  calls_.clear();
  answers("{}");
  ASSERT_TRUE(drive(prepare(
      R"({"model":"auto","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_object"}})")));
  EXPECT_EQ(calls_.size(), 1U);
  calls_.clear();
  answers("no object");
  ASSERT_TRUE(drive(prepare(
      R"({"model":"auto","messages":[{"role":"user","content":"x"}],"response\u005fformat":{"type":"json_object"}})")));
  EXPECT_EQ(calls_.size(), 2U) << "a name that is spelt with escapes";
}

// The policy's own check of the form has blocked it, after the round in which it may be corrected.
TEST_F(Cascade, AnAnswerThatThePolicyStopsForItsFormIsPassedOn) {
  policy_ = *policy::Policy::load(R"(
name: shape
version: 1
rules: [{types: [IBAN], direction: outbound, action: block}]
checks:
  - {name: shape, kind: json_schema, direction: outbound, repair: true, action: block, schema: {type: object, required: [total]}}
)",
                                  "test");
  answers("violet");
  provider_->fake.otherwise["l"].body = answer_of(R"({"total": 3})");
  const auto run = ask();
  ASSERT_FALSE(run->problem);
  EXPECT_THAT(calls_, ElementsAre("s", "s", "l"));
  EXPECT_EQ(row_of(run->row.id).cost, 60);
  EXPECT_EQ(row_of(run->row.id).rejected_cost, 40) << "the round of correction is part of it";
  EXPECT_THAT(decision_of(run->row.id), HasSubstr(R"("found":["schema"])"));
  // What it finds in an answer is no matter of form.
  answers("pay to DE89370400440532013000");
  calls_.clear();
  policy_ =
      *policy::Policy::load("{name: p, version: 1, rules: [{types: [IBAN], direction: both, action: block}]}", "p");
  EXPECT_EQ(ask()->error_code, Errc::policy_denied);
  EXPECT_EQ(calls_, std::vector<std::string>{"s"});
}

class DoubtfulAnswers : public Cascade {
 protected:
  DoubtfulAnswers() {
    look("{verifier: v.sbo}");
    answers(triage::kHedged);
  }
};

TEST_F(DoubtfulAnswers, AreForTheLargeModel) {
  const auto run = ask();
  EXPECT_THAT(calls_, ElementsAre("s", "l"));
  EXPECT_THAT(said(*run), HasSubstr(kLargeAnswer));
  EXPECT_EQ(run->row.route, "large");
  const auto decision = *parse_json(decision_of(run->row.id));
  EXPECT_EQ(string_member(decision, "threshold"), "0.5");
  EXPECT_GT(std::stod(std::string(string_member(decision, "gain"))), 0.5);
  EXPECT_EQ(string_member(*find_member(decision, "versions"), "verifier"), triage::test_verifier()->version());
  answers(triage::kPlain);
  EXPECT_EQ(ask()->row.route, "small");
}

TEST_F(DoubtfulAnswers, AreGivenWhereTheLargeModelHasNone) {
  provider_->fake.otherwise["l"] = model::testing::fake_error(Errc::upstream_timeout);
  const auto run = ask();
  ASSERT_FALSE(run->problem) << run->problem->detail;
  EXPECT_THAT(said(*run), HasSubstr(triage::kHedged));
  const auto row = row_of(run->row.id);
  EXPECT_EQ(row.status, RunStatus::completed);
  EXPECT_EQ(row.route, "small");
  EXPECT_EQ(row.model, "fake/s");
  EXPECT_GT(row.cost, 20) << "what was read in vain may be billed";
  EXPECT_EQ(booked(), row.cost);
  const auto names = step_names(row.id);
  EXPECT_NE(std::ranges::find(names, "keep"), names.end()) << "on record";
}

TEST_F(DoubtfulAnswers, AreNotGivenInPlaceOfOneThatThePolicyBlocks) {
  provider_->fake.otherwise["l"].body = answer_of("pay to DE89370400440532013000");
  const auto run = ask();
  ASSERT_TRUE(run->problem);
  EXPECT_EQ(run->error_code, Errc::policy_denied);
}

TEST_F(Cascade, AVetoedAnswerIsNeverGiven) {
  answers("I do not know.");
  provider_->fake.otherwise["l"] = model::testing::fake_error(Errc::upstream_timeout);
  const auto run = ask();
  ASSERT_TRUE(run->problem);
  EXPECT_EQ(run->error_code, Errc::upstream_timeout);
  EXPECT_EQ(row_of(run->row.id).output.find("do not know"), std::string::npos);
}

/// The least limit that lets the small model be asked: the large one cannot be paid any more then.
MicroMoney enough_for_one(const std::function<bool(MicroMoney)>& asks_somebody) {
  for (MicroMoney limit = 1; limit < 100'000; ++limit) {
    if (asks_somebody(limit)) return limit;
  }
  return 0;
}

TEST_F(DoubtfulAnswers, AreGivenWhereTheBudgetIsSpent) {
  std::shared_ptr<LiveRun> run;
  const auto limit = enough_for_one([&](MicroMoney most) {
    spend_limit_ = most;
    run = prepare(R"({"model":"auto","max_tokens":20,"messages":[{"role":"user","content":"where is it?"}]})");
    EXPECT_TRUE(drive(run));
    return !calls_.empty();
  });
  EXPECT_EQ(calls_, std::vector<std::string>{"s"});
  ASSERT_FALSE(run->problem);
  EXPECT_THAT(said(*run), HasSubstr(triage::kHedged));
  EXPECT_LE(booked(), limit);
  EXPECT_EQ(ledger_.reserved(key_, utc_day(clock_.now_us())), 0);
}

TEST_F(Cascade, AVetoedAnswerThatTheBudgetDoesNotReplaceIsARefusal) {
  answers("I do not know.");
  std::shared_ptr<LiveRun> run;
  const auto limit = enough_for_one([&](MicroMoney most) {
    spend_limit_ = most;
    run = prepare(R"({"model":"auto","max_tokens":20,"messages":[{"role":"user","content":"where is it?"}]})");
    EXPECT_TRUE(drive(run));
    return !calls_.empty();
  });
  EXPECT_EQ(calls_, std::vector<std::string>{"s"});
  EXPECT_EQ(run->error_code, Errc::budget_exceeded);
  EXPECT_LE(booked(), limit);
  EXPECT_EQ(row_of(run->row.id).cost, 20) << "the small answer is paid all the same";
}

TEST_F(Cascade, AStreamHearsTheLargeModelAndNothingOfWhatDidNotDo) {
  answers("I do not know violet.");
  auto& large = provider_->fake.otherwise["l"];
  large.chunks = {R"({"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"It is "}}]})",
                  R"({"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"here."}}]})"};
  Listener listener;
  const auto streaming = [&](RunRequest& request) {
    request.stream = true;
    request.audience = &listener;
  };
  const auto run = ask("where?", streaming);
  ASSERT_FALSE(run->problem);
  EXPECT_TRUE(run->streamed);
  std::string heard;
  for (const auto& payload : listener.heard) {
    const auto chunk = *parse_json(payload);
    heard += string_member(*find_member(find_member(chunk, "choices")->as_array().at(0), "delta"), "content");
  }
  EXPECT_EQ(heard, "It is here.");
  EXPECT_EQ(run->row.route, "large");
  answers(triage::kPlain);
  listener.heard.clear();
  EXPECT_FALSE(ask("where?", streaming)->streamed) << "it is given when it has been looked at";
  EXPECT_TRUE(listener.heard.empty());
}

// What has been heard of one answer cannot go on with another.
TEST_F(DoubtfulAnswers, DoNotFollowTheBeginningOfAStream) {
  auto& large = provider_->fake.otherwise["l"];
  large.chunks = {
      R"({"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"It is "}}]})"};
  large.stream_error = Error(Errc::upstream_error, "cut");
  Listener listener;
  const auto run = ask("where?", [&](RunRequest& request) {
    request.stream = true;
    request.audience = &listener;
  });
  EXPECT_EQ(listener.heard.size(), 1U);
  ASSERT_TRUE(run->problem);
  EXPECT_EQ(row_of(run->row.id).status, RunStatus::faulted);
}

TEST_F(Cascade, AKillWhileTheLargeModelIsAskedPaysTheSmallOneOnce) {
  answers("I do not know.");
  auto run = prepare(request_of("where?"));
  const RunId id = run->row.id;
  provider_->during = [this] {
    if (calls_.empty()) return;  // the small one
    provider_->forever = true;
    io_->stop();
  };
  asio::co_spawn(*io_, engine_->drive(run), asio::detached);
  io_->run();
  ASSERT_EQ(provider_->seen.size(), 2U);
  const auto key = provider_->seen[1].key;
  run.reset();
  restart();
  answers("I do not know.");
  EXPECT_EQ(row_of(id).rejected_cost, 20) << "known before anybody is asked";
  engine_->recover({id});
  io_->restart();
  io_->run();
  ASSERT_EQ(provider_->seen.size(), 1U) << "the small model is not asked again";
  EXPECT_EQ(provider_->seen[0].key, key);
  const auto row = row_of(id);
  EXPECT_EQ(row.status, RunStatus::completed);
  EXPECT_EQ(row.route, "large");
  EXPECT_EQ(row.cost, 40);
  EXPECT_EQ(booked(), 40);
  EXPECT_EQ(row.rejected_cost, 20);
  EXPECT_THAT(step_names(id), ElementsAre("guard.inbound", "triage", "byRoute", "guard.outbound", "small", "verify",
                                          "verified", "guard.outbound", "large"));
}

// Between its answer and the look there is no commit of its own: it is asked again as the same question.
TEST_F(Cascade, AKillBeforeTheLookAsksTheSmallModelWithTheSameKey) {
  auto run = prepare(request_of("where?"));
  const RunId id = run->row.id;
  provider_->forever = true;
  provider_->during = [this] { io_->stop(); };
  asio::co_spawn(*io_, engine_->drive(run), asio::detached);
  io_->run();
  const auto first = provider_->seen.at(0);
  run.reset();
  restart();
  answers(triage::kPlain);
  engine_->recover({id});
  io_->restart();
  io_->run();
  ASSERT_EQ(provider_->seen.size(), 1U);
  EXPECT_EQ(provider_->seen[0].key, first.key);
  EXPECT_EQ(row_of(id).cost, 20);
  EXPECT_THAT(decision_of(id), HasSubstr(R"("chosen":"accept")"));
}

TEST_F(DoubtfulAnswers, AreKeptOverAKillForTheCaseThatTheLargeModelHasNone) {
  auto run = prepare(request_of("where?"));
  const RunId id = run->row.id;
  provider_->during = [this] {
    if (calls_.empty()) return;
    provider_->forever = true;
    io_->stop();
  };
  asio::co_spawn(*io_, engine_->drive(run), asio::detached);
  io_->run();
  run.reset();
  restart();
  provider_->fake.otherwise["l"] = model::testing::fake_error(Errc::upstream_timeout);
  engine_->recover({id});
  io_->restart();
  io_->run();
  const auto row = row_of(id);
  EXPECT_EQ(row.status, RunStatus::completed);
  EXPECT_THAT(row.output, HasSubstr(triage::kHedged));
  EXPECT_EQ(row.route, "small");
}

/// The small model runs at home; the policy keeps mail addresses there.
class CascadeAtHome : public Cascade {
 protected:
  void begin(std::string_view small, bool large_at_home) {
    model::CatalogConfig config;
    model::ProviderConfig home, away;
    home.name = "home";
    home.local = true;
    away.name = "away";
    home.base_url = away.base_url = "http://127.0.0.1:1/v1";
    home.models = {{"s", "", {1'000'000, 0, 2'000'000}, 0}, {"l", "", {1'000'000, 0, 2'000'000}, 0}};
    away.models = {{"x", "", {1'000'000, 0, 2'000'000}, 0}};
    config.providers = {std::move(home), std::move(away)};
    config.tiers = {{"small", {{"home", "s", 1, 0}}}, {"large", {{"away", "x", 1, 0}}}};
    if (large_at_home) config.tiers[1].deployments.push_back({"home", "l", 1, 1});
    catalog_.emplace(*model::Catalog::create(std::move(config)));
    policy_ = *policy::Policy::load(
        "{name: p, version: 1, rules: [{types: [EMAIL], direction: inbound, action: route_to_local}]}", "p");
    look("{verifier: v.sbo}");
    restart();
    answers(small);
    calls_.clear();
  }
  static std::string secret() { return "where is " + std::string(kMail) + "?"; }
};

TEST_F(CascadeAtHome, WhatMustStayIsNotPassedOnToAModelElsewhere) {
  begin(triage::kHedged, false);
  const auto doubtful = ask(secret());
  EXPECT_EQ(calls_, std::vector<std::string>{"s"});
  ASSERT_FALSE(doubtful->problem);
  EXPECT_EQ(doubtful->row.route, "small");
  EXPECT_FALSE(doubtful->row.rejected_cost);
  EXPECT_THAT(decision_of(doubtful->row.id), HasSubstr(R"("kept":true)"));
  answers("I do not know.");
  calls_.clear();
  const auto vetoed = ask(secret());
  EXPECT_EQ(calls_, std::vector<std::string>{"s"});
  EXPECT_EQ(vetoed->error_code, Errc::policy_denied);
  EXPECT_THAT(decision_of(vetoed->row.id), HasSubstr(R"("chosen":"escalate")"));
  calls_.clear();
  (void)ask("what may leave the house?");
  EXPECT_THAT(calls_, ElementsAre("s", "x"));
}

TEST_F(CascadeAtHome, ALargeModelAtHomeMayBeAsked) {
  begin("I do not know.", true);
  const auto run = ask(secret());
  ASSERT_FALSE(run->problem);
  EXPECT_THAT(calls_, ElementsAre("s", "l"));
  EXPECT_EQ(run->row.route, "large");
}

class RepeatedCascade : public Cascade {
 protected:
  RepeatedCascade() {
    answers_ = std::make_unique<AnswerCache>(AnswerCacheOptions{600'000'000, 100});
    restart();
    answers(triage::kPlain);
  }
};

TEST_F(RepeatedCascade, AnAnswerThatDidNotDoIsNotGivenToWhoAsksTheSame) {
  (void)ask();
  const auto again = ask();
  EXPECT_EQ(calls_, std::vector<std::string>{"s"});
  EXPECT_TRUE(again->model_call.again);
  EXPECT_EQ(again->row.route, "small");
  EXPECT_THAT(said(*again), HasSubstr(triage::kPlain));
  calls_.clear();
  answers("I do not know.");
  (void)ask("what else?");
  const auto once_more = ask("what else?");
  EXPECT_THAT(calls_, ElementsAre("s", "l", "s")) << "the large model's answer is known by now";
  EXPECT_TRUE(once_more->model_call.again);
  EXPECT_EQ(once_more->row.route, "large");
  EXPECT_THAT(said(*once_more), HasSubstr(kLargeAnswer));
}

TEST_F(Cascade, AScriptThatHasNoAnswerLeavesItToTheSmallModelAndItsLook) {
  look("{}", "rules: [{name: hours, when: {phrases: [open]}, route: script, script: none}]\n");
  answers("I do not know.");
  const auto run = ask("when do you open?");
  EXPECT_THAT(calls_, ElementsAre("s", "l"));
  EXPECT_EQ(run->row.route, "large");
}

TEST_F(Cascade, WhoNamesAModelGetsItsAnswerAsItIs) {
  answers("I do not know.");
  const auto run = ask("where?", [](RunRequest& request) { request.requested_model = "small"; });
  EXPECT_EQ(calls_, std::vector<std::string>{"s"});
  EXPECT_THAT(said(*run), HasSubstr("do not know"));
}

// Runs that began with it must find it as it was.
TEST(ShippedFlows, TheChatFlowsOfBeforeStayAsTheyWere) {
  const auto now = load_flow(file_text("flows/chat.yaml"), "chat.yaml", builtin_functions());
  ASSERT_TRUE(now) << now.error().detail;
  FlowRegistry flows;
  ASSERT_TRUE(flows.add(*now));
  for (const auto& [version, hash] :
       {std::pair("1.0.0", "34cc7d9c82a45a5e44714fd413ecafa3216c4f874424f38750f6d37a39e340ab"),
        std::pair("1.1.0", "49b2870f5175226157ef184a27ee5f5739e8db70b58ec96a8e62bcaa23f19ecf")}) {
    const auto file = fmt::format("chat-{}.yaml", version);
    const auto before = load_flow(file_text(("flows/" + file).c_str()), file, builtin_functions());
    ASSERT_TRUE(before) << before.error().detail;
    EXPECT_EQ((*before)->id(), fmt::format("signalbox/chat@{}", version));
    EXPECT_EQ((*before)->hash, hash);
    ASSERT_TRUE(flows.add(*before));
  }
  EXPECT_EQ((*flows.find("signalbox", "chat"))->version, (*now)->version) << "new runs take the new one";
}

}  // namespace
}  // namespace sb::flow
