// Trials of triage on the server's own path: who decides, what goes on record, and how a split ends.

#include "flow/engine_testing.h"
#include "triage/dataset.h"
#include "triage/decision_record.h"

namespace sb::flow {
namespace {

using triage::TrialMode;
using triage::TrialRules;

constexpr std::string_view kToLarge = "version: 1\ngenerative: {otherwise: large}\n";
constexpr std::string_view kToSmall = "version: 1\ngenerative: {otherwise: small}\n";

std::shared_ptr<const triage::Router> plain_router(std::string_view yaml) {
  return *triage::Router::from_text(yaml, "triage.yaml", std::nullopt);
}

class TrialsOfTriage : public EngineTest {
 protected:
  TrialsOfTriage() { router_ = plain_router(kToSmall); }

  void try_out(std::vector<TrialRules> all, std::unique_ptr<triage::LiveRouter> guard = nullptr) {
    std::vector<std::unique_ptr<triage::LiveTrial>> trials;
    for (auto& rules : all)
      trials.push_back(std::make_unique<triage::LiveTrial>(
          std::move(rules), guard ? std::move(guard) : std::make_unique<triage::LiveRouter>(candidate_), "identity"));
    trials_ = std::make_unique<triage::Trials>(std::move(trials));
    restart();
  }
  static std::string chat_of(std::string_view person, std::string_view text = "hello", json::object tags = {}) {
    auto body = parse_json(request_of(text))->get_object();
    body["user"] = person;
    if (!tags.empty()) body["metadata"] = std::move(tags);
    return to_text(body);
  }
  std::shared_ptr<LiveRun> ask(std::string input) {
    auto run = prepare(std::move(input));
    EXPECT_TRUE(drive(run));
    return run;
  }
  triage::RouteDecision decision_of(const RunId& id) {
    for (const auto& step : *wait(store_->load_steps(id))) {
      if (step.kind != "triage") continue;
      return *triage::read_record(*parse_json(step.decision));
    }
    ADD_FAILURE() << "no choice of a route";
    return {};
  }
  /// Of those who ask, the first that is on this side of the split.
  std::string somebody(bool on_candidate) {
    for (int i = 0;; ++i) {
      const auto person = fmt::format("person {}", i);
      triage::Asker asker{
          .tenant = "acme", .tags = {}, .person = Pseudonyms("pseudonym secret").subject("acme", person)};
      if (triage::draws(trials_->all().front()->rules(), asker) == on_candidate) return person;
    }
  }

