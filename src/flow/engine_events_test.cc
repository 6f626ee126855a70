// Events from outside: the same one again is nothing new.
#include <fmt/format.h>

#include "base/crypto.h"
#include "flow/engine_testing.h"

namespace sb::flow {
namespace {

constexpr std::string_view kSource = "/shop";
constexpr std::string_view kId = "order-of-jane.roe@acme.org";

class Events : public EngineTest {
 protected:
  EventHub::Receipt publish(std::string tenant, std::string_view id = kId) {
    const json::object event{{"specversion", "1.0"}, {"id", id}, {"source", kSource}, {"type", "order"}};
    Carried nothing;
    auto receipt = wait(events_->publish(event, std::move(tenant), std::move(nothing)));
    EXPECT_TRUE(receipt) << receipt.error().detail;
    return *receipt;
  }
  static std::string unkeyed(std::string_view tenant) {
    return "event:" + to_hex(sha256(fmt::format("{}\n{}\n{}", tenant, kSource, kId))).substr(0, 32);
  }
};

TEST_F(Events, TheSameEventAgainIsADuplicateInItsTenant) {
  EXPECT_FALSE(publish("acme").duplicate);
  EXPECT_TRUE(publish("acme").duplicate);
  restart();
  EXPECT_TRUE(publish("acme").duplicate);
  EXPECT_FALSE(publish("globex").duplicate);
  EXPECT_FALSE(publish("acme", "another").duplicate);
}

TEST_F(Events, WhatWasGatheredForAFlowIsThereStillWhereItCouldNotBeStarted) {
  add_flow(R"(document: {dsl: '1.0.3', namespace: test, name: both, version: '1.0.0'}
schedule: {on: {all: [{with: {type: left}}, {with: {type: right}}]}, read: data}
do:
  - keep: {set: {sides: '${ [.[].side] }'}}
)");
  const auto send = [&](std::string_view side) {
    const json::object event{{"specversion", "1.0"},
                             {"id", side},
                             {"source", kSource},
                             {"type", side},
                             {"data", json::object{{"side", side}}}};
    Carried nothing;
    return wait(events_->publish(event, "acme", std::move(nothing)));
  };
  ASSERT_TRUE(send("left"));
  free_bytes_ = 0;
  EXPECT_FALSE(send("right"));
  free_bytes_ = 1ULL << 40;
  const auto again = send("right");
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(again->runs, 1U);
  const auto runs = wait(store_->list_runs({}));
  ASSERT_EQ(runs->size(), 1U);
  EXPECT_EQ(row_of(runs->front().id).output, R"({"sides":["left","right"]})");
}

TEST_F(Events, ARunWaitsWhileItsEventIsOnItsWayAlready) {
  add_flow(R"(document: {dsl: '1.0.3', namespace: test, name: says, version: '1.0.0'}
do:
  - say: {emit: {event: {with: {id: once, source: 'https://a.example/', type: news}}}}
)");
  std::vector<std::shared_ptr<LiveRun>> runs;
  std::size_t ended = 0;
  for (int i = 0; i < 3; ++i) {
    runs.push_back(prepare("{}", [this](RunRequest& request) {
      request.flow = *flows_.find("test", "says");
      request.profile = policy::JsonProfile::any;
    }));
    asio::co_spawn(*io_, engine_->drive(runs.back()), [&](const std::exception_ptr&, const Result<>&) { ++ended; });
  }
  work_until([&] { return ended == runs.size(); });
  for (const auto& run : runs) EXPECT_EQ(row_of(run->row.id).status, store::RunStatus::completed);
}

TEST_F(Events, NobodyFindsAnEventByGuessingItsId) {
  EXPECT_FALSE(publish("acme").duplicate);
  EXPECT_FALSE(wait(store_->load_document(unkeyed("acme"))).value());
  const Pseudonyms keyed("pseudonym secret"), other("another secret");
  EXPECT_TRUE(wait(store_->load_document("event:" + keyed.event("acme", kSource, kId))).value());
  EXPECT_NE(keyed.event("acme", kSource, kId), other.event("acme", kSource, kId));
  stop();
  start();
  ASSERT_EQ(log_.read.size(), 1U);
  EXPECT_EQ(log_.read[0].find(unkeyed("acme").substr(6)), std::string::npos) << log_.read[0];
}

TEST_F(Events, AnEventThatAVersionBeforeTookIsKnown) {
  store::Commit before;
  before.documents.emplace_back(unkeyed("acme"), R"({"at":1})");
  ASSERT_TRUE(wait(store_->commit(std::move(before))));
  EXPECT_TRUE(publish("acme").duplicate);
  EXPECT_FALSE(publish("globex").duplicate);
}

}  // namespace
}  // namespace sb::flow
