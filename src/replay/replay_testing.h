/// Runs that went through the engine, recorded, and what replays of them give: for tests.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "flow/engine_testing.h"
#include "replay/replay.h"
#include "store/sqlite/run_scan.h"
#include "triage/train.h"

namespace sb::replay {

inline constexpr std::string_view kRules = R"(
rules:
  - {name: legal, when: {phrases: [going to sue]}, route: large}
  - {name: mail, when: {findings: [EMAIL]}, route: small}
)";

inline std::string document(std::string_view thresholds, std::string_view rules = kRules) {
  return fmt::format("version: 1\nmodel: m\nthresholds: {}\nscripts: {{hours: opening-hours}}\n{}", thresholds, rules);
}

inline const std::vector<std::string>& texts_of(const std::string& intent) {
  static const std::map<std::string, std::vector<std::string>> all = [] {
    const std::map<std::string, std::pair<std::vector<std::string>, std::vector<std::string>>> recipes{
        {"hours",
         {{"what are", "tell me", "when are", "i need", "show"},
          {"your opening hours", "the hours you open", "opening times", "the hours of the shop",
           "your hours on sunday"}}},
        {"poem",
         {{"write me", "please write", "compose", "i would like", "make up"},
          {"a poem about rain", "a poem on summer", "some verses", "a short poem", "a poem for her"}}},
        {"stolen",
         {{"somebody stole", "a thief took", "i was robbed of", "they took", "help someone stole"},
          {"my wallet", "my purse", "my phone", "my bag", "all my money"}}}};
    std::map<std::string, std::vector<std::string>> out;
    for (const auto& [name, parts] : recipes) {
      for (const auto& begin : parts.first) {
        for (const auto& end : parts.second) out[name].push_back(begin + " " + end);
      }
    }
    return out;
  }();
  return all.at(intent);
}

inline triage::IntentModel learn(std::uint32_t dimension) {
  triage::Dataset dataset;
  for (const auto& [intent, route] : {std::pair("hours", "script"), {"poem", "generative"}, {"stolen", "human"}}) {
    for (const auto& text : texts_of(intent)) dataset.examples.push_back({text, intent, route});
  }
  triage::TrainOptions options;
  options.learn.dimension = dimension;
  options.text_folds = 3;
  return triage::IntentModel::from_data(triage::train(dataset, nullptr, options, [](double) {}).value().data);
}

inline std::shared_ptr<const triage::Router> router_of(const std::string& yaml, bool other_model = false) {
  static const auto model = learn(16), other = learn(8);
  auto router = triage::Router::from_text(yaml, "triage.yaml", other_model ? other : model);
  EXPECT_TRUE(router) << router.error().detail;
  return *router;
}

inline constexpr std::string_view kThresholds = "{script: 0.5, human: 0.6, veto: 0.5}";

class ReplayTest : public flow::EngineTest {
 protected:
  ReplayTest() {
    std::ofstream(folder_.file("scripts.yaml")) << "opening-hours: {kind: jq, inline: '\"we open at nine\"'}\n";
    script_registry_ = *script::ScriptRegistry::load(std::filesystem::path(folder_.file("scripts.yaml")).parent_path());
    router_ = router_of(document(kThresholds));
    restart();
  }

  /// Every text asked once, by whatever router_ and policy_ are in force.
  static std::vector<std::string> texts() {
    std::vector<std::string> out;
    for (const auto* intent : {"hours", "poem", "stolen"})
      out.insert(out.end(), texts_of(intent).begin(), texts_of(intent).end());
    for (const std::string_view more :
         {"", "i am going to sue you over a poem", "write a poem for jane.roe@acme.org please", "poem about 12 * 17",
          "xq zw kk vv"})
      out.emplace_back(more);
    return out;
  }
  void ask(const std::string& text, const std::function<void(flow::RunRequest&)>& change = {}) {
    provider_->fake.otherwise["s"].usage.output_tokens = provider_->fake.otherwise["l"].usage.output_tokens =
        static_cast<std::int64_t>(5 + text.size() % 7);
    auto run = prepare(flow::request_of(text), change);
    ASSERT_TRUE(drive(run));
    asked_[run->row.id] = text;
  }
  void ask_everything() {
    for (const auto& text : texts()) ask(text);
    ask("my card is 4000056655665556");    // the policy asks for a person
    ask("pay to DE89370400440532013000");  // ... and blocks this
    ask("hello", [](flow::RunRequest& request) { request.requested_model = "fake/l"; });
    ask("hello", [](flow::RunRequest& request) { request.requested_model = "small"; });
    provider_->fake.then("s", model::testing::fake_status(503));  // one try in vain
    ask("write me a poem about rain");
  }

