// Calls to what a document describes: operations of OpenAPI documents, messages of AsyncAPI documents.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/bytes.h"
#include "flow/engine.h"
#include "flow/outbound/asyncapi.h"
#include "flow/outbound/described_api.h"
#include "flow/outbound/openapi.h"
#include "flow/steps.h"

namespace sb::flow {
namespace {

std::unexpected<Problem> blocked(std::string detail) {
  return std::unexpected(standard_problem("authorization", 403, "Blocked by policy", std::move(detail)));
}

HttpQuestion question_of(const Publication& publication) {
  HttpQuestion question;
  question.method = publication.method;
  question.url = publication.server + publication.address;
  auto headers = publication.headers;
  if (std::ranges::none_of(headers, [](const auto& one) { return to_lower(one.key()) == "content-type"; }))
    headers["content-type"] = publication.content_type;
  question.headers = std::move(headers);
  question.body = publication.is_json ? to_text(publication.payload) : std::string(publication.payload.get_string());
  return question;
}

/// As the policy looks at it, and as the record has it.
json::object record_document(const Publication& publication) {
  json::object headers = publication.headers;
  for (auto& [name, value] : headers) value = parameter_text(value);
  json::object document{{"topic", publication.address}};
  if (!publication.key.empty()) document["key"] = publication.key;
  document["headers"] = std::move(headers);
  document["payload"] = publication.payload;
  return document;
}

OutgoingRecord record_of(const json::value& document, const Publication& publication, std::string idempotency_key) {
  OutgoingRecord record{publication.address, std::string(string_member(document, "key")), {}, {}};
  const auto& headers = document.at("headers").get_object();
  for (const auto& [name, value] : headers) record.headers.emplace_back(name, value.get_string());
  if (!headers.contains("content-type")) record.headers.emplace_back("content-type", publication.content_type);
  if (!headers.contains("idempotency-key")) record.headers.emplace_back("idempotency-key", std::move(idempotency_key));
  const auto& payload = document.at("payload");
  record.value = publication.is_json ? to_text(payload) : std::string(payload.get_string());
  return record;
}

}  // namespace

Task<std::expected<Engine::Description, Problem>> Engine::describe(LiveRun& run, const Machine::Call& call,
                                                                   CancelSource& cancel) {
  const auto* resource = find_member(call.with, "document");
  const auto* endpoint = resource ? find_member(*resource, "endpoint") : nullptr;
  HttpQuestion fetch;
  if (endpoint) read_endpoint(*endpoint, fetch);
  fetch.cancel = &cancel;
  if (auto passed = guard_question(run, fetch); !passed) co_return blocked(passed.error().detail);
  Description description{nullptr, fetch.url};
  auto answer = co_await parts_.outbound->ask(std::move(fetch), secrets_of(run));
  if (!answer) co_return std::unexpected(answer.error());
  auto document = read_description(answer->body);
  if (!document)
    co_return std::unexpected(
        standard_problem("communication", 502, "The API's document cannot be read", document.error().detail));
  description.document = *std::move(document);
  co_return description;
}

Task<std::expected<Engine::CallResult, Problem>> Engine::ask_described(LiveRun& run, const Machine::Call& call,
                                                                       HttpQuestion question, CancelSource& cancel) {
  if (const auto* authentication = find_member(call.with, "authentication")) question.authentication = *authentication;
  question.redirect_is_fine = bool_member(call.with, "redirect");
  question.idempotency_key = effect_key(run.row.id, call.id);
  question.cancel = &cancel;
  const auto given = guard_and_give(run, call.id, question);
  if (!given) co_return blocked(given.error().detail);
  auto answer = co_await parts_.outbound->ask(std::move(question), secrets_of(run));
  if (!answer) co_return std::unexpected(answer.error());
  co_return guarded(run, *std::move(answer), string_member(call.with, "output", "content"), *given);
}

Task<std::expected<Engine::CallResult, Problem>> Engine::openapi_call(LiveRun& run, Machine::Call call,
                                                                      CancelSource& cancel) {
  const auto description = co_await describe(run, call, cancel);
  if (!description) co_return std::unexpected(description.error());
  const auto* parameters = find_member(call.with, "parameters");
  auto question = openapi_request(description->document, description->url, string_member(call.with, "operationId"),
                                  parameters ? *parameters : json::value(nullptr));
  if (!question) co_return std::unexpected(question.error());
  co_return co_await ask_described(run, call, *std::move(question), cancel);
}

Task<std::expected<Engine::CallResult, Problem>> Engine::asyncapi_call(LiveRun& run, Machine::Call call,
                                                                       CancelSource& cancel) {
  const auto description = co_await describe(run, call, cancel);
  if (!description) co_return std::unexpected(description.error());
  const auto publication = asyncapi_publication(description->document, call.with);
  if (!publication) co_return std::unexpected(publication.error());
  if (publication->protocol == AsyncApiProtocol::kafka)
    co_return co_await write_record(run, call, *publication, cancel);
  co_return co_await ask_described(run, call, question_of(*publication), cancel);
}

// The record passes the policy whole. A topic that the policy changes would be another place.
Task<std::expected<Engine::CallResult, Problem>> Engine::write_record(LiveRun& run, const Machine::Call& call,
                                                                      const Publication& publication,
                                                                      CancelSource& cancel) {
  if (find_member(call.with, "authentication"))
    co_return std::unexpected(standard_problem("validation", 400, "The AsyncAPI call is not valid",
                                               "a flow authenticates nobody at brokers: signalbox.yaml does"));
  if (!parts_.records_out)
    co_return std::unexpected(
        standard_problem("configuration", 500, "Flows may not write to brokers", "kafka.publish names no topic"));
  if (const auto may = parts_.records_out->may_write(publication.server, publication.address); !may)
    co_return std::unexpected(problem_of_call(may.error()));
  if (run.guard.needs_local())
    co_return blocked("the policy lets models of our own alone see what this run was given: it publishes nothing");
  auto passed = guard_json(run, to_text(record_document(publication)));
  if (!passed) co_return blocked(passed.error().detail);
  const bool is_elsewhere = string_member(passed->content.value(), "topic") != publication.address;
  if (passed->verdict >= policy::Verdict::human || is_elsewhere)
    co_return blocked(fmt::format("the record contains what the policy blocks: {}", fmt::join(passed->types, ", ")));
  auto record = record_of(passed->content.value(), publication, effect_key(run.row.id, call.id));
  if (const auto written = co_await parts_.records_out->write(std::move(record), &cancel); !written)
    co_return std::unexpected(
        standard_problem("communication", 503, "The record could not be written", written.error().detail));
  CallResult result;
  result.output = std::move(passed->content);
  result.decision = std::move(passed->decision);
  co_return result;
}

}  // namespace sb::flow
