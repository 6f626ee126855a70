/// What the handlers of /api/v1 share: who may see what, and the forms of times and errors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/api.h"
#include "base/json.h"

namespace sb::api {

/// The query's `limit`, 1 to 1,000.
std::size_t limit_of(const http::Request& request, std::size_t otherwise);

json::value time_or_null(Micros us);
json::value json_or_null(std::string_view text);

/// Admins see all tenants; everybody else their own.
bool may_see(const Caller& caller, std::string_view tenant);
std::string tenant_scope(const Caller& caller);  ///< empty: all
std::string actor_of(const Caller& caller);
/// Of who runs the installation: its first admin is of it, and what is configured is.
inline constexpr std::string_view kOwnTenant = "default";
/// Who may see and change what holds for all tenants: admins, and who is of that one.
bool is_for_all_tenants(const Caller& caller);

/// Errors: invalid_argument, naming the member and the nearest one there is.
Result<> only_members(const json::value& value, const std::vector<std::string>& known);

/// The same, and each is a string of text: no control characters.
Result<> only_texts(const json::value& value, const std::vector<std::string>& known);

/// Whose data it is, as `x-signalbox-subject` says; empty: nobody was named. Errors: invalid_argument (two names, or
/// not UTF-8: an erasure would look for another one).
Result<std::string> subject_of(const http::Request& request);

/// Whether the run that has the caller's Idempotency-Key is of the caller's request. Errors: already_exists (of another
/// request; of another API key, whose answer would be shown here).
Result<> same_request(const store::RunRow& run, const Caller& caller, std::string_view request_hash);

/// How a run and a step of it look, without payloads of the run.
json::object run_summary(const store::RunRow& row);
json::object step_json(const store::StepRow& step);

/// A version of triage, as it is listed.
json::object version_json(const TriageVersion& version);

Error no_such(std::string_view what);
/// For what was not read, or the caller may not see: as if it were not there. A store that cannot answer says so.
template <class Row>
Error not_shown(const Result<Row>& row, std::string_view what) {
  return row || row.error().code == Errc::not_found ? no_such(what) : row.error();
}

}  // namespace sb::api
