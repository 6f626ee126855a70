/// Whom a rule or a check of a policy speaks of.
#pragma once

#include <boost/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/json.h"
#include "policy/document_reader.h"

namespace sb::policy {

/// What a run is, as far as rules and checks ask.
struct Subject {
  std::string_view tenant;
  std::string_view key;    ///< id of the API key; empty: none
  std::string_view flow;   ///< "namespace/name@version"
  std::string_view model;  ///< as the caller named it
  /// What that name may come to: tiers, "provider/model" and models' own names. See Scope::covers.
  std::span<const std::string> reach{};
};

/// Whom a rule or a check speaks of. Each list: exact names or "prefix*"; empty: everybody. A flow without "@version"
/// is all its versions.
struct Scope {
  std::vector<std::string> tenants;
  std::vector<std::string> keys;
  std::vector<std::string> flows;
  std::vector<std::string> models;

  /// It speaks of the run, or of one of the models that the run may reach.
  bool covers(const Subject& subject) const;
  /// It speaks of the run whichever model it reaches: what lets values pass must not, where another model gets them.
  bool covers_all(const Subject& subject) const;

 private:
  bool covers_run(const Subject& subject) const;
};

/// The members `tenants`, `keys`, `flows`, `models` of a rule or a check. Errors: invalid_argument, with the place.
Result<Scope> read_scope(const DocumentReader& reader, const json::object& object, std::string_view pointer);

}  // namespace sb::policy
