// /api/v1/triage: what is tried beside the triage in force.
#include "api/api.h"
#include "api/control.h"

namespace sb::api {

Task<void> Api::get_trials(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  auto report = co_await parts_.report_trials(tenant_scope(caller));
  if (!report) co_return co_await respond_error(exchange, report.error());
  co_await respond_json(exchange, 200, *std::move(report));
}

}  // namespace sb::api
