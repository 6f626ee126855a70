// Who is at work, and whose turn is next.
#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <random>

#include "flow/work_gate.h"

namespace sb::flow {
namespace {

using Turn = WorkGate::Turn;

class Gate : public ::testing::Test {
 protected:
  void limits(WorkLimits limits) { gate_.emplace(std::move(limits)); }
  void join(const std::string& name, const std::string& tenant, const std::string& flow = "f", Turn turn = Turn::last,
            Micros since_us = 0) {
    tickets_[name] = gate_->join(tenant, flow, turn, since_us, [this, name] { granted_.push_back(name); });
  }
  void leave(const std::string& name) { tickets_.erase(name); }
  std::string at_work() const {
    std::string names;
    for (const auto& [name, ticket] : tickets_) {
      if (ticket->at_work()) names += name + " ";
    }
    return names;
  }
  std::string granted() {
    std::string names;
    for (const auto& name : std::exchange(granted_, {})) names += name + " ";
    return names;
  }

  std::optional<WorkGate> gate_;
  std::vector<std::string> granted_;
  std::map<std::string, std::unique_ptr<WorkGate::Ticket>> tickets_;
};

TEST_F(Gate, TenantsTakeTurnsHoweverManyRunsOneOfThemSends) {
  limits({.all = 1});
  for (const char* name : {"a1", "a2", "a3", "a4"}) join(name, "a");
  for (const char* name : {"b1", "b2", "c1"}) join(name, std::string(1, name[0]));
  std::string order;
  for (std::string now = "a1"; !now.empty();) {
    leave(now);
    const auto next = granted();
    order += next;
    now = next.substr(0, next.empty() ? 0 : 2);
  }
  EXPECT_EQ(order, "b1 c1 a2 b2 a3 a4 ");
  EXPECT_EQ(gate_->stats().at_work + gate_->stats().queued, 0U);
}

TEST_F(Gate, WithinATenantRunsComeByTheirAgeNotAsTheyWereFound) {
  limits({.all = 1});
  join("now", "a");
  for (const Micros age : {3, 1, 2}) join(std::to_string(age), "a", "f", Turn::first, age);
  join("0", "a", "f", Turn::last, 0);
  std::string order;
  for (std::string now = "now"; !now.empty();) {
    leave(now);
    const auto next = granted();
    order += next;
    now = next.substr(0, next.empty() ? 0 : 1);
  }
  EXPECT_EQ(order, "1 2 3 0 ") << "new ones behind those that were at work";
}

TEST_F(Gate, WithinATenantTheOldestComesNextButForFlowsThatAreFull) {
  limits({.per_tenant = 2, .flows = {{"slow", 1}}});
  join("s1", "a", "slow");
  join("s2", "a", "slow");
  join("f1", "a", "fast");
  EXPECT_EQ(at_work(), "f1 s1 ");
  join("f2", "a", "fast");
  join("s3", "b", "slow");
  EXPECT_EQ(at_work(), "f1 s1 ") << "the flow is full for every tenant";
  leave("f1");
  EXPECT_EQ(granted(), "f2 ") << "it does not wait behind a flow that is full";
  leave("s1");
  EXPECT_EQ(granted(), "s3 ") << "the other tenant's turn";
  leave("s3");
  EXPECT_EQ(granted(), "s2 ");
}

TEST_F(Gate, WhoWasAtWorkBeforeComesBeforeNewRunsOfItsTenant) {
  limits({.per_tenant = 1});
  join("now", "a");
  join("new", "a");
  join("back", "a", "f", Turn::first);
  leave("now");
  EXPECT_EQ(granted(), "back ");
  leave("back");
  EXPECT_EQ(granted(), "new ");
}

TEST_F(Gate, AQueueHasItsBoundForNewRunsAlone) {
  limits({.per_tenant = 1, .tenants = {{"vip", 2}, {"free", 0}}, .queue = 2});
  for (const char* name : {"a1", "a2"}) {
    EXPECT_TRUE(gate_->takes("a", "f"));
    join(name, "a");
  }
  join("back", "a", "f", Turn::first);
  EXPECT_TRUE(gate_->takes("a", "f"));
  join("a3", "a");
  EXPECT_FALSE(gate_->takes("a", "f"));
  EXPECT_TRUE(gate_->takes("b", "f")) << "each tenant has its own";
  EXPECT_EQ(gate_->stats().refused, 1U);
  leave("a2");
  EXPECT_TRUE(gate_->takes("a", "f")) << "one left the queue";
  for (int i = 0; i < 10; ++i) join("free" + std::to_string(i), "free");
  join("vip1", "vip");
  join("vip2", "vip");
  join("vip3", "vip");
  EXPECT_EQ(gate_->stats().at_work, 13U);
}

TEST_F(Gate, NobodyWaitsWhoCouldWorkAndNoLimitIsPassedWhateverHappens) {
  std::mt19937 draws(5);
  const auto below = [&](unsigned bound) { return std::uniform_int_distribution<unsigned>(0, bound - 1)(draws); };
  limits({.all = 7, .per_tenant = 3, .tenants = {{"t0", 1}}, .flows = {{"f0", 2}, {"f1", 4}}});
  struct One {
    std::string tenant, flow;
    std::unique_ptr<WorkGate::Ticket> ticket;
  };
  std::list<One> all;
  const auto working = [&](auto matches) {
    return std::ranges::count_if(all, [&](const One& one) { return one.ticket->at_work() && matches(one); });
  };
  const auto room = [&](const One& one) {
    const auto tenant = working([&](const One& other) { return other.tenant == one.tenant; });
    const auto flow = working([&](const One& other) { return other.flow == one.flow; });
    return working([](const One&) { return true; }) < 7 && tenant < (one.tenant == "t0" ? 1 : 3) &&
           flow < (one.flow == "f0"   ? 2
                   : one.flow == "f1" ? 4
                                      : 1000);
  };
  for (int i = 0; i < 5'000; ++i) {
    if (all.empty() || below(5) < 3 - (all.size() > 40 ? 2 : 0)) {
      One one{"t" + std::to_string(below(4)), "f" + std::to_string(below(3)), nullptr};
      one.ticket = gate_->join(one.tenant, one.flow, below(4) == 0 ? Turn::first : Turn::last, 0, [] {});
      all.push_back(std::move(one));
    } else {
      all.erase(std::next(all.begin(), below(static_cast<unsigned>(all.size()))));
    }
    ASSERT_LE(working([](const One&) { return true; }), 7);
    ASSERT_LE(working([](const One& one) { return one.tenant == "t0"; }), 1);
    ASSERT_LE(working([](const One& one) { return one.tenant == "t1"; }), 3);
    ASSERT_LE(working([](const One& one) { return one.flow == "f0"; }), 2);
    for (const One& one : all) ASSERT_TRUE(one.ticket->at_work() || !room(one)) << i;
    ASSERT_EQ(gate_->stats().at_work + gate_->stats().queued, all.size());
  }
}

}  // namespace
}  // namespace sb::flow
