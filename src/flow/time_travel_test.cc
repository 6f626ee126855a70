// Runs that go on from where they failed or from an earlier task, and runs that begin where another one stood.
#include <fmt/format.h>

#include "flow/engine_testing.h"

namespace sb::flow {
namespace {

using model::testing::fake_status;

constexpr std::string_view kThree =
    "do:\n"
    "  - first: {call: chat, with: {model: large, messages: [{role: user, content: '${ \"one \" + .word }'}]}, "
    "output: {as: '.choices[0].message.content'}, export: {as: '${ {first: .} }'}}\n"
    "  - between: {set: {word: '${ $context.first }'}}\n"
    "  - second: {call: chat, with: {model: large, messages: [{role: user, content: '${ \"two \" + .word }'}]}, "
    "output: {as: '.choices[0].message.content'}}\n"
    "  - last: {set: {said: '${ . }', first: '${ $context.first }', given: '${ $workflow.input.word }'}}\n";

class TimeTravel : public EngineTest {
 protected:
  std::shared_ptr<const Flow> flow_of(std::string_view name, std::string_view rest) {
    return add_flow(
        fmt::format("document: {{dsl: '1.0.3', namespace: test, name: {}, version: '1.0.0'}}\n{}", name, rest));
  }
  RunId ended(const std::shared_ptr<const Flow>& flow, std::string input = R"({"word":"x"})",
              const std::function<void(RunRequest&)>& change = {}) {
    const auto run = prepare(std::move(input), [&](RunRequest& request) {
      request.flow = flow;
      request.profile = policy::JsonProfile::any;
      request.requested_model.clear();
      request.subject = "jane";
      if (change) change(request);
    });
    EXPECT_TRUE(get(engine_->drive(run)));
    return run->row.id;
  }
  // Runs at rest keep timers: nobody waits until there are none.
  template <class T>
  T wait(Task<T> task) {
    return get(std::move(task));
  }
  store::RunRow row_of(RunId id) {
    auto row = get(store_->load_run(id));
    EXPECT_TRUE(row && engine_->unseal(*row));
    return *std::move(row);
  }
  Result<> retry(RunId id, Engine::Goal goal = {}) {
    auto done = get(engine_->retry(id, std::move(goal), {"the operator", {}, {}}));
    work_until([&] { return in_flight_->size() == 0; });
    return done;
  }
  /// Names of its tasks as they ended, without what the policy decided.
  std::vector<std::string> tasks_of(RunId id) {
    std::vector<std::string> names;
    for (const auto& step : *get(store_->load_steps(id))) {
      if (!step.name.starts_with("guard.")) names.push_back(step.name);
    }
    return names;
  }
  Engine::Goal step_of(RunId id, std::string_view name, std::size_t time = 0) {
    for (const auto& step : *get(store_->load_steps(id))) {
      if (step.name == name && time-- == 0) return {static_cast<std::uint32_t>(step.index), {}};
    }
    ADD_FAILURE() << name;
    return {};
  }
  /// What is refused, and why.
  std::string refused(RunId id, Engine::Goal goal = {}) {
    const auto done = retry(id, std::move(goal));
    return done ? "" : fmt::format("{}: {}", to_string(done.error().code), done.error().detail);
  }
  static Engine::Goal from(std::string_view task) { return {{}, std::string(task)}; }
  Result<RunId> fork(RunId origin, Engine::Goal goal, std::optional<std::string> input = {},
                     std::optional<std::string> context = {}) {
    const RunId id = RunId::generate(clock_, entropy_);
    auto pending = in_flight_->enter("acme", {}, id, {}).pending;
    RunRequest request;
    request.key = other_key_.to_string();
    request.spender = other_key_;
    Engine::Fork wanted{*wait(store_->load_run(origin)), std::move(goal), std::move(input), std::move(context)};
    auto run = wait(engine_->prepare_fork(std::move(wanted), std::move(request), pending, id));
    if (!run) {
      in_flight_->leave("acme", {}, pending);
      return std::unexpected(run.error());
    }
    EXPECT_TRUE(get(engine_->drive(*run)));
    return id;
  }
  std::string question(std::size_t call) const {
    const auto body = parse_json(provider_->seen.at(call).body);
    return std::string(string_member(find_member(*body, "messages")->get_array().back(), "content"));
  }
  void says(std::string_view text) { provider_->fake.otherwise["l"].body = answer_of(text); }
  void says_next(std::string_view text) {
    FakeReply reply;
    reply.body = answer_of(text);
    provider_->fake.then("l", std::move(reply));
  }
  void fails_next() { provider_->fake.then("l", fake_status(400, {}, R"({"error":{"message":"no"}})")); }
  std::vector<std::string> leaves(std::string_view kind) const {
    std::vector<std::string> found;
    for (const auto& leaf : log_.read) {
      if (leaf.contains(fmt::format(" {} ", kind))) found.push_back(leaf);
    }
    return found;
  }
  /// Nothing is left in memory of what was refused.
  void TearDown() override { EXPECT_EQ(in_flight_->size(), 0U); }

