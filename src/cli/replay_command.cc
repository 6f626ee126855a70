#include "cli/replay_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <ostream>

#include "base/files.h"
#include "config/config.h"
#include "flow/injection.h"
#include "policy/diff_command.h"
#include "replay/log_import.h"
#include "replay/report.h"
#include "server/content.h"
#include "server/services.h"
#include "store/data_dir.h"
#include "triage/kept_versions.h"

namespace sb::cli {
namespace {

constexpr std::chrono::seconds kTellEvery{5};

constexpr const char* kAbout =
    "Takes the runs of a data directory and a configuration file that is not live, and tells: which decisions would be "
    "others, the mix of routes, the cost (with both controls), the time to the answer, what people decided of runs "
    "that "
    "would be answered without them, and what would be found in requests; and of all that, what is not known. No "
    "provider "
    "is called, no script is run.\n\n"
    "Decisions keep what they rest on, without the text: other thresholds, scripts, rules on sizes, findings and "
    "tools, "
    "prices, models and tiers are told from the record alone. Another classifier, other phrases of rules and another "
    "policy have to look at the texts: --texts opens those of the runs for which the record is not enough, in memory, "
    "and puts on record who does.\n\n"
    "With --import the traffic is another program's log: each call is routed from its text, and priced by its "
    "tokens.\n\n"
    "Of requests whose content was erased the decisions are on record still; what would take their text is counted as "
    "not known.";

/// A candidate, and what it refers to.
struct Loaded {
  Config config;
  std::unique_ptr<const policy::InjectionScorer> scorer;
  replay::Candidate candidate;
};

std::string data_of(const Invocation& it, const Config& config) {
  return it.has("data") ? it.get("data") : config.data.dir;
}

Result<Loaded> load_candidate(const Invocation& it) {
  if (!it.has("with")) return sb::fail(Errc::invalid_argument, "--with FILE: which configuration to try");
  Loaded out;
  SB_TRY(out.config, load_config(std::filesystem::path(it.get("with")), it.all("set")));
  const Config& config = out.config;
  SB_TRY(auto catalog_settings, server::catalog_config(config, server::ProviderKeys::left_out));
  SB_TRY(auto catalog, model::Catalog::create(std::move(catalog_settings)));
  out.candidate.catalog = std::make_shared<const model::Catalog>(std::move(catalog));
  SB_TRY(const auto text, server::policy_text(config));
  SB_TRY(out.candidate.policy, policy::Policy::load(text, server::policy_origin(config)));
  SB_TRY(out.scorer, config.policy.injection_model.empty()
                         ? flow::make_injection_scorer(server::default_injection_model())
                         : flow::load_injection_scorer(config.policy.injection_model));
  out.candidate.scorer = out.scorer.get();
  const auto kept = triage::KeptVersions::of_server(data_of(it, config));
  if (it.has("triage")) {
    SB_TRY(out.candidate.router, kept.load(it.get("triage")));
  } else if (!config.triage.file.empty()) {
    SB_TRY(out.candidate.router, triage::Router::load(config.triage.file));
  }
  for (const auto& trial : config.triage.trials) {
    auto& trials = trial.mode == TrialMode::split ? out.candidate.splits : out.candidate.shadows;
    SB_TRY(trials[trial.name], trial.version.empty() ? triage::Router::load(trial.file) : kept.load(trial.version));
  }
  return out;
}

Result<std::optional<Micros>> moment(const Invocation& it, std::string_view flag) {
  const auto text = it.get(flag);
  if (text.empty()) return std::optional<Micros>();
  const auto parsed = policy::parse_moment(text, system_clock().now_us());
  if (!parsed) return sb::fail(Errc::invalid_argument, fmt::format("--{}: {}", flag, parsed.error().detail));
  return std::optional<Micros>(*parsed);
}

/// Which runs, and by what right their texts are opened.
Result<policy::TrafficFilter> filter_of(const Invocation& it, const Config& config) {
  policy::TrafficFilter filter;
  filter.data = data_of(it, config);
  filter.master_key = it.get("master-key");
  filter.url = it.get("url");
  filter.key_file = it.get("key-file");
  filter.tenant = it.get("tenant");
  filter.flow = it.get("flow");
  filter.direction = policy::Direction::inbound;
  SB_TRY(filter.since_us, moment(it, "since"));
  SB_TRY(filter.until_us, moment(it, "until"));
  if (it.has("limit")) {
    SB_TRY(const auto limit, it.integer("limit", 1, INT64_MAX));
    filter.limit = static_cast<std::uint64_t>(limit);
  }
  return filter;
}

Result<replay::Report> replay_runs(const Invocation& it, const replay::Candidate& candidate,
                                   const policy::TrafficFilter& filter) {
  SB_TRY(const auto data, store::DataDir::open(filter.data));
  SB_TRY(const auto scan, store::sqlite::RunScan::open(data.database(), {filter.tenant, filter.flow, filter.since_us,
                                                                         filter.until_us, filter.limit}));
  flow::OpenInput open;
  if (it.has("texts")) {
    SB_TRY(open, flow::open_inputs_on_record(filter));
  }
  replay::Replay replay(candidate, std::move(open));
  using Clock = std::chrono::steady_clock;
  auto told = Clock::now();
  for (std::uint64_t count = 0;; ++count) {
    SB_TRY(const auto scanned, scan->next());
    if (!scanned) {
      if (count > 0) return replay.report();
      return sb::fail(Errc::not_found, fmt::format("{}: no recorded run is wanted by these flags", filter.data));
    }
    SB_TRY(const auto run, replay::recorded_run(*scanned));
    SB_CHECK(replay.add(run));
    if (Clock::now() - told < kTellEvery) continue;
    told = Clock::now();
    it.err << fmt::format("{} runs replayed\n", count + 1) << std::flush;
  }
}

/// Of another program's log. `notes` gets what was left out.
Result<replay::Report> replay_log(const Invocation& it, const replay::Candidate& candidate,
                                  std::vector<std::string>& notes) {
  SB_TRY(const auto format, replay::log_format(it.get("import")));
  std::string request;  // of the call that is visited
  replay::Replay replay(candidate, [&](const RunId&) -> Result<std::optional<flow::RecordedInput>> {
    return flow::RecordedInput{request, request, {}, std::string(32, '\0')};
  });
  SB_TRY(const auto sums,
         replay::import_log(format, it.rest(), *candidate.catalog, [&](const replay::LoggedCall& call) {
           request = call.request;
           return replay.add(call.run);
         }));
  notes = replay::notes_of(sums);
  if (sums.calls > 0) return replay.report();
  return sb::fail(Errc::not_found, fmt::format("no call of a chat is in these files: {}", fmt::join(notes, "; ")));
}

Result<int> replayed(const Invocation& it) {
  if (it.has("import") == it.rest().empty())
    return sb::fail(Errc::invalid_argument, "--import FORMAT and the files of the log go together");
  SB_TRY(const auto loaded, load_candidate(it));
  replay::Subject subject{{}, it.get("with"), loaded.config.currency, {}};
  replay::Report report;
  if (it.has("import")) {
    subject.traffic = fmt::format("{}", fmt::join(it.rest(), ", "));
    SB_TRY(report, replay_log(it, loaded.candidate, subject.notes));
  } else {
    SB_TRY(const auto filter, filter_of(it, loaded.config));
    subject.traffic = filter.data;
    SB_TRY(report, replay_runs(it, loaded.candidate, filter));
  }
  if (it.has("html")) SB_CHECK(replace_file(it.get("html"), to_html(report, subject)));
  if (it.has("json"))
    it.out << to_text(to_json(report, subject)) << '\n';
  else
    it.out << to_lines(report, subject);
  return it.has("same") && !report.nothing_differs() ? kExitFailed : kExitOk;
}

}  // namespace

Command replay_command() {
  Command replay("replay", "what another configuration would have made of recorded traffic");
  replay.about(kAbout)
      .option("with", "FILE", "the configuration to try, as `signalbox serve --config` would take it")
      .repeated("set", "KEY=VALUE", "set one key of it, such as triage.file=stricter.yaml")
      .option("data", "DIR", "whose runs; without it data.dir of the configuration")
      .option("triage", "VERSION",
              "a version that DIR's server has kept, with what it learnt (`signalbox triage versions`), in place of "
              "triage.file")
      .toggle("texts", "open the texts of runs for which the record is not enough")
      .toggle("same", "exit status 1 unless every decision and cost is exactly as recorded")
      .toggle("json", "for machines")
      .option("import", "FORMAT", "not a data directory's runs but the log in FILE...: litellm, openai or langfuse")
      .repeated_positions("FILE", "with --import: JSON lines, or a list")
      .option("html", "PAGE", "write the report there, too")
      .option("since", "WHEN",
              "runs begun then or later: 2026-11-23, 2026-11-23T18:00:00Z, or how long ago: 90m 24h 7d")
      .option("until", "WHEN", "runs begun before")
      .option("flow", "NAME", "\"namespace/name\"; chats are signalbox/chat")
      .option("tenant", "NAME", "of one tenant")
      .option("limit", "N", "the newest N runs")
      .option("master-key", "REF", "with --texts: env:NAME or file:PATH, where the server has one of its own")
      .option("url", "URL", "with --texts: the server that works on DIR, which puts on record who reads")
      .option("key-file", "FILE", "with --texts: an API key for it that may read the audit log; else SIGNALBOX_API_KEY")
      .example("signalbox replay --with signalbox.yaml --same",
               "whether the live configuration gives what is on record")
      .example("signalbox replay --with signalbox.yaml --set triage.file=stricter.yaml --since 7d --html week.html",
               "last week under another triage")
      .example("signalbox replay --with signalbox.yaml --import litellm spend.jsonl",
               "what it would have made of another gateway's traffic")
      .run([](const Invocation& it) {
        const auto status = replayed(it);
        return status ? *status : it.fail(status.error());
      });
  return replay;
}

}  // namespace sb::cli
