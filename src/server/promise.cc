#include "server/promise.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/log.h"
#include "server/wait_for.h"
#include "triage/verifier.h"

namespace sb::server {
namespace {

double share(std::int64_t per_mille) {
  return static_cast<double>(per_mille) / 1000;
}

/// What the promise is, and all that it rests on: the state of another one says nothing of it.
std::string name_of(const triage::Router& router, const triage::Dataset& labelled, const PromiseConfig& config) {
  std::string all = fmt::format("{} {} {} {}", router.version(), router.sight(), config.wrong_scripts_per_mille,
                                config.confidence_per_mille);
  all += fmt::format(" {} {}", config.out_of_scope_per_mille, config.routes);
  for (const auto& file : labelled.files) all += " " + file.sha256;
  return to_hex(sha256(all)).substr(0, 32);
}

Result<std::unique_ptr<triage::LiveRouter>> make_promise(std::shared_ptr<const triage::Router> router,
                                                         const PromiseConfig& config) {
  SB_TRY(const auto labelled, triage::read_dataset({config.labelled}));
  triage::RouteMap routes;
  if (!config.routes.empty()) {
    SB_TRY(routes, triage::read_routes(config.routes));
  }
  triage::PromiseGuardOptions options;
  options.target = {share(config.wrong_scripts_per_mille), share(config.confidence_per_mille),
                    share(config.out_of_scope_per_mille)};
  options.relax_after = static_cast<std::uint64_t>(config.relax_after);
  SB_TRY(auto guard, triage::PromiseGuard::create(triage::watched(*router, labelled.examples, routes), options));
  auto name = name_of(*router, labelled, config);
  return std::make_unique<triage::LiveRouter>(std::move(router), std::move(guard), std::move(name));
}

}  // namespace

Result<> check_scripts(const script::ScriptRegistry& scripts, const triage::Router& router) {
  std::vector<std::string> known;
  for (const auto& [name, script] : scripts.scripts()) known.push_back(name);
  for (const auto& name : router.script_names()) {
    if (scripts.find(name)) continue;
    const auto near = nearest(name, known);
    return fail(Errc::invalid_argument, fmt::format("it names a script \"{}\" that is not there{}", name,
                                                    near ? fmt::format("; did you mean \"{}\"?", *near) : ""));
  }
  return {};
}

Result<std::unique_ptr<triage::LiveRouter>> make_live(std::shared_ptr<const triage::Router> router,
                                                      const TriageConfig& config) {
  if (!config.promise) return std::make_unique<triage::LiveRouter>(std::move(router));
  if (!router || !router->model())
    return fail(Errc::invalid_argument, "triage.promise: its document names no classifier that could promise anything",
                "triage.promise");
  auto made = make_promise(std::move(router), *config.promise);
  if (!made) return fail(made.error().code, "triage.promise: " + made.error().detail, "triage.promise");
  return made;
}

namespace {

/// The router that is to decide, by the configuration's document and what was put in force since it was written.
Result<std::shared_ptr<const triage::Router>> open_versions(Services& services) {
  const auto& config = services.config.triage;
  services.triage_versions = std::make_unique<api::TriageBook>(
      *services.store, system_clock(), services.changes, Pseudonyms(services.pseudonym_secret),
      triage::KeptVersions::of_server(services.data.path()), config.approval == Approval::two_people,
      [config, &scripts = *services.scripts](
          std::shared_ptr<const triage::Router> router) -> Result<std::unique_ptr<triage::LiveRouter>> {
        SB_CHECK(check_scripts(scripts, *router));
        return make_live(std::move(router), config);
      });
  SB_TRY(auto router, wait_for(services.triage_versions->open(config.file), services.startup));
  // It decides all the same, as before it was looked at: what would be a script's goes on to a model.
  if (const auto all_there = check_scripts(*services.scripts, *router); !all_there)
    log_warn("triage.script_missing", {{"file", config.file}, {"detail", all_there.error().detail}});
  return router;
}

/// As the setup on record names it.
std::string version_of(const triage::Router& router) {
  std::string version = router.version() + " " + (router.model() ? router.model()->version() : std::string());
  const auto* cascade = router.cascade();
  if (cascade && cascade->verifier) version += " " + cascade->verifier->version();
  return version;
}

}  // namespace

Result<> load_live(Services& services) {
  const auto route = [](std::string_view name) -> std::size_t {
    return name == "script" ? 0 : name == "small" ? 1 : 2;
  };
  services.on_verdict = [route, verdicts = process_metrics().counters(
                                    "signalbox_triage_verdicts_total",
                                    "Verdicts on answers, of people and of second opinions. More wrong ones of scripts "
                                    "than promised: the guard tightens; of the small model: look at `large_when`.",
                                    {{"route", {"script", "small", "other"}}, {"verdict", {"right", "wrong"}}})](
                            std::string_view name, bool wrong) { verdicts.at(route(name), wrong ? 1 : 0).add(); };
  const auto& config = services.config.triage;
  if (config.file.empty() && !config.promise) return {};
  std::shared_ptr<const triage::Router> router;
  if (!config.file.empty()) {
    SB_TRY(router, open_versions(services));
    services.setup["triage"] = version_of(*router);
  }
  SB_TRY(services.live, make_live(std::move(router), config));
  SB_CHECK(wait_for(services.triage_versions->begin(*services.live), services.startup));
  if (!config.promise) return {};
  SB_TRY(const auto before, wait_for(services.store->load_document(flow::kPromiseDocument), services.startup));
  if (before) services.live->resume(*before);
  return {};
}

flow::DoubleAnswers double_answers(const PromiseConfig& config) {
  return {.per_mille = static_cast<std::uint32_t>(config.double_answers_per_mille),
          .judge = config.judge,
          .errs = share(config.judge_errs_per_mille)};
}

void register_promise_metrics(const Services& services) {
  if (!services.config.triage.promise) return;
  auto& registry = process_metrics();
  const auto probe = [&](std::string_view name, std::string_view help, auto read) {
    registry.probe(name, help, [&services, read] { return static_cast<double>(read(*services.live)); });
  };
  using triage::LiveRouter;
  probe(
      "signalbox_triage_script_floor_ratio",
      "Score that the guard asks of scripts. Above 1: none runs by the classifier; the labelled texts support none for "
      "such traffic.",
      [](const LiveRouter& promise) { return promise.state().threshold; });
  probe("signalbox_triage_out_of_scope_ratio", "Share of queries out of scope that this score is tuned for.",
        [](const LiveRouter& promise) { return promise.state().tuned_for; });
  probe("signalbox_triage_guard_changes_total",
        "Times that the guard tightened or relaxed. Any increase: the traffic has changed; label some of it and tune "
        "anew.",
        [](const LiveRouter& promise) { return promise.state().changes; });
  probe("signalbox_triage_guard_queries_total", "Queries that the guard has seen.",
        [](const LiveRouter& promise) { return promise.observed(); });
}

}  // namespace sb::server
