// A million recorded decisions under another configuration: how long `signalbox replay` takes.
//
//   replay_bench [new FOLDER] [RUNS, in thousands] [triage.yaml]
//
// The runs are made here, through the store, as the engine leaves a chat: two commits, steps guard, triage, chat,
// guard; the decisions are those of the named triage (the support desk's) over texts put together from its messages'
// words. They are replayed under the same configuration, which must give exactly what is on record, and under another
// threshold. Exit code 1: it does not, or a replay takes longer than the goal.
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "measure.h"
#include "policy/policy.h"
#include "replay/replay.h"
#include "replay/report.h"
#include "store/sqlite/sqlite_store.h"
#include "store/testing.h"
#include "triage/decision_record.h"

namespace {

using namespace sb;

constexpr double kGoalSeconds = 30;
constexpr model::Price kSmall{100'000, 100'000, 400'000};
constexpr model::Price kLarge{2'000'000, 2'000'000, 8'000'000};
constexpr std::string_view kPolicy =
    "name: bench\nversion: 1\nrules: [{name: mail, types: [EMAIL], action: tokenise}]\n";

std::string noise(Entropy& entropy, std::size_t size) {
  std::string bytes(size, '\0');
  entropy.fill(std::span(reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()));
  return bytes;
}

std::shared_ptr<const model::Catalog> catalog() {
  model::CatalogConfig config;
  model::ProviderConfig provider;
  provider.name = "p";
  provider.base_url = "http://127.0.0.1:1/v1";
  provider.models = {{"s", "", kSmall, 0}, {"l", "", kLarge, 0}};
  config.providers.push_back(std::move(provider));
  config.tiers = {{"small", {{"p", "s", 1, 0}}}, {"large", {{"p", "l", 1, 0}}}};
  return std::make_shared<model::Catalog>(*model::Catalog::create(std::move(config)));
}

/// Makes runs one after another.
class Maker {
 public:
  Maker(const triage::Router& router, const std::vector<std::string>& texts, std::string policy, std::uint64_t seed)
      : router_(router), texts_(texts), policy_(std::move(policy)), entropy_(seed), seed_(seed) {}

  /// Halves of two texts, so that a million are not one decision each for a hundred.
  std::string text() {
    const auto& a = texts_[next() % texts_.size()];
    const auto& b = texts_[next() % texts_.size()];
    return a.substr(0, a.size() / 2) + b.substr(b.size() / 2);
  }

  std::pair<store::Commit, store::Commit> run() {
    const auto asked = text();
    const auto decision = router_.route({.text = asked, .prompt_bytes = asked.size()});
    const auto route = std::string(triage::to_string(decision.route));
    store::RunRow row;
    row.id = store::testing::new_run_id();
    row.tenant = "acme";
    row.flow = "signalbox/chat@1.0.0";
    row.status = store::RunStatus::running;
    row.epoch = LeaseEpoch{1};
    row.input = noise(entropy_, 300);
    row.data_key = noise(entropy_, 61);
    row.created_us = system_clock().now_us();
    store::Commit first;
    add_step(first, "guard.inbound", "guard", guard("inbound"));
    add_step(first, "triage", "triage", triage::record_of(decision).text());
    store::Commit last;
    row.route = route;
    row.model = route == "script" || route == "human" ? route : "p/" + route.substr(0, 1);
    if (row.model.starts_with("p/")) {
      row.cost = add_call(last, route, row.model);
      add_step(last, "guard.outbound", "guard", guard("outbound"));
    } else {
      add_step(last, "script", "script", R"({"chosen":"x","input_tokens":20,"kind":"script","output_tokens":60})");
    }
    first.create = row;
    row.status = store::RunStatus::completed;
    row.output = noise(entropy_, 300);
    row.ended_us = row.updated_us = row.created_us + 1000 + static_cast<Micros>(next() % 1'000'000);
    last.update = std::move(row);
    index_ = 0;
    return {std::move(first), std::move(last)};
  }

 private:
  std::uint64_t next() { return seed_ = seed_ * 6364136223846793005ULL + 1442695040888963407ULL, seed_ >> 33; }
  std::string guard(std::string_view direction) const {
    return fmt::format(R"({{"chosen":"allow","direction":"{}","kind":"guard","versions":{{"policy":"{}"}}}})",
                       direction, policy_);
  }
  void add_step(store::Commit& commit, std::string name, std::string kind, std::string decision, MicroMoney cost = 0) {
    auto& step = commit.steps.emplace_back();
    step.index = StepIndex{index_++};
    step.name = std::move(name);
    step.ref = "/do/" + step.name;
    step.kind = std::move(kind);
    step.decision = std::move(decision);
    step.cost = cost;
  }
  MicroMoney add_call(store::Commit& commit, const std::string& tier, const std::string& deployment) {
    const model::Usage usage{20 + static_cast<std::int64_t>(next() % 40), 0,
                             50 + static_cast<std::int64_t>(next() % 200), false};
    const auto& price = tier == "small" ? kSmall : kLarge;
    const auto cost = model::cost_of(usage, price);
    add_step(
        commit, tier, "chat",
        fmt::format(R"({{"attempts":[{{"cause":"ok","cost_micro":{},"deployment":"{}","estimated":false,)"
                    R"("input_tokens":{},"latency_us":120000,"output_tokens":{},"price":[{},{},{}],"status":200}}],)"
                    R"("chosen":"{}","kind":"chat","target":"{}"}})",
                    cost, deployment, usage.input_tokens, usage.output_tokens, price.input, price.cached_input,
                    price.output, deployment, tier),
        cost);
    return cost;
  }

  const triage::Router& router_;
  const std::vector<std::string>& texts_;
  const std::string policy_;
  SeededEntropy entropy_;
  std::uint64_t seed_;
  std::uint32_t index_ = 0;
};

Task<> fill(store::Store& store, Maker maker, std::uint64_t runs) {
  for (std::uint64_t i = 0; i < runs; ++i) {
    auto [first, last] = maker.run();
    SB_ASSERT((co_await store.commit(std::move(first))).has_value());
    SB_ASSERT((co_await store.commit(std::move(last))).has_value());
  }
}

struct Took {
  double seconds = 0;
  double cpu_seconds = 0;  ///< what it would take on a machine that does nothing else
};

replay::Report replay_all(const std::string& database, const replay::Candidate& candidate, Took& took) {
  const auto begin = bench::Steady::now();
  const double cpu_begin = bench::cpu_us();
  const auto scan = *store::sqlite::RunScan::open(database, {});
  replay::Replay replay(candidate, {});
  for (;;) {
    const auto scanned = *scan->next();
    if (!scanned) break;
    const auto run = replay::recorded_run(*scanned);
    SB_ASSERT(run && replay.add(*run));
  }
  auto report = replay.report();
  took = {bench::seconds_since(begin), (bench::cpu_us() - cpu_begin) / 1e6};
  return report;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string folder = argc > 1 ? argv[1] : "build/replay-bench";
  const std::uint64_t runs = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1'000'000;
  const std::string triage = argc > 3 ? argv[3] : "examples/support-desk/triage.yaml";
  constexpr std::uint64_t kWorkers = 1000;
  if (runs == 0 || runs % kWorkers != 0 || std::filesystem::exists(folder)) {
    fmt::print(stderr, "replay_bench [new FOLDER] [RUNS, in thousands] [triage.yaml]\n");
    return 2;
  }
  const auto router = triage::Router::load(triage);
  if (!router) return fmt::print(stderr, "{}\n", router.error().detail), 2;
  std::vector<std::string> texts;
  std::ifstream messages(std::filesystem::path(triage).parent_path() / "messages.jsonl");
  for (std::string line; std::getline(messages, line);)
    texts.emplace_back(string_member(parse_json(line).value_or(nullptr), "text"));
  SB_ASSERT(!texts.empty());
  std::filesystem::create_directories(folder);
  const std::string database = folder + "/signalbox.db";
  replay::Candidate candidate{*router, catalog(), *policy::Policy::load(kPolicy, "bench")};
  {
    store::testing::PlainLog log;
    store::SqliteOptions options;
    options.path = database;
    const auto store = *store::open_sqlite_store(std::move(options), log);
    const auto begin = bench::Steady::now();
    auto& context = store::testing::lasting_context();
    for (std::uint64_t i = 0; i < kWorkers; ++i)
      asio::co_spawn(context, fill(*store, Maker(**router, texts, candidate.policy_version(), i + 1), runs / kWorkers),
                     asio::detached);
    context.run();
    SB_ASSERT(store::testing::wait_for(store->flush()).has_value());
    fmt::print("{} runs stored in {:.0f} s, {:.1f} GB\n", runs, bench::seconds_since(begin),
               static_cast<double>(std::filesystem::file_size(database)) / 1e9);
  }
  Took same_took;
  const auto same = replay_all(database, candidate, same_took);
  fmt::print("unchanged: {:.1f} s ({:.1f} s of CPU), {} of {} decisions exactly as recorded, cost {} of {}\n",
             same_took.seconds, same_took.cpu_seconds, same.exact, same.choices, same.bill.known, same.recorded_cost);
  candidate.router = (*router)->with_script_threshold(0.97);
  Took other_took;
  const auto other = replay_all(database, candidate, other_took);
  fmt::print("script: 0.97: {:.1f} s ({:.1f} s of CPU), {} decisions change, {} not known\n", other_took.seconds,
             other_took.cpu_seconds, other.changed, other.unknown_count());
  const bool ok = same.nothing_differs() && other.changed > 0 && other.unknown_count() == 0 &&
                  std::max(same_took.seconds, other_took.seconds) <= kGoalSeconds;
  return ok ? 0 : 1;
}
