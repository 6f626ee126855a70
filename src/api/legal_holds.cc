#include "api/legal_holds.h"

#include <fmt/format.h>

#include <algorithm>

namespace sb::api {
namespace {

const LegalHold* first(const std::vector<LegalHold>& holds, const auto& forbids) {
  const auto found = std::ranges::find_if(holds, forbids);
  return found == holds.end() ? nullptr : &*found;
}

/// Where a hold's reason stands: it opens nowhere else.
std::string place_of(std::string_view id) {
  return fmt::format("{}/{}", kLegalHolds, id);
}

}  // namespace

void seal_reason(json::value& hold, std::string_view reason, const flow::Sealer& sealer) {
  auto& members = hold.as_object();
  members[kSealedReason] = sealer.seal_text(place_of(string_member(hold, "id")), reason);
  members.erase("reason");
}

Result<std::string> reason_of(const json::value& hold, const flow::Sealer& sealer) {
  const auto* sealed = find_member(hold, kSealedReason);
  if (!sealed) return std::string(string_member(hold, "reason"));
  return sealer.open_text(place_of(string_member(hold, "id")), string_member(hold, kSealedReason));
}

Result<json::array> parse_holds(const std::optional<std::string>& document) {
  if (!document) return json::array();
  SB_TRY(const json::value holds, parse_json(*document));
  const bool is_list = holds.is_array() && std::ranges::all_of(holds.get_array(), &json::value::is_object);
  if (!is_list) return fail(Errc::corrupt, "the list of legal holds is damaged");
  return holds.get_array();
}

Task<Result<std::vector<LegalHold>>> load_holds(store::Store& store) {
  SB_CO_TRY(const auto document, co_await store.load_document(std::string(kLegalHolds)));
  SB_CO_TRY(const json::array stored, parse_holds(document));
  std::vector<LegalHold> holds;
  for (const json::value& one : stored) {
    LegalHold hold;
    hold.id = string_member(one, "id");
    hold.tenant = string_member(one, "tenant");
    hold.subject = string_member(one, "subject");
    hold.run = RunId::parse(string_member(one, "run"));
    if (hold.run) {
      const auto run = co_await store.load_run(*hold.run);
      if (!run && run.error().code != Errc::not_found) co_return std::unexpected(run.error());
      if (run) hold.runs_subject = run->subject;
    }
    hold.stored = one;
    holds.push_back(std::move(hold));
  }
  co_return holds;
}

Task<Result<std::optional<LegalHold>>> hold_on(store::Store& store, Scope scope) {
  SB_CO_TRY(const auto holds, co_await load_holds(store));
  const LegalHold* found = nullptr;
  if (scope.run) {
    SB_CO_TRY(const auto run, co_await store.load_run(*scope.run));
    found = hold_on_run(holds, run);
  } else {
    found = hold_on_person(holds, scope.tenant, scope.subject);
  }
  co_return found ? std::optional(*found) : std::nullopt;
}

const LegalHold* hold_on_person(const std::vector<LegalHold>& holds, std::string_view tenant,
                                std::string_view subject) {
  return first(holds, [&](const LegalHold& hold) {
    return !subject.empty() && hold.tenant == tenant && (hold.subject == subject || hold.runs_subject == subject);
  });
}

const LegalHold* hold_on_run(const std::vector<LegalHold>& holds, const store::RunRow& run) {
  return first(holds, [&](const LegalHold& hold) {
    if (hold.tenant != run.tenant) return false;
    return hold.run == run.id || (!run.subject.empty() && hold.subject == run.subject);
  });
}

}  // namespace sb::api
