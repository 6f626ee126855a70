// /api/v1/flows: lists and registers flows.
#include <fmt/format.h>

#include <algorithm>

#include "api/api.h"
#include "api/control.h"
#include "base/bytes.h"
#include "base/crypto.h"
#include "base/yaml.h"
#include "flow/outbound/catalog_reader.h"
#include "flow/sealed_documents.h"

namespace sb::api {
namespace {

json::object described(const flow::Flow& flow) {
  return {{"namespace", flow.ns}, {"name", flow.name}, {"version", flow.version}, {"hash", flow.hash}};
}

}  // namespace

Task<void> Api::list_flows(http::Exchange& exchange, const Caller&, std::vector<std::string>) {
  json::array flows;
  for (const auto& flow : parts_.flows.list()) flows.push_back(described(*flow));
  co_await respond_json(exchange, 200, to_text(json::object{{"flows", std::move(flows)}}));
}

Task<void> Api::add_flow(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  const std::string_view text = exchange.request().body;
  // What is there already, to the byte, has its functions and protos: nobody is asked again.
  const auto flows = parts_.flows.list();
  if (const auto same = std::ranges::find(flows, text, &flow::Flow::source); same != flows.end())
    co_return co_await respond_json(exchange, 200, to_text(described(**same)));
  flow::Cataloged cataloged;
  if (const auto document = parse_yaml(text); document && parts_.catalogs)
    cataloged = co_await parts_.catalogs->read(document->value);
  const auto report = flow::check_flow(text, flow::builtin_functions(), cataloged, parts_.containers);
  if (!report.flow) {
    json::array errors;
    for (const auto& finding : report.findings) {
      errors.push_back(json::object{{"pointer", finding.pointer},
                                    {"line", finding.line},
                                    {"column", finding.column},
                                    {"code", to_string(finding.code)},
                                    {"warning", finding.warning},
                                    {"detail", finding.message}});
    }
    const auto first = std::ranges::find(report.findings, false, &flow::FlowFinding::warning);
    json::object problem{{"title", "the flow was refused"},
                         {"status", 422},
                         {"detail", first->to_string("flow")},
                         {"pointer", first->pointer},
                         {"errors", std::move(errors)}};
    co_return co_await respond_json(exchange, 422, to_text(problem), {{"content-type", "application/problem+json"}});
  }
  const auto* flow = &report.flow;
  auto pass = co_await parts_.changes.enter();
  if (!pass) co_return co_await respond_error(exchange, pass.error());
  const auto known = parts_.flows.find_id((*flow)->id());
  if (!known) {
    store::Commit commit;
    flow::put_sealed(commit, parts_.engine.sealer(), "flow:" + (*flow)->id(), (*flow)->source);
    if (!cataloged.empty())
      flow::put_sealed(commit, parts_.engine.sealer(), flow::cataloged_document(**flow),
                       cataloged.to_text(to_hex(sha256(text))));
    json::array ids{json::string((*flow)->id())};  // so that a restart finds them
    for (const auto& other : parts_.flows.list()) ids.push_back(json::string(other->id()));
    commit.documents.emplace_back("flows", to_text(ids));
    store::LeafDraft leaf;
    leaf.kind = "flow.register";
    leaf.tenant = caller.tenant;
    leaf.actor = parts_.pseudonyms.actor(actor_of(caller));
    leaf.summary = fmt::format(R"({{"flow":"{}","hash":"{}"}})", (*flow)->id(), (*flow)->hash);
    leaf.time_us = parts_.clock.now_us();
    commit.leaves.push_back(std::move(leaf));
    if (auto written = co_await parts_.store.commit(std::move(commit)); !written)
      co_return co_await respond_error(exchange, written.error());
  }
  // On disk before it can be used: a run must find its flow again after a restart.
  if (auto added = parts_.flows.add(*flow); !added) co_return co_await respond_error(exchange, added.error());
  co_await respond_json(exchange, known ? 200 : 201, to_text(described(**flow)));
}

}  // namespace sb::api