  std::shared_ptr<const triage::Router> candidate_ = plain_router(kToLarge);
};

TEST_F(TrialsOfTriage, AShadowSaysItsWordAndNothingComesOfIt) {
  const auto without = ask(chat_of("ann"));
  try_out({{.name = "watch"}});
  const auto with = ask(chat_of("ann"));
  EXPECT_EQ(with->row.route, "small");
  EXPECT_EQ(with->row.model, without->row.model);
  EXPECT_EQ(with->row.cost, without->row.cost);
  auto decided = decision_of(with->row.id);
  ASSERT_EQ(decided.shadows.size(), 1U);
  EXPECT_EQ(decided.shadows[0].trial, "watch");
  EXPECT_EQ(decided.shadows[0].unknown, "");
  EXPECT_EQ(decided.shadows[0].route, triage::Route::large);
  EXPECT_EQ(decided.shadows[0].config_version, candidate_->version());
  decided.shadows.clear();
  EXPECT_EQ(triage::record_of(decided).text(), triage::record_of(decision_of(without->row.id)).text());
}

TEST_F(TrialsOfTriage, ASplitsCandidateDecidesForThoseWhoAreDrawnAndForNobodyElse) {
  try_out({{.name = "half", .mode = TrialMode::split, .weight_per_mille = 500}});
  for (const bool drawn : {true, false}) {
    const auto run = ask(chat_of(somebody(drawn)));
    EXPECT_EQ(run->row.route, drawn ? "large" : "small");
    const auto decided = decision_of(run->row.id);
    EXPECT_EQ(decided.trial, "half");
    EXPECT_EQ(decided.by_candidate, drawn);
    EXPECT_EQ(decided.config_version, (drawn ? candidate_ : router_)->version());
    restart();
    EXPECT_EQ(ask(chat_of(somebody(drawn)))->row.route, run->row.route) << "who is drawn stays drawn";
  }
}

TEST_F(TrialsOfTriage, ASplitByTagsAndTenantsLeavesAllOthersAlone) {
  try_out({{.name = "beta",
            .mode = TrialMode::split,
            .weight_per_mille = 1000,
            .tenants = {"acme"},
            .tags = {{"channel", "beta"}}}});
  EXPECT_EQ(ask(chat_of("ann", "hello", {{"channel", "beta"}}))->row.route, "large");
  for (auto other : {ask(chat_of("ann", "hello", {{"channel", "main"}})), ask(chat_of("ann"))}) {
    EXPECT_EQ(other->row.route, "small");
    EXPECT_EQ(decision_of(other->row.id).trial, "");
  }
  const auto named = prepare(chat_of("ann", "hello", {{"channel", "beta"}}),
                             [](RunRequest& request) { request.requested_model = "small"; });
  ASSERT_TRUE(drive(named));
  EXPECT_EQ(named->row.route, "small") << "who names a model is in no trial";
  try_out({{.name = "theirs", .mode = TrialMode::split, .weight_per_mille = 1000, .tenants = {"elsewhere"}}});
  EXPECT_EQ(ask(chat_of("ann"))->row.route, "small");
}

// What the policy puts in the place of a name is the same for everybody; the name itself is nowhere.
TEST_F(TrialsOfTriage, PeopleAreDrawnByTheirNamesAsTheyCame) {
  try_out({{.name = "half", .mode = TrialMode::split, .weight_per_mille = 500}});
  std::set<std::string> routes;
  for (int i = 0; i < 16; ++i) {
    const auto run = ask(chat_of(fmt::format("jane.roe{}@acme.org", i)));
    routes.insert(run->row.route);
    EXPECT_EQ(row_of(run->row.id).input.find("jane.roe"), std::string::npos);
  }
  EXPECT_EQ(routes.size(), 2U);
}

// A run that another one starts knows the person by their pseudonym alone.
TEST_F(TrialsOfTriage, APersonIsOnOneSideHoweverTheyAreNamed) {
  try_out({{.name = "half", .mode = TrialMode::split, .weight_per_mille = 500}});
  std::set<bool> sides;
  for (int i = 0; i < 16; ++i) {
    const auto person = fmt::format("person {}", i);
    const auto in_chat = prepare(chat_of(person));
    const auto in_header = prepare(request_of("hello"), [&](RunRequest& request) { request.subject = person; });
    const auto started = prepare(request_of("hello"), [&](RunRequest& request) {
      request.carried.subject = Pseudonyms("pseudonym secret").subject("acme", person);
    });
    sides.insert(in_chat->trials->candidate);
    EXPECT_EQ(in_header->trials->candidate, in_chat->trials->candidate);
    EXPECT_EQ(started->trials->candidate, in_chat->trials->candidate) << person;
  }
  EXPECT_EQ(sides.size(), 2U);
}

TEST_F(TrialsOfTriage, ARunThatIsKilledBeforeItIsTriagedStaysOnItsSide) {
  try_out({{.name = "half", .mode = TrialMode::split, .weight_per_mille = 500}, {.name = "watch"}});
  for (const bool drawn : {true, false}) {
    auto run = prepare(chat_of(somebody(drawn)));
    const RunId id = run->row.id;
    ASSERT_TRUE(wait(engine_->accept(run)));
    run.reset();
    restart();
    engine_->recover({id});
    io_->restart();
    io_->run();
    EXPECT_EQ(row_of(id).status, RunStatus::completed);
    EXPECT_EQ(row_of(id).route, drawn ? "large" : "small");
    EXPECT_EQ(decision_of(id).by_candidate, drawn);
    EXPECT_EQ(decision_of(id).shadows.size(), 1U);
  }
}

/// The support desk, whose candidate promises what nobody's verdicts bear out.
class TrialsOfTheDesk : public TrialsOfTriage {
 protected:
  TrialsOfTheDesk() {
    router_ = candidate_ = *triage::Router::load("examples/support-desk/triage.yaml");
    script_registry_ = *script::ScriptRegistry::load("examples/support-desk/scripts");
    restart();
  }
  std::unique_ptr<triage::LiveRouter> guard() const {
    auto made = triage::PromiseGuard::create(drawn_scores(), {.target = {.wrong_scripts = 0.01}});
    EXPECT_TRUE(made) << made.error().detail;
    return std::make_unique<triage::LiveRouter>(candidate_, *std::move(made), "desk");
  }
  std::vector<json::value> leaves_of(std::string_view kind) {
    restart();
    std::vector<json::value> out;
    const auto before = fmt::format(" {} ", kind);
    for (const auto& leaf : log_.read) {
      if (const auto at = leaf.find(before); at != std::string::npos && at < leaf.find('{'))
        out.push_back(*parse_json(std::string_view(leaf).substr(at + before.size())));
    }
    return out;
  }
};

TEST_F(TrialsOfTheDesk, ASplitWhoseScriptsAreProvedWrongEndsByItselfAndStaysEnded) {
  const TrialRules rules{.name = "half", .mode = TrialMode::split, .weight_per_mille = 500};
  try_out({rules}, guard());
  auto in_force = guard();
  promise_ = in_force.get();
  restart();
  const auto drawn = somebody(true);
  const auto run = ask(chat_of(drawn, "how do I activate my card"));
  ASSERT_EQ(run->row.route, "script");
  const auto trial = wait(engine_->deciding_trial(run->row.id));
  ASSERT_TRUE(trial);
  EXPECT_EQ(*trial, "half");
  int verdicts = 0;
  for (; verdicts < 50 && trials_->find("half")->goes_on(); ++verdicts)
    engine_->judged({.route = "script", .wrong = true, .trial = *trial});
  EXPECT_FALSE(trials_->find("half")->goes_on());
  EXPECT_GT(verdicts, 1) << "one verdict proves nothing";
  EXPECT_EQ(in_force->state().changes, 0U) << "nobody has said anything of the router in force";
  const auto after = ask(chat_of(drawn, "how do I activate my card"));
  EXPECT_EQ(decision_of(after->row.id).trial, "") << "from the next query on";
  const auto leaves = leaves_of("trial.end");
  ASSERT_EQ(leaves.size(), 1U);
  EXPECT_EQ(string_member(leaves[0], "trial"), "half");
  EXPECT_EQ(int_member(leaves[0], "judged"), verdicts);
  EXPECT_EQ(int_member(leaves[0], "wrong"), verdicts);

  const auto kept = triage::read_trial_state(**wait(store_->load_document(triage::trial_document("half"))));
  ASSERT_TRUE(kept);
  try_out({rules}, guard());
  EXPECT_TRUE(trials_->find("half")->goes_on());
  trials_->find("half")->resume(*kept);
  EXPECT_FALSE(trials_->find("half")->goes_on());
}

TEST_F(TrialsOfTheDesk, VerdictsThatAreAsPromisedEndNothing) {
  try_out({{.name = "half", .mode = TrialMode::split, .weight_per_mille = 500}}, guard());
  for (int i = 0; i < 2'000; ++i) engine_->judged({.route = "script", .wrong = i % 200 == 0, .trial = "half"});
  for (int i = 0; i < 100; ++i) engine_->judged({.route = "small", .wrong = true, .trial = "half"});
  for (int i = 0; i < 100; ++i) engine_->judged({.route = "script", .wrong = true, .counts = false, .trial = "half"});
  EXPECT_TRUE(trials_->find("half")->goes_on());
}

}  // namespace
}  // namespace sb::flow
