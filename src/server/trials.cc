#include "server/trials.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/log.h"
#include "replay/trial_report.h"
#include "server/promise.h"
#include "server/wait_for.h"
#include "triage/kept_versions.h"

namespace sb::server {
namespace {

triage::TrialRules rules_of(const TrialConfig& config) {
  return {config.name,
          config.mode == TrialMode::split ? triage::TrialMode::split : triage::TrialMode::shadow,
          static_cast<std::uint32_t>(config.weight_per_mille),
          config.tenants,
          config.tags,
          config.sticky_by};
}

/// All that makes it this trial: what was counted of another one says nothing of it.
std::string identity_of(const Services& services, const TrialConfig& config, const triage::Router& candidate) {
  const auto all =
      fmt::format("{} {} {} {} {} {} {} {}", config.name, static_cast<int>(config.mode), config.weight_per_mille,
                  config.tenants, config.tags, config.sticky_by, candidate.version(), candidate.sight());
  const auto& promise = services.config.triage.promise;
  const auto promised = promise ? fmt::format("{} {}", promise->wrong_scripts_per_mille, promise->labelled) : "";
  return to_hex(sha256(all, promised)).substr(0, 32);
}

/// A shadow that promises too much is still worth looking at; a split answers people.
Result<std::unique_ptr<triage::LiveRouter>> live_candidate(const Services& services, const TrialConfig& config,
                                                           std::shared_ptr<const triage::Router> candidate) {
  auto live = make_live(candidate, services.config.triage);
  if (live || config.mode == TrialMode::split) return live;
  log_warn("triage.trial_not_watched", {{"trial", config.name}, {"detail", live.error().detail}});
  return std::make_unique<triage::LiveRouter>(std::move(candidate));
}

Result<std::unique_ptr<triage::LiveTrial>> make_trial(const Services& services, const TrialConfig& config) {
  SB_TRY(auto candidate, config.version.empty()
                             ? triage::Router::load(config.file)
                             : triage::KeptVersions::of_server(services.data.path()).load(config.version));
  SB_CHECK(check_scripts(*services.scripts, *candidate));
  auto identity = identity_of(services, config, *candidate);
  SB_TRY(auto live, live_candidate(services, config, std::move(candidate)));
  return std::make_unique<triage::LiveTrial>(rules_of(config), std::move(live), std::move(identity));
}

Result<> begin_trial(const Services& services, triage::LiveTrial& trial, asio::io_context& startup) {
  const auto now = system_clock().now_us();
  trial.resume({trial.identity(), now, services.store->stats().leaves, 0, {}});
  store::Commit commit;
  commit.documents.emplace_back(triage::trial_document(trial.rules().name), triage::to_json(trial.state()));
  store::LeafDraft leaf;
  leaf.kind = "trial.begin";
  RecordWriter summary(200);
  summary.begin_object().member("mode", RecordText::ours(triage::to_string(trial.rules().mode)));
  summary.member("trial", RecordText::configured(trial.rules().name));
  summary.member("triage", RecordText::ours(trial.candidate()->version()));
  summary.member("weight_per_mille", trial.rules().weight_per_mille).end_object();
  leaf.summary = std::move(summary).take().text();
  leaf.time_us = now;
  commit.leaves.push_back(std::move(leaf));
  auto written = wait_for(services.store->commit(std::move(commit)), startup);
  if (written || written.error().code != Errc::disk_full) return written;
  log_warn("triage.trial_not_recorded", {{"detail", written.error().detail}});
  return {};
}

void count_trials(Services& services) {
  std::vector<std::string> names;
  for (const auto& trial : services.trials->all()) names.push_back(trial->rules().name);
  auto& registry = process_metrics();
  auto queries = registry.counters("signalbox_triage_trial_queries_total",
                                   "Queries in a split, by who decided. None of the candidate's: the trial has ended, "
                                   "or speaks of nobody who asks; see `signalbox triage trials`.",
                                   {{"trial", names}, {"by", {"in_force", "candidate"}}});
  auto shadows = registry.counters("signalbox_triage_shadow_total",
                                   "Queries that a shadow looked at: the same route as the decision that counts, "
                                   "another, or not in time. Many late ones: the candidate is slow on this machine.",
                                   {{"trial", names}, {"route", {"same", "other", "not_known"}}});
  services.on_trial = [queries, shadows](const triage::RouteDecision& decision) {
    if (!decision.trial.empty()) queries.of(decision.trial, decision.by_candidate ? "candidate" : "in_force").add();
    for (const auto& shadow : decision.shadows) {
      const bool same = shadow.route == decision.route && shadow.script == decision.script;
      shadows.of(shadow.trial, !shadow.unknown.empty() ? "not_known" : same ? "same" : "other").add();
    }
  };
}

}  // namespace

Result<> load_trials(Services& services) {
  const auto& configured = services.config.triage.trials;
  if (configured.empty()) return {};
  std::vector<std::unique_ptr<triage::LiveTrial>> trials;
  for (std::size_t i = 0; i < configured.size(); ++i) {
    auto trial = make_trial(services, configured[i]);
    const auto place = fmt::format("triage.trials[{}]", i);
    if (!trial) return fail(trial.error().code, fmt::format("{}: {}", place, trial.error().detail), place);
    auto name = triage::trial_document((*trial)->rules().name);
    SB_TRY(const auto kept, wait_for(services.store->load_document(std::move(name)), services.startup));
    const auto state = kept ? triage::read_trial_state(*kept) : std::nullopt;
    if (state && state->identity == (*trial)->identity())
      (*trial)->resume(*state);
    else
      SB_CHECK(begin_trial(services, **trial, services.startup));
    trials.push_back(*std::move(trial));
  }
  services.trials = std::make_unique<triage::Trials>(std::move(trials));
  count_trials(services);
  return {};
}

Task<Result<std::string>> report_trials(Services& services, Workers& workers, std::string tenant) {
  if (!services.trials) co_return to_text(json::object{{"trials", json::array()}});
  if (services.counting_trials.exchange(true))
    co_return fail(Errc::unavailable, "the record is being counted for somebody else; try again");
  const std::unique_ptr<std::atomic<bool>, api::ChangeGate::Leave> counting(&services.counting_trials);
  SB_CO_CHECK(co_await services.store->flush());  // what is acknowledged is counted
  std::vector<replay::TrialSums> sums;
  for (const auto& trial : services.trials->all()) sums.emplace_back(*trial);
  const std::string currency = services.config.currency;
  auto count = [sums = std::move(sums), path = services.data.database(), tenant, currency]() mutable {
    return replay::report_trials(path, tenant, std::move(sums), currency);
  };
  co_return co_await workers.run(std::move(count));
}

}  // namespace sb::server
