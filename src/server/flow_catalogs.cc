#include "server/flow_catalogs.h"

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/yaml.h"
#include "flow/dsl/functions.h"
#include "flow/outbound/catalog_reader.h"
#include "flow/sealed_documents.h"
#include "http/client.h"
#include "server/wait_for.h"

namespace sb::server {
namespace {

Task<Result<flow::Cataloged>> fetched(flow::CatalogReader& reader, json::value document) {
  co_return co_await reader.read(std::move(document));
}

Result<flow::Cataloged> fetch(Services& services, const json::value& document) {
  http::ClientOptions options;
  options.pool_idle = std::chrono::milliseconds(1);  // the wait ends when nothing is left to do
  const auto client = http::Client::create(services.startup, options);
  flow::Outbound outbound(*client, services.egress, system_clock(), system_entropy());
  flow::CatalogReader reader(outbound, services.flow_secrets, services.config.flows.catalog);
  return wait_for(fetched(reader, document), services.startup);
}

}  // namespace

Result<std::shared_ptr<const flow::Flow>> load_with_catalogs(Services& services, std::string_view text,
                                                             std::string_view origin,
                                                             const flow::ContainerOptions* containers) {
  const auto functions = flow::builtin_functions();
  const auto yaml = parse_yaml(text);
  if (!yaml || !flow::has_parts_elsewhere(yaml->value)) return flow::load_flow(text, origin, functions, {}, containers);
  const std::string source_hash = to_hex(sha256(text));
  const auto* head = find_member(yaml->value, "document");
  flow::Flow named;
  if (head) {
    named.ns = string_member(*head, "namespace");
    named.name = string_member(*head, "name");
    named.version = string_member(*head, "version");
  }
  const std::string place = flow::cataloged_document(named);
  SB_TRY(const auto kept, wait_for(flow::load_sealed(*services.store, *services.sealer, place), services.startup));
  if (kept) {
    SB_TRY(const auto before, flow::Cataloged::from_text(*kept, source_hash));
    if (before) return flow::load_flow(text, origin, functions, *before, containers);
  }
  SB_TRY(const auto had, fetch(services, yaml->value));
  SB_TRY(auto flow, flow::load_flow(text, origin, functions, had, containers));
  store::Commit commit;
  flow::put_sealed(commit, *services.sealer, place, had.to_text(source_hash));
  SB_CHECK(wait_for(services.store->commit(std::move(commit)), services.startup));
  return flow;
}

}  // namespace sb::server
