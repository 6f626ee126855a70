/// What the configuration promises of scripts, and who watches it.
#pragma once

#include "server/services.h"

namespace sb::server {

/// Sets Services::promise where something is promised, as the last server left it. REQUIRES the router and the store.
/// Errors: invalid_argument (no classifier, or the labelled texts do not support it: how many it takes), as
/// read_dataset and read_routes.
Result<> load_promise(Services& services);

flow::DoubleAnswers double_answers(const PromiseConfig& config);

/// Probes live as long as the process; `services` must too.
void register_promise_metrics(const Services& services);

}  // namespace sb::server
