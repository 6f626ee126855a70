// What flows note on their runs.
#include <fmt/format.h>

#include "flow/engine_testing.h"
#include "flow/notes.h"

namespace sb::flow {
namespace {

using store::NoteKind;

class Noted : public EngineTest {
 protected:
  std::shared_ptr<LiveRun> prepared(std::string_view tasks, std::string input = "{}") {
    const auto flow = add_flow(fmt::format(
        "document: {{dsl: '1.0.3', namespace: test, name: noted{}, version: '1.0.0'}}\n{}", ++flows_made_, tasks));
    return prepare(std::move(input), [&](RunRequest& request) {
      request.flow = flow;
      request.profile = policy::JsonProfile::any;
      request.requested_model.clear();
    });
  }
  std::shared_ptr<LiveRun> run_of(std::string_view tasks, std::string input = "{}") {
    auto run = prepared(tasks, std::move(input));
    EXPECT_TRUE(drive(run));
    return run;
  }
  std::vector<store::NoteRow> rows(const RunId& id) { return *wait(store_->notes(id)); }
  /// As the API shows them, but for the times.
  std::string shown(const LiveRun& run, const GuardSession* restorer = nullptr) {
    const auto row = *wait(store_->load_run(run.row.id));
    auto opened = engine_->open_notes(row, rows(run.row.id), restorer);
    EXPECT_TRUE(opened) << opened.error().detail;
    for (const char* list : {"annotations", "scores"}) {
      for (auto& one : (*opened)[list].as_array()) EXPECT_TRUE(one.as_object().erase("at"));
    }
    return to_text(*opened);
  }
  std::string record_of_steps(const RunId& id) {
    std::string all;
    for (const auto& step : *wait(store_->load_steps(id))) all += step.decision + '\n';
    EXPECT_TRUE(wait(store_->flush()));
    restart();
    for (const auto& leaf : log_.read) all += leaf + '\n';
    return all;
  }
  int flows_made_ = 0;
};

constexpr std::string_view kAllKinds = R"yaml(
do:
  - team: {call: tag, with: {name: team, value: beta}}
  - words: {call: annotate, with: {text: '${ "seen by " + .who + .at }'}}
  - good: {call: score, with: {name: helpful, value: '${ .n / 10 }', comment: 'short'}}
  - other: {call: tag, with: {name: team, value: '${ "gamma-\(.n)" }'}}
  - right: {call: score, with: {name: right, value: 1, dataType: BOOLEAN}}
  - kind: {call: score, with: {name: '${ .name }', value: rude}}
)yaml";
constexpr std::string_view kNotedInput = R"({"who":"jane.roe","at":"@acme.org","n":8,"name":"a-name-of-the-caller"})";

TEST_F(Noted, AllKindsAreKeptSealedPolicedAndChangeNothingThatFlowsOn) {
  const auto run = run_of(kAllKinds, std::string(kNotedInput));
  ASSERT_FALSE(run->problem) << run->problem->detail;
  EXPECT_EQ(run->output.text(), kNotedInput);
  EXPECT_EQ(shown(*run),
            R"({"tags":{"team":"gamma-8"},"annotations":[{"text":"seen by [EMAIL_1]","task":"/do/1/words","step":2}],)"
            R"("scores":[{"name":"helpful","value":8E-1,"comment":"short","dataType":"NUMERIC","source":"EVAL",)"
            R"("task":"/do/2/good","step":3},{"name":"right","value":true,"dataType":"BOOLEAN","source":"EVAL",)"
            R"("task":"/do/4/right","step":5},{"name":"a-name-of-the-caller","value":"rude","dataType":"CATEGORICAL",)"
            R"("source":"EVAL","task":"/do/5/kind","step":6}]})");
  EXPECT_NE(shown(*run, &run->guard).find("seen by jane.roe@acme.org"), std::string::npos);
  EXPECT_EQ(rows(run->row.id).front().mark, Pseudonyms("pseudonym secret").tag("acme", "team", "gamma-8"));
  const auto record = record_of_steps(run->row.id);
  EXPECT_NE(record.find(R"("decision":{"chosen":"noted","kind":"tag","name":"team"})"), std::string::npos) << record;
  EXPECT_NE(record.find(R"("decision":{"chosen":"noted","dataType":"CATEGORICAL","kind":"score"})"), std::string::npos);
  for (const char* text : {"beta", "gamma", "seen by", "short", "rude", "a-name-of", "jane"})
    EXPECT_EQ(record.find(text), std::string::npos) << text;
}

TEST_F(Noted, ATagTakesNothingThatThePolicyTakesOutOfTexts) {
  for (const char* value : {"'${ .who + .at }'", "'${ .mail }'", "a.b@acme.org"}) {
    const auto run = run_of(fmt::format("do:\n  - t: {{call: tag, with: {{name: who, value: {}}}}}", value),
                            R"({"who":"jane.roe","at":"@acme.org","mail":"j@acme.org"})");
    if (std::string_view(value) == "a.b@acme.org") {  // the author's own words
      EXPECT_FALSE(run->problem);
      continue;
    }
    ASSERT_TRUE(run->problem) << value;
    EXPECT_EQ(run->problem->status, 500);
    EXPECT_EQ(run->error_code, Errc::policy_denied);
    EXPECT_TRUE(run->problem->type.ends_with("authorization")) << run->problem->type;
    EXPECT_TRUE(rows(run->row.id).empty());
  }
}

TEST_F(Noted, WhatDoesNotFitIsAnErrorThatAFlowMayCatch) {
  for (const char* with :
       {"{name: '${ .bad }', value: x}", "{name: n, value: '${ .long }'}", "{name: n, value: '${ 1 }'}"}) {
    const auto run = run_of(fmt::format("do:\n  - t: {{call: tag, with: {}}}", with),
                            to_text(json::object{{"bad", "a b"}, {"long", std::string(201, 'x')}}));
    ASSERT_TRUE(run->problem) << with;
    EXPECT_TRUE(run->problem->type.ends_with("validation")) << run->problem->type;
  }
  const auto run = run_of("do:\n  - s: {call: score, with: {name: n, value: '${ 2 }', dataType: BOOLEAN}}");
  ASSERT_TRUE(run->problem);
  EXPECT_NE(run->problem->detail.find("true, false, 1 or 0"), std::string::npos) << run->problem->detail;
}

TEST_F(Noted, WrongArgumentsAreRefusedWhenTheFlowIsRegistered) {
  const auto error = [](std::string_view task) {
    const auto flow = load_flow(
        fmt::format("document: {{dsl: '1.0.3', namespace: test, name: n, version: '1.0.0'}}\ndo:\n  - t: {}\n", task),
        "f.yaml", builtin_functions());
    return flow ? std::string() : flow.error().detail;
  };
  EXPECT_EQ(error("{call: tag, with: {name: team}}").substr(0, 11), "f.yaml:3:26");
  EXPECT_NE(error("{call: tag, with: {name: 'a b', value: x}}"), "");
  EXPECT_NE(error("{call: tag, with: {name: n, value: 5}}"), "");
  EXPECT_NE(error("{call: annotate, with: {txt: x, text: y}}").find("did you mean `text`"), std::string::npos);
  EXPECT_NE(error("{call: annotate, with: {text: ''}}"), "");
  EXPECT_NE(error("{call: score, with: {name: n, value: [1]}}"), "");
  EXPECT_NE(error("{call: score, with: {name: n, value: 1, dataType: NUMBER}}"), "");
  EXPECT_EQ(error("{call: score, with: {name: n, value: 1, dataType: NUMERIC}}"), "");
}

TEST_F(Noted, AStepThatIsDoneAgainAfterACrashLeavesOneNoteAndALoopLeavesEach) {
  constexpr std::string_view kLoop = R"yaml(
do:
  - ask: {call: chat, with: {model: large, messages: [{role: user, content: hello}]}}
  - all:
      for: {each: i, in: '${ [range(3)] }'}
      do:
        - one: {call: annotate, with: {text: '${ "round \($i)" }'}}
        - two: {call: tag, with: {name: round, value: '${ "\($i)" }'}}
        - send: {emit: {event: {with: {type: noted, source: /test, data: 1}}}}
)yaml";
  for (int group = 2; group <= 6; ++group) {
    const auto run = prepared(kLoop);
    full_at_ = group;  // of its commits the one that finds no room: the run goes on from the last one before
    const auto driven = drive(run);
    full_at_ = 0;
    EXPECT_FALSE(driven) << group;
    ASSERT_EQ(row_of(run->row.id).status, RunStatus::completed) << group;
    std::map<NoteKind, int> counts;
    for (const auto& note : rows(run->row.id)) ++counts[note.kind];
    EXPECT_EQ(counts, (std::map<NoteKind, int>{{NoteKind::tag, 1}, {NoteKind::annotation, 3}})) << group;
  }
}

TEST_F(Noted, ARunHasSoManyNotesAndNoMore) {
  const auto run = run_of(R"yaml(
do:
  - all:
      for: {each: i, in: '${ [range(40)] }'}
      do:
        - one: {call: tag, with: {name: '${ "t\($i)" }', value: x}}
)yaml");
  ASSERT_TRUE(run->problem);
  EXPECT_EQ(run->error_code, Errc::too_large);
  EXPECT_EQ(rows(run->row.id).size(), kMaxNotes[0]);
}

}  // namespace
}  // namespace sb::flow
