/// What the configuration promises of scripts, and who watches it.
#pragma once

#include "server/services.h"

namespace sb::server {

/// Sets Services::live to what decides, as the last server left it and its guard, and Services::triage_versions.
/// REQUIRES the store. Errors: of the document; invalid_argument (something is promised, and there is no classifier, or
/// the labelled texts do not support it: how many it takes), as read_dataset and read_routes.
Result<> load_live(Services& services);

/// Errors: invalid_argument (the router names a script that is not there).
Result<> check_scripts(const script::ScriptRegistry& scripts, const triage::Router& router);

/// The router as it decides live, watched where the configuration promises something. Errors: as load_live.
Result<std::unique_ptr<triage::LiveRouter>> make_live(std::shared_ptr<const triage::Router> router,
                                                      const TriageConfig& config);

flow::DoubleAnswers double_answers(const PromiseConfig& config);

/// Probes live as long as the process; `services` must too.
void register_promise_metrics(const Services& services);

}  // namespace sb::server
