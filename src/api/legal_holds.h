/// What no erasure and no retention may touch while it stands.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/json.h"
#include "base/task.h"
#include "flow/sealer.h"
#include "store/store.h"

namespace sb::api {

/// The document that holds stand in.
inline constexpr std::string_view kLegalHolds = "legal_holds";

/// What an erasure or a hold is about: one run, or all that is a person's in one tenant.
struct Scope {
  std::string tenant;
  std::string subject;  ///< pseudonym; or
  std::optional<RunId> run;
};

/// Reasons name people and cases: they are sealed where a hold is stored.
inline constexpr std::string_view kSealedReason = "sealed_reason";
void seal_reason(json::value& hold, std::string_view reason, const flow::Sealer& sealer);
/// Of a stored hold, also of one that an earlier version stored. Errors: corrupt.
Result<std::string> reason_of(const json::value& hold, const flow::Sealer& sealer);

struct LegalHold {
  std::string id;
  std::string tenant;
  std::string subject;       ///< pseudonym: all that is a person's; or
  std::optional<RunId> run;  ///< this run, and
  std::string runs_subject;  ///< with it what else is whose it is: an erasure of that person would reach it
  json::value stored;
};

/// As they are stored. Errors: as the store's, corrupt.
Result<json::array> parse_holds(const std::optional<std::string>& document);
Task<Result<std::vector<LegalHold>>> load_holds(store::Store& store);

/// The first one that forbids the erasure, or none. Errors: as the store's, corrupt.
Task<Result<std::optional<LegalHold>>> hold_on(store::Store& store, Scope scope);
/// The first one that forbids to erase all that is a person's (pseudonym), or none.
const LegalHold* hold_on_person(const std::vector<LegalHold>& holds, std::string_view tenant, std::string_view subject);
/// The first one that forbids to erase one run.
const LegalHold* hold_on_run(const std::vector<LegalHold>& holds, const store::RunRow& run);

}  // namespace sb::api