  const KeyId other_key_ = KeyId::generate(clock_, entropy_);
};

TEST_F(TimeTravel, ARunGoesOnWhereItFailedAndWhatItDidBeforeIsNotDoneAgain) {
  const auto flow = flow_of("three", kThree);
  says("yes");
  says_next("yes");
  fails_next();
  const RunId id = ended(flow);
  ASSERT_EQ(row_of(id).status, RunStatus::faulted);
  ASSERT_EQ(provider_->seen.size(), 2U);
  const auto failed_key = provider_->seen[1].key;

  restart();  // all that is needed is on disk
  says("well");
  ASSERT_TRUE(retry(id));
  const auto row = row_of(id);
  ASSERT_EQ(row.status, RunStatus::completed) << row.error;
  EXPECT_EQ(row.output, R"({"said":"well","first":"yes","given":"x"})");
  EXPECT_TRUE(row.error.empty());
  ASSERT_EQ(provider_->seen.size(), 1U) << "the first is not asked again";
  EXPECT_EQ(question(0), "two yes");
  EXPECT_NE(provider_->seen[0].key, failed_key) << "it was answered: it is asked anew";
  EXPECT_EQ(tasks_of(id), (std::vector<std::string>{"first", "between", "second", "retry", "second", "last"}));
  EXPECT_EQ(row.cost, booked()) << "what was paid stays paid, once";
  restart();
  const auto orders = leaves("run.retry");
  ASSERT_EQ(orders.size(), 1U);
  EXPECT_TRUE(orders[0].ends_with(R"("task":"/do/2/second"})")) << orders[0];
  EXPECT_EQ(leaves("run.end").size(), 2U);
}

TEST_F(TimeTravel, ARunGoesOnFromATaskThatItCameToBefore) {
  const auto flow = flow_of("three", kThree);
  for (const bool by_step : {false, true}) {
    provider_->seen.clear();
    says_next("yes");
    fails_next();
    const RunId id = ended(flow);
    says("again");
    ASSERT_TRUE(retry(id, by_step ? step_of(id, "first") : from("/do/0/first")));
    EXPECT_EQ(row_of(id).output, R"({"said":"again","first":"again","given":"x"})");
    ASSERT_EQ(provider_->seen.size(), 4U);
    EXPECT_EQ(question(2), "one x");
    EXPECT_EQ(question(3), "two again");
    std::set<std::string> keys;
    for (const auto& seen : provider_->seen) keys.insert(seen.key);
    EXPECT_EQ(keys.size(), 4U) << "what is done again by somebody's wish is another call";
  }
  // A task without an effect, behind the last one that had one.
  provider_->seen.clear();
  says_next("yes");
  fails_next();
  const RunId id = ended(flow);
  ASSERT_TRUE(retry(id, from("/do/1/between")));
  EXPECT_EQ(provider_->seen.size(), 3U);
  EXPECT_EQ(tasks_of(id),
            (std::vector<std::string>{"first", "between", "second", "retry", "between", "second", "last"}));
}

TEST_F(TimeTravel, WhatCannotGoOnIsRefusedAndSaysWhy) {
  const auto flow = flow_of("three", kThree);
  const RunId done = ended(flow);
  ASSERT_EQ(row_of(done).status, RunStatus::completed);
  EXPECT_TRUE(refused(done).contains("fork it")) << refused(done);
  fails_next();
  const RunId failed = ended(flow);
  EXPECT_EQ(refused(failed, from("/do/0/frist")),
            "invalid_argument: test/three@1.0.0 has no task at `/do/0/frist`; did you mean `/do/0/first`?");
  EXPECT_TRUE(refused(failed, from("/do/2/second")).contains("the run did not come there"));
  for (const char* no_task : {"/document/name", "/do", "/do/0", "/do/0/first/call", "/do/2/second/with", "/input"})
    EXPECT_TRUE(refused(failed, from(no_task)).starts_with("invalid_argument: test/three@1.0.0 has no task at"))
        << refused(failed, from(no_task));
  EXPECT_TRUE(refused(failed, from("/do/0/first/call")).contains("did you mean `/do/0/first`?"));
  EXPECT_TRUE(refused(failed, from("/do/0/fork/branches/1/b")).contains("branch of a fork"));
  EXPECT_TRUE(refused(failed, {99, {}}).contains("no step 99"));
  EXPECT_TRUE(refused(failed, {0, {}}).contains("no task of the flow"));
  EXPECT_TRUE(refused(RunId::generate(clock_, entropy_)).starts_with("not_found"));
  const RunId blocked = ended(flow, R"({"word":"DE89370400440532013000"})");
  ASSERT_EQ(row_of(blocked).status, RunStatus::faulted);
  EXPECT_TRUE(refused(blocked).contains("before its first task")) << refused(blocked);
  EXPECT_TRUE(refused(blocked, from("/do/0/first")).contains("before its first task"));
  EXPECT_EQ(fork(blocked, {}).error().code, Errc::conflict) << "what the policy stopped is not let in by another door";
  EXPECT_EQ(provider_->seen.size(), 3U);
  const RunId waits = ended(flow_of("waits", "do:\n  - pause: {wait: {hours: 1}}\n"));
  EXPECT_TRUE(refused(waits).contains("the run is waiting")) << refused(waits);
  store::Commit erasure;
  erasure.erase = {failed, done};
  ASSERT_TRUE(wait(store_->commit(std::move(erasure))));
  EXPECT_TRUE(refused(failed).contains("erased"));
  EXPECT_EQ(fork(done, {}).error().code, Errc::conflict);
  fails_next();
  const RunId orphan = ended(
      *load_flow("document: {dsl: '1.0.3', namespace: test, name: unknown, version: '1.0.0'}\n" + std::string(kThree),
                 "test.yaml", builtin_functions()));
  EXPECT_TRUE(refused(orphan).contains("not here any more"));
  EXPECT_EQ(fork(orphan, {}).error().code, Errc::conflict);
}

TEST_F(TimeTravel, TwoWhoRetryAtOnceMakeOneRetry) {
  const auto flow = flow_of("three", kThree);
  fails_next();
  const RunId id = ended(flow);
  std::vector<Result<>> answers;
  for (int i = 0; i < 3; ++i)
    asio::co_spawn(*io_, engine_->retry(id, {}, {"the operator", {}, {}}),
                   [&](const std::exception_ptr&, Result<> done) { answers.push_back(std::move(done)); });
  io_->restart();
  io_->run();
  ASSERT_EQ(answers.size(), 3U);
  EXPECT_EQ(std::ranges::count_if(answers, [](const auto& done) { return done.has_value(); }), 1);
  EXPECT_EQ(row_of(id).status, RunStatus::completed);
  EXPECT_EQ(std::ranges::count(tasks_of(id), "retry"), 1);
}

TEST_F(TimeTravel, AKillAfterTheRetryWasPromisedLosesNothing) {
  const auto flow = flow_of("three", kThree);
  fails_next();
  const RunId id = ended(flow);
  provider_->forever = true;
  ASSERT_TRUE(get(engine_->retry(id, {}, {"the operator", "retry:x", "{}"})));
  restart();
  EXPECT_EQ(row_of(id).status, RunStatus::running);
  EXPECT_EQ(wait(store_->load_document("retry:x")).value(), "{}") << "and it is known that it was";
  engine_->recover({id});
  io_->restart();
  io_->run();
  EXPECT_EQ(row_of(id).status, RunStatus::completed);
  EXPECT_EQ(std::ranges::count(tasks_of(id), "retry"), 1);
}

TEST_F(TimeTravel, ACancelledRunGoesOnWhereItStood) {
  const auto flow = flow_of("pauses",
                            "do:\n"
                            "  - ask: {call: chat, with: {model: large, messages: [{role: user, content: hello}]}}\n"
                            "  - pause: {wait: {hours: 1}}\n"
                            "  - last: {set: {done: true}}\n");
  const RunId id = ended(flow);
  ASSERT_EQ(row_of(id).status, RunStatus::waiting);
  ASSERT_TRUE(wait(events_->command(id, EventHub::Verb::cancel, "the operator")));
  ASSERT_EQ(row_of(id).status, RunStatus::cancelled);
  ASSERT_TRUE(retry(id));
  EXPECT_EQ(row_of(id).status, RunStatus::waiting) << "it waits for its time again";
  ASSERT_TRUE(wait(events_->command(id, EventHub::Verb::cancel, "the operator")));
  clock_.advance(std::chrono::hours(2));
  ASSERT_TRUE(retry(id, from("/do/2/last")));
  EXPECT_EQ(row_of(id).output, R"({"done":true})");
  EXPECT_EQ(provider_->seen.size(), 1U);
}

TEST_F(TimeTravel, OfAForkThatFailedTheOtherBranchesAreNotDoneAgain) {
  const auto flow =
      flow_of("forked",
              "do:\n"
              "  - both:\n"
              "      fork:\n"
              "        branches:\n"
              "          - good: {call: chat, with: {model: large, messages: [{role: user, content: g}]}}\n"
              "          - bad: {call: chat, with: {model: large, messages: [{role: user, content: b}]}}\n"
              "  - last: {set: {all: '${ . }'}}\n");
  says("fine");
  says_next("good");
  fails_next();
  const RunId id = ended(flow);
  ASSERT_EQ(row_of(id).status, RunStatus::faulted);
  ASSERT_TRUE(retry(id));
  EXPECT_EQ(row_of(id).status, RunStatus::completed) << row_of(id).error;
  EXPECT_TRUE(row_of(id).output.contains("good") && row_of(id).output.contains("fine")) << row_of(id).output;
  EXPECT_EQ(provider_->seen.size(), 3U);
}

TEST_F(TimeTravel, AForkBeginsWhereTheOtherRunStoodAndLeavesItAlone) {
  const auto flow = flow_of("three", kThree);
  says("yes");
  const RunId origin = ended(flow, to_text(json::object{{"word", kMail}}));
  const auto before = row_of(origin);
  ASSERT_EQ(before.status, RunStatus::completed);
  const auto paid = before.cost;
  ASSERT_GT(paid, 0);

  says("other");
  const auto made = fork(origin, from("/do/2/second"));
  ASSERT_TRUE(made) << made.error().detail;
  const auto row = row_of(*made);
  EXPECT_EQ(row.status, RunStatus::completed) << row.error;
  EXPECT_EQ(row.output, R"({"said":"other","first":"yes","given":"[EMAIL_1]"})");
  EXPECT_EQ(row.forked_from, origin);
  EXPECT_EQ(row.forked_at, StepIndex{*step_of(origin, "between").step + 1});
  EXPECT_EQ(row.subject, before.subject);
  EXPECT_EQ(row.key, other_key_.to_string());
  EXPECT_EQ(row.cost, paid / 2) << "the first was paid by the other run";
  EXPECT_EQ(wait(store_->spend_of(other_key_.to_string(), clock_.now_us())).value(), paid / 2);
  EXPECT_EQ(provider_->seen.size(), 3U);
  EXPECT_EQ(tasks_of(*made), (std::vector<std::string>{"fork", "second", "last"}));
  const auto opened = wait(store_->load_run(*made));
  EXPECT_EQ(engine_->reopen(*opened)->get()->guard.restore(R"(["[EMAIL_1]"])"), to_text(json::array{kMail}))
      << "its values are the other's";

  const auto after = row_of(origin);
  EXPECT_EQ(after.output, before.output);
  EXPECT_EQ(after.cost, before.cost);
  EXPECT_EQ(after.updated_us, before.updated_us);
  EXPECT_EQ(after.epoch, before.epoch);
  EXPECT_EQ(booked(), paid);
}

TEST_F(TimeTravel, AForkIsToldOtherInputAndContextPastThePolicy) {
  const auto flow = flow_of("three", kThree);
  says("yes");
  const RunId origin = ended(flow);
  const auto made = fork(origin, from("/do/2/second"), to_text(json::object{{"word", kMail}}), R"({"first":"forged"})");
  ASSERT_TRUE(made) << made.error().detail;
  EXPECT_EQ(row_of(*made).output, R"({"said":"yes","first":"forged","given":"x"})");
  EXPECT_EQ(question(2), "two [EMAIL_1]");
  EXPECT_FALSE(row_of(*made).vault.empty());
  const auto blocked = fork(origin, from("/do/2/second"), R"({"word":"DE89370400440532013000"})");
  EXPECT_EQ(blocked.error().code, Errc::policy_denied);
  // At its beginning the input is the run's.
  const auto anew = fork(origin, {}, R"({"word":"y"})");
  ASSERT_TRUE(anew) << anew.error().detail;
  EXPECT_EQ(row_of(*anew).output, R"({"said":"yes","first":"yes","given":"y"})");
  EXPECT_EQ(row_of(*anew).forked_from, origin);
  EXPECT_EQ(row_of(*anew).subject, row_of(origin).subject);
  EXPECT_EQ(fork(origin, {}, R"({"word":"y"})", "{}").error().code, Errc::invalid_argument);
  const auto same = fork(origin, {});
  ASSERT_TRUE(same) << same.error().detail;
  EXPECT_EQ(row_of(*same).output, R"({"said":"yes","first":"yes","given":"x"})");
  // Of a fork, too: by its own steps.
  const auto of_fork = fork(*made, from("/do/3/last"), R"("told")");
  ASSERT_TRUE(of_fork) << of_fork.error().detail;
  EXPECT_EQ(row_of(*of_fork).output, R"({"said":"told","first":"forged","given":"x"})");
}

TEST_F(TimeTravel, OfALoopTheRoundThatIsMeantIsTaken) {
  const auto flow = flow_of(
      "rounds",
      "do:\n"
      "  - all:\n"
      "      for: {each: i, in: '${ [1, 2, 3] }'}\n"
      "      do:\n"
      "        - ask: {call: chat, with: {model: large, messages: [{role: user, content: '${ \"\\($i)\" }'}]}}\n"
      "        - note: {set: {said: '${ . }', round: '${ $i }'}}\n");
  const RunId id = ended(flow);
  ASSERT_EQ(row_of(id).status, RunStatus::completed) << row_of(id).error;
  ASSERT_EQ(tasks_of(id), (std::vector<std::string>{"ask", "note", "ask", "note", "ask", "note", "all"}));
  const auto asked_by = [&](Engine::Goal goal) {
    provider_->seen.clear();
    const auto made = fork(id, std::move(goal));
    EXPECT_TRUE(made) << made.error().detail;
    std::string rounds;
    for (std::size_t i = 0; i < provider_->seen.size(); ++i) rounds += question(i);
    return rounds;
  };
  EXPECT_EQ(asked_by(step_of(id, "ask", 0)), "123");
  EXPECT_EQ(asked_by(step_of(id, "ask", 1)), "23");
  EXPECT_EQ(asked_by(step_of(id, "note", 1)), "3");
  EXPECT_EQ(asked_by(step_of(id, "ask", 2)), "3");
  EXPECT_EQ(asked_by(from("/do/0/all/do/0/ask")), "3") << "the last time it came there";
  EXPECT_EQ(asked_by(from("/do/0/all")), "123");
  EXPECT_EQ(asked_by(step_of(id, "note", 2)), "");
}

TEST_F(TimeTravel, BeyondTheirLimitCheckpointsAreNotKeptAndThatIsSaid) {
  checkpoint_bytes_max_ = 700;
  restart();
  const auto flow = flow_of("three", kThree);
  says_next(std::string(1'000, 'y'));
  fails_next();
  const RunId id = ended(flow);
  EXPECT_EQ(wait(store_->checkpoints(id))->size(), 1U) << "its beginning";
  EXPECT_TRUE(refused(id, from("/do/1/between")).contains("flows.checkpoint_mb"));
  EXPECT_TRUE(retry(id)) << "where it failed it goes on all the same";
  EXPECT_EQ(row_of(id).status, RunStatus::completed);
}

TEST_F(TimeTravel, CheckpointsAreSealedAndOfChatsNoneAreKept) {
  auto run = prepare(request_of("hello"));
  ASSERT_TRUE(drive(run));
  EXPECT_TRUE(wait(store_->checkpoints(run->row.id))->empty());
  EXPECT_EQ(fork(run->row.id, {}).error().code, Errc::conflict);
  const RunId id = ended(flow_of("three", kThree), R"({"word":"canary"})");
  const auto kept = wait(store_->checkpoints(id));
  ASSERT_EQ(kept->size(), 3U);
  for (const auto& one : *kept) EXPECT_FALSE(one.sealed.contains("canary"));
}

TEST_F(TimeTravel, AChatThatFailedGoesOnToo) {
  fails_next();
  auto run = prepare(request_of("hello"));
  ASSERT_TRUE(drive(run));
  ASSERT_EQ(row_of(run->row.id).status, RunStatus::faulted);
  ASSERT_TRUE(retry(run->row.id));
  EXPECT_EQ(row_of(run->row.id).status, RunStatus::completed);
}

}  // namespace
}  // namespace sb::flow
