// What one run gives to another: children and events. A placeholder means nobody else on the other side.
#include <fmt/format.h>

#include "flow/engine_testing.h"

namespace sb::flow {
namespace {

constexpr std::string_view kMax = "max.moe@acme.org";

std::string flow_of(std::string_view name, std::string_view rest) {
  return fmt::format("document: {{dsl: '1.0.3', namespace: test, name: {}, version: '1.0.0'}}\n{}", name, rest);
}

class Borders : public EngineTest {
 protected:
  std::shared_ptr<LiveRun> start_run(std::string_view name, json::value input,
                                     const std::function<void(RunRequest&)>& change = {}) {
    return prepare(to_text(input), [&](RunRequest& request) {
      request.flow = *flows_.find("test", name);
      request.profile = policy::JsonProfile::any;
      request.requested_model.clear();
      request.subject = "jane";
      if (change) change(request);
    });
  }
  RunId run_of(std::string_view flow) {
    store::RunFilter filter;
    filter.flow = "test/" + std::string(flow);
    const auto runs = wait(store_->list_runs(filter));
    EXPECT_EQ(runs->size(), 1U);
    return runs->front().id;
  }
  /// What a finished run says to who may see it.
  std::string told(RunId id) {
    const auto run = engine_->reopen(*wait(store_->load_run(id)));
    EXPECT_TRUE(run) << run.error().detail;
    const auto& live = **run;
    return live.guard.restore(live.problem ? to_text(live.problem->to_json()) : live.output.text());
  }
};

constexpr std::string_view kParent = R"(do:
  - ask: {run: {workflow: {namespace: test, name: child, version: '1.0.0', input: {fresh: new.one@acme.org, to: '${ .other }'}}}}
)";

TEST_F(Borders, AChildsNewPlaceholderIsNobodyElseInItsParent) {
  add_flow(flow_of("child", "do:\n  - give: {set: {fresh: '${ .fresh }', to: '${ .to }'}}\n"));
  add_flow(flow_of("parent", kParent));
  auto run = start_run("parent", json::object{{"who", kMail}, {"other", kMax}});
  ASSERT_TRUE(drive(run));
  EXPECT_EQ(told(run->row.id), R"({"fresh":"new.one@acme.org","to":"max.moe@acme.org"})");
  EXPECT_EQ(told(run_of("child")), R"({"fresh":"new.one@acme.org","to":"max.moe@acme.org"})");
  for (const RunId& id : {run->row.id, run_of("child")}) {
    const auto row = row_of(id);
    EXPECT_EQ((row.input + row.output).find("@acme.org"), std::string::npos) << row.output;
  }
}

TEST_F(Borders, AChildsErrorIsToldInItsParentsPlaceholders) {
  add_flow(flow_of("child", R"(do:
  - no: {raise: {error: {type: 'https://example.org/no', status: 400, title: No, detail: '${ .fresh + " and " + .to }'}}}
)"));
  add_flow(flow_of("parent", kParent));
  auto run = start_run("parent", json::object{{"who", kMail}, {"other", kMax}});
  ASSERT_TRUE(drive(run));
  const auto text = told(run->row.id);
  EXPECT_NE(text.find("new.one@acme.org and max.moe@acme.org"), std::string::npos) << text;
}

TEST_F(Borders, AChildIsWhoseItsParentIsAndSeesNoMore) {
  add_flow(flow_of("child", "do:\n  - ask: {call: chat, with: {model: large}}\n"));
  add_flow(flow_of("parent", kParent));
  policy_ = *policy::Policy::load(R"({name: l, version: 1, rules: [
    {name: card, types: [CREDIT_CARD], direction: inbound, action: route_to_local},
    {name: mail, types: [EMAIL], direction: inbound, action: tokenise}]})",
                                  "test");
  auto run = start_run("parent", json::object{{"other", kMax}, {"card", "4000056655665556"}},
                       [](RunRequest& request) { request.may_restore = false; });
  ASSERT_TRUE(drive(run));
  EXPECT_TRUE(provider_->seen.empty()) << "no model is local";
  const auto child = row_of(run_of("child"));
  EXPECT_EQ(child.status, RunStatus::faulted);
  EXPECT_EQ(child.subject, run->row.subject);
  EXPECT_FALSE(child.subject.empty());
}

