/// What a flow has elsewhere: functions of catalogs (Open Workflow DSL 1.0.3, "Catalogs"), called as
/// `NAME:VERSION@CATALOG`, and the .proto files of its gRPC calls.
///
/// They are had once, when a flow is registered, and are part of it from then on: its hash covers them, its document
/// has them under `/use/catalogs/CATALOG/functions/NAME:VERSION`, and no run ever asks for them. Pure: who has them is
/// flow/outbound/catalog_reader.h.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/json.h"
#include "flow/definition.h"

namespace sb::flow {

struct ContainerOptions;

/// "log:1.0.0@shared".
struct CatalogCall {
  std::string name, version, catalog;

  std::string text() const { return name + ":" + version + "@" + catalog; }
  /// Where it lies below its catalog's root.
  std::string path() const { return "functions/" + name + "/" + version + "/function.yaml"; }
  /// Where the flow's document has it.
  std::string pointer() const;
  /// Nothing: it is no such call.
  static std::optional<CatalogCall> parse(std::string_view text);
};

/// What was had: functions by their call, protos by their URL.
struct Cataloged {
  std::map<std::string, std::string, std::less<>> functions{};  ///< their texts
  std::map<std::string, std::string, std::less<>> failures{};   ///< why others could not be had
  std::map<std::string, std::string, std::less<>> protos{};     ///< their texts

  bool empty() const { return functions.empty() && protos.empty(); }

  /// As it is kept with the flow whose source has this hash.
  std::string to_text(std::string_view source_hash) const;
  /// Nothing: it is kept for another source. Errors: corrupt.
  static Result<std::optional<Cataloged>> from_text(std::string_view text, std::string_view source_hash);
};

/// The document that keeps them.
inline std::string cataloged_document(const Flow& flow) {
  return "flow-catalog:" + flow.id();
}

/// What a flow, or a function of a catalog, calls of catalogs, each once.
std::vector<CatalogCall> catalog_calls(const json::value& document);

/// The endpoints of the protos that a flow, or a function of a catalog, names, each URL once.
std::vector<json::value> proto_endpoints(const json::value& document);
/// "https://...", or "file://PATH" below the server's own folder. Empty: it is said by an expression, or not at all.
std::string proto_url(const json::value& endpoint);

/// Whether a flow has anything elsewhere.
inline bool has_parts_elsewhere(const json::value& document) {
  return !catalog_calls(document).empty() || !proto_endpoints(document).empty();
}

/// Where a document lies: at a URL, or (empty) at a path below the server's own folder.
struct CatalogPlace {
  std::string url;
  std::string path;
  json::value authentication;  ///< null: none
};
/// `flow`: its document. The web page of a branch or a tag at GitHub or GitLab means the raw files behind it.
/// Errors: invalid_argument, not_found (no such catalog).
Result<CatalogPlace> place_of(const json::value& flow, const CatalogCall& call);

/// Errors: invalid_argument (neither http(s) nor a file below the folder).
Result<CatalogPlace> place_of_proto(const json::value& flow, const json::value& endpoint);

/// As check_flow of definition.h, which has nothing of catalogs and says so in warnings. `containers`: what the server
/// lets them do; null: that is looked at when one runs.
FlowReport check_flow(std::string_view text, std::span<const std::string> functions, const Cataloged& cataloged,
                      const ContainerOptions* containers = nullptr);
/// As load_flow of definition.h, which has nothing of catalogs and takes no flow that calls them.
Result<std::shared_ptr<const Flow>> load_flow(std::string_view text, std::string_view origin,
                                              std::span<const std::string> functions, const Cataloged& cataloged,
                                              const ContainerOptions* containers = nullptr);

}  // namespace sb::flow
