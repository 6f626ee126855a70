/// Has the functions of catalogs that a flow calls, and its protos, when it is registered.
#pragma once

#include <memory>
#include <string>

#include "base/task.h"
#include "flow/dsl/catalogs.h"
#include "flow/outbound/http_call.h"

namespace sb::flow {

/// Belongs to its shard. Reaches the hosts that flows may call, and below one folder, and nothing else.
class CatalogReader {
 public:
  /// `folder`: of the catalog `default`; empty: there is none. `outbound` outlives the reader.
  CatalogReader(Outbound& outbound, std::shared_ptr<const json::object> secrets, std::string folder)
      : outbound_(outbound), secrets_(std::move(secrets)), folder_(std::move(folder)) {}

  /// All that the flow has elsewhere, and what these functions have in turn: at most 100 functions and as many protos,
  /// of 256 KiB each. `document`: its own.
  Task<Cataloged> read(json::value document);

 private:
  Task<void> read_protos(const json::value& document, std::vector<json::value> endpoints, Cataloged& had);
  Task<Result<std::string>> one(const json::value& document, Result<CatalogPlace> place);
  Result<std::string> from_folder(const std::string& path) const;
  json::object secrets_of(const json::value& document) const;

  Outbound& outbound_;
  const std::shared_ptr<const json::object> secrets_;  ///< null: none
  const std::string folder_;
};

}  // namespace sb::flow