constexpr std::string_view kListener = "do:\n  - hear: {listen: {to: {one: {with: {type: go}}}}}\n";
constexpr std::string_view kTeller = R"(do:
  - tell: {emit: {event: {with: {source: 'https://a.example/', type: '${ .type }', data: {mail: '${ .who }'}}}}}
)";

TEST_F(Borders, AnEventOfAnotherRunSpeaksOfWhomItSpokeThere) {
  add_flow(flow_of("listener", kListener));
  add_flow(flow_of("teller", kTeller));
  auto listener = start_run("listener", json::object{{"who", kMax}});
  ASSERT_TRUE(drive(listener));
  ASSERT_EQ(row_of(listener->row.id).status, RunStatus::waiting);
  ASSERT_TRUE(drive(start_run("teller", json::object{{"who", kMail}, {"type", "go"}})));
  EXPECT_EQ(told(listener->row.id), R"([{"mail":"jane.roe@acme.org"}])");
  EXPECT_EQ(row_of(listener->row.id).output.find(kMail), std::string::npos);
}

TEST_F(Borders, AStrangersPlaceholderInAnEventIsTheirWords) {
  add_flow(flow_of("listener", kListener));
  auto listener = start_run("listener", json::object{{"who", kMax}});
  ASSERT_TRUE(drive(listener));
  const json::object event{{"specversion", "1.0"},
                           {"id", "1"},
                           {"source", "/x"},
                           {"type", "go"},
                           {"data", json::object{{"mail", "[EMAIL_1]"}}}};
  Carried nothing;
  ASSERT_EQ(wait(events_->publish(event, "acme", std::move(nothing)))->runs, 1U);
  EXPECT_EQ(told(listener->row.id), R"([{"mail":"[EMAIL_1]"}])");
}

TEST_F(Borders, OfAnEventThatIsNotTakenNothingStays) {
  add_flow(flow_of("child", R"(do:
  - tell: {emit: {event: {with: {source: 'https://a.example/', type: other, data: {mail: new.one@acme.org}}}}}
)"));
  add_flow(flow_of("listener", R"(do:
  - both:
      fork:
        branches:
          - hear: {listen: {to: {one: {with: {type: go}}}}}
          - ask: {run: {workflow: {namespace: test, name: child, version: '1.0.0'}}}
)"));
  auto listener = start_run("listener", json::object{{"who", "nobody"}});
  ASSERT_TRUE(drive(listener));
  ASSERT_EQ(row_of(run_of("child")).status, RunStatus::completed);
  EXPECT_EQ(row_of(listener->row.id).status, RunStatus::waiting);
  EXPECT_EQ(row_of(listener->row.id).vault, "");
}

TEST_F(Borders, EventsOfSeveralRunsStartOneWithEachOnesValues) {
  add_flow(flow_of("both", R"(schedule: {on: {all: [{with: {type: left}}, {with: {type: right}}]}, read: data}
do:
  - keep: {set: {mails: '${ [.[].mail] }'}}
)"));
  add_flow(flow_of("teller", kTeller));
  ASSERT_TRUE(drive(start_run("teller", json::object{{"who", kMail}, {"type", "left"}})));
  ASSERT_TRUE(drive(start_run("teller", json::object{{"who", kMax}, {"type", "right"}})));
  const RunId id = run_of("both");
  EXPECT_EQ(told(id), R"({"mails":["jane.roe@acme.org","max.moe@acme.org"]})");
  EXPECT_FALSE(row_of(id).subject.empty()) << "an erasure finds it";
}

TEST_F(Borders, EventsOfSeveralTenantsStartNothingTogether) {
  tenant_keys_.add("globex", entropy_);
  add_flow(flow_of("both", R"(schedule: {on: {all: [{with: {type: left}}, {with: {type: right}}]}}
do:
  - keep: {set: {n: 1}}
)"));
  add_flow(flow_of("teller", kTeller));
  ASSERT_TRUE(drive(start_run("teller", json::object{{"who", kMail}, {"type", "left"}})));
  ASSERT_TRUE(drive(start_run("teller", json::object{{"who", kMax}, {"type", "right"}},
                              [](RunRequest& request) { request.tenant = "globex"; })));
  store::RunFilter filter;
  filter.flow = "test/both";
  EXPECT_TRUE(wait(store_->list_runs(filter))->empty());
}

}  // namespace
}  // namespace sb::flow