  std::vector<RecordedRun> recorded() {
    EXPECT_TRUE(wait(store_->flush()));
    const auto scan = store::sqlite::RunScan::open(folder_.file("store.db"), {});
    EXPECT_TRUE(scan) << scan.error().detail;
    std::vector<RecordedRun> runs;
    for (;;) {
      const auto scanned = (*scan)->next();
      EXPECT_TRUE(scanned) << scanned.error().detail;
      if (!scanned || !*scanned) return runs;
      auto run = recorded_run(**scanned);
      EXPECT_TRUE(run) << run.error().detail;
      runs.push_back(*std::move(run));
    }
  }

  Candidate candidate() const { return {router_, std::make_shared<model::Catalog>(*catalog_), policy_}; }
  /// The catalog with other prices, or without a model.
  static std::shared_ptr<const model::Catalog> catalog_of(model::Price large, bool with_small = true) {
    model::CatalogConfig config;
    model::ProviderConfig provider;
    provider.name = "fake";
    provider.base_url = "http://127.0.0.1:1/v1";
    provider.models = {{"l", "", large, 0}};
    if (with_small) provider.models.push_back({"s", "", {1'000'000, 0, 2'000'000}, 0});
    config.providers.push_back(std::move(provider));
    config.tiers = {{"large", {{"fake", "l", 1, 0}}}};
    if (with_small) config.tiers.push_back({"small", {{"fake", "s", 1, 0}}});
    return std::make_shared<model::Catalog>(*model::Catalog::create(std::move(config)));
  }

  flow::OpenInput opener() {
    return [this](const RunId& id) -> Result<std::optional<flow::RecordedInput>> {
      ++opened_;
      const auto row = row_of(id);
      if (row.erased) return std::optional<flow::RecordedInput>();
      auto came = row.input;
      if (!row.vault.empty()) {
        auto vault = policy::TokenVault::from_json(*parse_json(row.vault));
        came = *policy::restore_json(*vault, row.input);
      }
      return flow::RecordedInput{row.input, came, row.key, std::string(32, 't')};
    };
  }
  Report replay(const Candidate& with, bool texts = false, const std::function<void(RecordedRun&)>& change = {}) {
    Replay replay(with, texts ? opener() : flow::OpenInput());
    for (auto run : recorded()) {
      if (change) change(run);
      EXPECT_TRUE(replay.add(run));
    }
    return replay.report();
  }
  static void forget_basis(RecordedRun& run) {
    for (auto& choice : run.choices) choice.decision.basis = {};
  }

  /// Text -> the decision on record of each.
  std::map<std::string, std::string> decisions_by_text() {
    std::map<std::string, std::string> out;
    for (const auto& run : recorded()) out[asked_[run.id]] = run.choices.empty() ? run.verdict : run.choices[0].record;
    return out;
  }
  /// The same asked anew under what is in force now, in an empty store.
  std::map<std::string, std::string> asked_anew(const std::vector<std::string>& what) {
    stop();
    for (const auto* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(folder_.file("store.db") + suffix);
    log_.read.clear();
    start();
    asked_.clear();
    for (const auto& text : what) ask(text);
    return decisions_by_text();
  }

  std::map<RunId, std::string> asked_;
  int opened_ = 0;
};

}  // namespace sb::replay
