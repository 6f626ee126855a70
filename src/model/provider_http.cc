#include "model/provider_http.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/bytes.h"
#include "base/json.h"

namespace sb::model {
namespace {

constexpr std::array<std::string_view, 6> kPassed = {"retry-after",  "retry-after-ms", "x-should-retry",
                                                     "x-request-id", "request-id",     "x-signalbox-simulated"};
constexpr std::array<std::string_view, 2> kPassedPrefixes = {"x-ratelimit-", "anthropic-ratelimit-"};

bool is_passed(std::string_view name) {
  const auto same = [&](std::string_view other) { return iequals(name, other); };
  const auto begins = [&](std::string_view prefix) {
    return name.size() > prefix.size() && iequals(name.substr(0, prefix.size()), prefix);
  };
  return std::ranges::any_of(kPassed, same) || std::ranges::any_of(kPassedPrefixes, begins);
}

Task<> read_to_end(std::unique_ptr<UpstreamBody> body) {
  constexpr int kReadsMax = 8;
  for (int i = 0; i < kReadsMax; ++i) {
    const auto bytes = co_await body->response().read_some();
    if (!bytes || bytes->empty()) co_return;
  }
}

// The upstream's headers that a client or the gateway has a use for.
http::Headers headers_worth_passing(const http::Headers& upstream) {
  http::Headers passed;
  for (const auto& [name, value] : upstream) {
    if (is_passed(name)) passed.add(to_lower(name), value);
  }
  return passed;
}

// True for "text/event-stream", whatever its parameters.
bool is_event_stream(const http::Headers& headers) {
  const std::string_view type = headers.get("content-type");
  return iequals(trim(type.substr(0, type.find(';'))), "text/event-stream");
}

ChatReply head_of(const http::ClientResponse& response) {
  ChatReply reply;
  reply.status = response.status();
  reply.headers = headers_worth_passing(response.headers());
  return reply;
}

}  // namespace

void UpstreamBody::drain(std::unique_ptr<UpstreamBody> body, Executor executor) {
  body->link_.reset();  // the caller's source may be gone by then
  asio::co_spawn(executor, read_to_end(std::move(body)), asio::detached);
}

Task<Result<std::string>> EventReader::next() {
  while (events_.empty()) {
    if (broken_) co_return std::unexpected(*broken_);
    if (!body_) co_return fail(Errc::internal, "the stream is closed");
    const auto bytes = co_await body_->response().read_some();
    if (!bytes) co_return std::unexpected(bytes.error());
    if (bytes->empty()) co_return fail(Errc::upstream_invalid, "the provider's stream was cut before its end");
    std::vector<http::SseEvent> found;
    if (auto fed = parser_.feed(*bytes, found); !fed) broken_ = Error(Errc::upstream_invalid, fed.error().detail);
    for (auto& event : found) events_.push_back(std::move(event.data));
  }
  std::string data = std::move(events_.front());
  events_.pop_front();
  co_return data;
}

void EventReader::close(bool ended_well, Executor executor) {
  events_.clear();
  if (ended_well && body_) UpstreamBody::drain(std::move(body_), executor);
  body_.reset();
}

ProviderEndpoint::ProviderEndpoint(const ProviderConfig& config, http::Client& client, KeyStyle key_style,
                                   http::Headers extra, RefusalReader read_refusal)
    : config_(config), client_(client), key_style_(key_style), extra_(std::move(extra)), read_refusal_(read_refusal) {
  auto url = http::Url::parse(config.base_url);
  SB_ASSERT(url.has_value());  // Catalog::create refuses other configurations
  url_ = *std::move(url);
}

http::ClientRequest ProviderEndpoint::request(std::string_view method, std::string_view path,
                                              std::string_view caller_key) const {
  http::ClientRequest request;
  request.method = method;
  request.origin = url_;
  request.target = url_.path + std::string(path);
  if (!config_.api_version_query.empty()) request.target += "?api-version=" + config_.api_version_query;
  const std::string_view key = caller_key.empty() ? std::string_view(config_.api_key) : caller_key;
  if (!key.empty()) {
    if (key_style_ == KeyStyle::bearer)
      request.headers.add("authorization", "Bearer " + std::string(key));
    else
      request.headers.add("x-api-key", std::string(key));
  }
  for (const auto& [name, value] : extra_) request.headers.add(name, value);
  for (const auto& [name, value] : config_.headers) request.headers.set(name, value);
  request.timeouts = config_.timeouts;
  return request;
}

Task<Result<std::unique_ptr<http::ClientResponse>>> ProviderEndpoint::post(std::string_view path, std::string_view body,
                                                                           ChatCall call,
                                                                           std::chrono::milliseconds time_left,
                                                                           bool stream) const {
  http::ClientRequest outgoing = request("POST", path, call.caller_key);
  outgoing.headers.add("content-type", "application/json");
  outgoing.headers.add("accept", stream ? "text/event-stream" : "application/json");
  if (!call.idempotency_key.empty()) outgoing.headers.add("idempotency-key", std::string(call.idempotency_key));
  if (!call.request_id.empty()) outgoing.headers.add("x-request-id", std::string(call.request_id));
  if (!call.traceparent.empty()) outgoing.headers.add("traceparent", std::string(call.traceparent));
  outgoing.body = body;
  outgoing.cancel = call.cancel;
  auto& limits = outgoing.timeouts;
  limits.connect = std::min(limits.connect, time_left);
  limits.first_byte = std::min(limits.first_byte, time_left);
  // A stream that has begun may take longer than the time allowed for beginning it.
  if (!stream) limits.total = std::min(limits.total, time_left);
  return client_.send(std::move(outgoing));
}

Task<ChatReply> ProviderEndpoint::refusal(http::ClientResponse& response) const {
  ChatReply reply = head_of(response);
  // The status alone is worth reporting, also when the page behind it is cut.
  if (const auto body = co_await response.read_all(config_.reply_bytes_max)) reply.body = read_refusal_(*body);
  co_return reply;
}

Task<Result<ChatReply>> ProviderEndpoint::call(std::string_view path, std::string_view body, ChatCall call,
                                               std::chrono::milliseconds time_left) const {
  SB_CO_TRY(auto response, co_await post(path, body, call, time_left, false));
  if (response->status() >= 300) co_return co_await refusal(*response);
  ChatReply reply = head_of(*response);
  SB_CO_TRY(reply.body, co_await response->read_all(config_.reply_bytes_max));
  co_return reply;
}

Task<Result<OpenedStream>> ProviderEndpoint::open_stream(std::string_view path, std::string_view body, ChatCall call,
                                                         std::chrono::milliseconds time_left) const {
  auto upstream = std::make_unique<UpstreamBody>(call.cancel);
  call.cancel = upstream->cancel();
  SB_CO_TRY(auto response, co_await post(path, body, call, time_left, true));
  upstream->set(std::move(response));
  auto& head = upstream->response();
  OpenedStream opened;
  if (head.status() >= 300) {
    opened.head = co_await refusal(head);
    co_return opened;
  }
  if (!is_event_stream(head.headers())) {
    co_return fail(Errc::upstream_invalid, "the provider answered a stream request with something else");
  }
  opened.head = head_of(head);
  opened.body = std::move(upstream);
  co_return opened;
}

Task<Result<std::vector<std::string>>> ProviderEndpoint::list_models(std::string_view path,
                                                                     CancelSource* cancel) const {
  http::ClientRequest outgoing = request("GET", path, {});
  outgoing.headers.add("accept", "application/json");
  outgoing.cancel = cancel;
  SB_CO_TRY(auto response, co_await client_.send(std::move(outgoing)));
  if (response->status() != 200) {
    co_return fail(Errc::upstream_error, fmt::format("GET /models answered {}", response->status()));
  }
  SB_CO_TRY(const std::string body, co_await response->read_all(config_.reply_bytes_max));
  const auto parsed = parse_json(body);
  const auto* data = parsed ? find_member(*parsed, "data") : nullptr;
  if (!data || !data->is_array()) co_return fail(Errc::upstream_invalid, "GET /models answered without \"data\"");
  std::vector<std::string> names;
  for (const auto& model : data->get_array()) names.emplace_back(string_member(model, "id"));
  co_return names;
}

}  // namespace sb::model
