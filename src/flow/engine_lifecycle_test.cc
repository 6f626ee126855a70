// Lifecycle events: with the commit of what they tell, each once, and nothing in them that the policy keeps.
#include <fmt/format.h>

#include "flow/engine_testing.h"

namespace sb::flow {
namespace {

class LifecycleTold : public EngineTest {
 protected:
  LifecycleTold() {
    lifecycle_.types = {"io.serverlessworkflow.*"};
    lifecycle_.output = true;
    restart();
  }

  std::shared_ptr<const Flow> flow_of(std::string_view name, std::string_view rest) {
    return add_flow(
        fmt::format("document: {{dsl: '1.0.3', namespace: test, name: {}, version: '1.0.0'}}\n{}", name, rest));
  }
  std::shared_ptr<LiveRun> made(const std::shared_ptr<const Flow>& flow, std::string input = "{}") {
    return prepare(std::move(input), [&](RunRequest& request) {
      request.flow = flow;
      request.profile = policy::JsonProfile::any;
    });
  }
  RunId ended(const std::shared_ptr<const Flow>& flow, std::string input = "{}") {
    const auto run = made(flow, std::move(input));
    EXPECT_TRUE(drive(run));
    return run->row.id;
  }
  /// What waits in the outbox.
  std::vector<Telling> waiting() {
    std::vector<Telling> all;
    const auto rows = wait(store_->outbox(0, 1'000));
    for (const auto& row : *rows) {
      const auto run = wait(store_->load_run(row.run));
      const auto text = Sealer::open(*sealer_.key_of(*run), row.run, place::outbox(row.seq), row.sealed);
      EXPECT_TRUE(text);
      all.push_back(*Telling::from_text(*text));
    }
    return all;
  }
  static std::vector<std::string> types_of(const std::vector<Telling>& all) {
    std::vector<std::string> types;
    for (const auto& one : all) {
      const std::string_view type = one.event.at("type").as_string();
      types.emplace_back(type.substr(kLifecyclePrefix.size(), type.rfind(".v1") - kLifecyclePrefix.size()));
    }
    return types;
  }
  std::unique_ptr<LifecyclePost> new_post() {
    return std::make_unique<LifecyclePost>(LifecyclePost::Parts{*store_, sealer_, *events_, events_out_},
                                           io_->get_executor());
  }
  /// Tells until nothing is left; the rounds that took.
  int tell_all() {
    const auto post = new_post();
    int rounds = 0;
    for (; !wait(store_->outbox(0, 1))->empty(); ++rounds) {
      EXPECT_TRUE(wait(post->tell_here()));
      EXPECT_TRUE(wait(post->tell_outside()));
      if (rounds > 50) {
        ADD_FAILURE() << "it never ends";
        break;
      }
    }
    return rounds;
  }
  std::vector<store::RunRow> runs_of(std::string_view name) {
    store::RunFilter filter;
    filter.flow = fmt::format("test/{}", name);
    filter.limit = 1'000;
    return *wait(store_->list_runs(std::move(filter)));
  }
};

constexpr std::string_view kTwoSets = "do:\n  - one: {set: {x: 1}}\n  - two: {set: {x: 2}}\n";
constexpr std::string_view kWatchesAll =
    "schedule: {on: {one: {with: {type: '${ startswith(\"io.serverlessworkflow.\") }'}}}}\n"
    "do:\n  - keep: {set: {id: '${ .[0].id }', data: '${ .[0].data }'}}\n";

TEST_F(LifecycleTold, TheWholeLifeOfARunIsInTheOutboxInOrder) {
  const RunId id = ended(flow_of("plain", kTwoSets));
  const auto all = waiting();
  EXPECT_EQ(types_of(all),
            (std::vector<std::string>{"workflow.started", "task.created", "task.started", "task.completed",
                                      "task.created", "task.started", "task.completed", "workflow.completed"}));
  for (std::size_t i = 0; i < all.size(); ++i)
    EXPECT_EQ(all[i].event.at("id"), json::value(fmt::format("{}-lifecycle-{}", id.to_string(), i + 1)));
  EXPECT_EQ(to_text(all.back().event.at("data").at("output")), R"({"x":2})");
}

TEST_F(LifecycleTold, NothingIsToldWhereNobodyAskedForIt) {
  lifecycle_ = {};
  restart();
  (void)ended(flow_of("plain", kTwoSets));
  EXPECT_TRUE(waiting().empty());
  lifecycle_.types = {"*.workflow.completed.v1"};
  restart();
  (void)ended(flow_of("other", kTwoSets));
  EXPECT_EQ(types_of(waiting()), std::vector<std::string>{"workflow.completed"});
}

TEST_F(LifecycleTold, ARunThatIsKilledTellsEachChangeUnderOneNumber) {
  const auto flow = flow_of("asks",
                            "do:\n  - first: {set: {x: 1}}\n  - ask: {call: chat, with: {model: large, messages: "
                            "[{role: user, content: hi}]}}\n");
  const auto run = made(flow);
  const RunId id = run->row.id;
  provider_->forever = true;
  asio::co_spawn(*io_, engine_->drive(run), asio::detached);
  io_->restart();
  while (provider_->seen.empty()) io_->run_one_for(std::chrono::milliseconds(10));
  restart();
  const auto before = types_of(waiting());
  EXPECT_EQ(before, (std::vector<std::string>{"workflow.started", "task.created", "task.started", "task.completed",
                                              "task.created", "task.started"}));
  engine_->recover({id});
  io_->restart();
  io_->run();
  const auto all = waiting();
  ASSERT_EQ(all.size(), before.size() + 2);
  EXPECT_EQ(types_of(all).back(), "workflow.completed");
  std::set<std::string> ids;
  for (const auto& one : all) ids.emplace(one.event.at("id").as_string());
  EXPECT_EQ(ids.size(), all.size());
}

TEST_F(LifecycleTold, AFailureIsToldWithItsError) {
  (void)ended(flow_of("fails", "do:\n  - no: {raise: {error: {type: 'https://a.test/no', status: 409, title: No}}}\n"));
  const auto all = waiting();
  EXPECT_EQ(types_of(all), (std::vector<std::string>{"workflow.started", "task.created", "task.started", "task.faulted",
                                                     "workflow.faulted"}));
  for (const auto index : {3, 4}) {
    const auto& error = all[static_cast<std::size_t>(index)].event.at("data").at("error");
    EXPECT_EQ(error.at("status"), 409);
    EXPECT_EQ(error.at("type"), "https://a.test/no");
  }
}

TEST_F(LifecycleTold, SuspendResumeAndCancelAreTold) {
  const auto flow = flow_of("waits", "do:\n  - hear: {listen: {to: {one: {with: {type: never}}}}}\n");
  const RunId id = ended(flow);
  const auto tell = [&](EventHub::Verb verb) {
    const auto before = waiting().size();
    EXPECT_TRUE(wait(events_->command(id, verb, "somebody")));
    const auto all = types_of(waiting());
    return std::vector<std::string>(all.begin() + static_cast<std::ptrdiff_t>(before), all.end());
  };
  EXPECT_EQ(tell(EventHub::Verb::suspend), (std::vector<std::string>{"workflow.suspended", "task.suspended"}));
  EXPECT_EQ(tell(EventHub::Verb::resume), (std::vector<std::string>{"workflow.resumed", "task.resumed"}));
  EXPECT_EQ(tell(EventHub::Verb::cancel), (std::vector<std::string>{"task.cancelled", "workflow.cancelled"}));
}

TEST_F(LifecycleTold, AFlowHearsEachEventOnceHoweverOftenItIsTold) {
  (void)flow_of("watch", kWatchesAll);
  const RunId id = ended(flow_of("plain", kTwoSets));
  const auto all = waiting();
  for (const auto& one : all) {  // told, and the server died before it could take it out
    auto carried = one.carried;
    EXPECT_EQ(wait(events_->tell(one.event, "acme", std::move(carried))), 1U);
  }
  restart();
  EXPECT_GT(tell_all(), 0);
  std::set<std::string> heard;
  const auto watchers = runs_of("watch");
  for (const auto& row : watchers) {
    const auto output = parse_json(row_of(row.id).output).value();
    heard.emplace(output.at("id").as_string());
    EXPECT_TRUE(output.at("id").as_string().starts_with(id.to_string()));
  }
  EXPECT_EQ(heard.size(), all.size());
  EXPECT_EQ(watchers.size(), all.size());
}

// Else the first event would be the first of endlessly many.
TEST_F(LifecycleTold, WhatALifecycleEventStartsIsNotHeardItself) {
  (void)flow_of("watch", kWatchesAll);
  (void)flow_of("second", "schedule: {on: {one: {with: {type: news}}}}\ndo:\n  - a: {set: {x: 1}}\n");
  (void)flow_of("teller",
                "schedule: {on: {one: {with: {type: io.serverlessworkflow.workflow.completed.v1}}}}\n"
                "do:\n  - tell: {emit: {event: {with: {type: news}}}}\n");
  std::vector<std::string> outside;
  events_out_ = EventsOut{[](std::string_view type) { return type.starts_with(kLifecyclePrefix); },
                          [&](json::value event) -> Task<Result<>> {
                            outside.emplace_back(event.at("source").as_string());
                            co_return Result<>();
                          }};
  (void)ended(flow_of("plain", kTwoSets));
  (void)tell_all();
  EXPECT_EQ(runs_of("watch").size(), 8U) << "of the run that nobody's event started";
  EXPECT_EQ(runs_of("teller").size(), 1U);
  EXPECT_EQ(runs_of("second").size(), 1U);
  EXPECT_GT(std::ranges::count(outside, "/flows/test/second"), 0) << "systems outside hear of them";
}

TEST_F(LifecycleTold, ValuesStayBehindPlaceholdersAndWhatThePolicyBlocksIsLeftOut) {
  (void)flow_of("watch", kWatchesAll);
  const auto flow = flow_of("made",
                            "do:\n"
                            "  - joins: {set: {iban: '${ .a + .b }'}}\n"
                            "  - clean: {set: {mail: '${ $workflow.input.mail }'}}\n");
  (void)ended(flow, fmt::format(R"({{"a":"DE8937040044","b":"0532013000","mail":"{}"}})", kMail));
  const auto all = waiting();
  std::string text;
  for (const auto& one : all) text += to_text(one.event);
  EXPECT_EQ(text.find("DE89370400440532013000"), std::string::npos) << text;
  EXPECT_EQ(text.find(kMail), std::string::npos) << text;
  EXPECT_NE(text.find(R"("output":{"mail":"[EMAIL_1]"})"), std::string::npos) << text;
  (void)tell_all();
  const auto watchers = runs_of("watch");
  ASSERT_EQ(watchers.size(), all.size());
  const auto last = row_of(watchers.front().id);  // newest first: of workflow.completed
  EXPECT_NE(last.output.find("[EMAIL_1]"), std::string::npos) << last.output;
  EXPECT_NE(last.vault.find(kMail), std::string::npos) << "who may see it there may see the value";
}

TEST_F(LifecycleTold, WhatIsRefusedOutsideForNowComesAgainInOrder) {
  std::vector<int> outside;
  int refuses = 3;
  events_out_ = EventsOut{[](std::string_view) { return true; },
                          [&](json::value event) -> Task<Result<>> {
                            const std::string_view id = event.at("id").as_string();
                            const int number = std::stoi(std::string(id.substr(id.rfind('-') + 1)));
                            if (number == refuses) co_return fail(Errc::unavailable, "no broker");
                            outside.push_back(number);
                            co_return Result<>();
                          }};
  (void)ended(flow_of("plain", kTwoSets));
  const auto post = new_post();
  EXPECT_FALSE(*wait(post->tell_outside())) << "flows here come first";
  EXPECT_TRUE(wait(post->tell_here()));
  EXPECT_FALSE(wait(post->tell_outside()));
  EXPECT_EQ(outside, (std::vector{1, 2, 4, 5, 6, 7, 8}));
  EXPECT_EQ(waiting().size(), 6U) << "what is behind it in its run has not been told either";
  EXPECT_FALSE(wait(post->tell_outside()));
  refuses = 0;
  outside.clear();
  EXPECT_TRUE(wait(post->tell_outside()));
  EXPECT_EQ(outside, (std::vector{3, 4, 5, 6, 7, 8}));
  EXPECT_TRUE(waiting().empty());
}

TEST_F(LifecycleTold, FlowsHearWhateverIsAwayOutside) {
  constexpr std::size_t kRuns = 40;  // more events than are told at once
  events_out_ = EventsOut{[](std::string_view) { return true; },
                          [](json::value) -> Task<Result<>> { co_return fail(Errc::unavailable, "no broker"); }};
  std::int64_t waiting_outside = 0;
  (void)flow_of("hears", fmt::format("schedule: {{on: {{one: {{with: {{type: {}workflow.completed.v1}}}}}}}}\n{}",
                                     kLifecyclePrefix, kTwoSets));
  const auto plain = flow_of("plain", kTwoSets);
  for (std::size_t i = 0; i < kRuns; ++i) (void)ended(plain);
  LifecyclePost post({*store_, sealer_, *events_, events_out_, {}, [&](auto events) { waiting_outside = events; }},
                     io_->get_executor());
  for (std::size_t pages = 0; pages < kRuns && *wait(post.tell_here()); ++pages)
    EXPECT_FALSE(wait(post.tell_outside()));
  EXPECT_EQ(runs_of("hears").size(), kRuns);
  EXPECT_FALSE(wait(post.tell_outside()));
  EXPECT_GE(waiting_outside, static_cast<std::int64_t>(8 * kRuns));
}

TEST_F(LifecycleTold, AnErasedRunTellsNothingMore) {
  const RunId id = ended(flow_of("plain", kTwoSets));
  store::Commit erase;
  erase.erase = {id};
  ASSERT_TRUE(wait(store_->commit(std::move(erase))));
  EXPECT_EQ(tell_all(), 0);
}

}  // namespace
}  // namespace sb::flow
