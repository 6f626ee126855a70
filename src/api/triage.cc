// /api/v1/triage: versions of triage, and what is tried beside the one in force.
#include <fmt/format.h>

#include "api/api.h"
#include "api/control.h"

namespace sb::api {

json::object version_json(const TriageVersion& version) {
  return {{"version", version.id},
          {"triage", version.triage},
          {"classifier", version.classifier},
          {"state", to_string(version.state)},
          {"author", version.author},
          {"approver", version.approver.empty() ? json::value(nullptr) : json::value(version.approver)},
          {"createdAt", rfc3339(version.created_us)},
          {"figures", version.figures}};
}

namespace {

Result<TriageBook*> book_for(TriageBook* book, const Caller& caller, std::string_view what) {
  if (!is_for_all_tenants(caller))
    return fail(Errc::permission_denied,
                fmt::format("one triage holds for all tenants: a key of tenant {} may not {} it; ask an admin, or an "
                            "operator of tenant {}",
                            caller.tenant, what, kOwnTenant));
  if (!book) return fail(Errc::not_found, "no triage is configured (triage.file)");
  return book;
}

}  // namespace

Task<void> Api::get_trials(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  auto report = co_await parts_.report_trials(tenant_scope(caller));
  if (!report) co_return co_await respond_error(exchange, report.error());
  co_await respond_json(exchange, 200, *std::move(report));
}

Task<void> Api::list_triage_versions(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  const auto book = book_for(parts_.triage, caller, "read");
  if (!book) co_return co_await respond_error(exchange, book.error());
  json::array versions;
  for (const auto& version : (*book)->versions()) versions.push_back(version_json(version));
  co_await respond_json(exchange, 200,
                        to_text(json::object{{"inForce", (*book)->in_force()}, {"versions", std::move(versions)}}));
}

Task<void> Api::use_triage_version(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  const auto book = book_for(parts_.triage, caller, "change");
  if (!book) co_return co_await respond_error(exchange, book.error());
  auto used = co_await (*book)->use(captured[0], actor_of(caller));
  if (!used) co_return co_await respond_error(exchange, used.error());
  co_await respond_json(exchange, used->state == TriageState::pending ? 202 : 200, to_text(version_json(*used)));
}

Task<void> Api::approve_triage_version(http::Exchange& exchange, const Caller& caller,
                                       std::vector<std::string> captured) {
  const auto book = book_for(parts_.triage, caller, "approve");
  if (!book) co_return co_await respond_error(exchange, book.error());
  auto approved = co_await (*book)->approve(captured[0], actor_of(caller), parts_.keys.records());
  if (!approved) co_return co_await respond_error(exchange, approved.error());
  co_await respond_json(exchange, 200, to_text(version_json(*approved)));
}

}  // namespace sb::api
