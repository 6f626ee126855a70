#include "model/provider_http.h"

#include <algorithm>
#include <array>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/bytes.h"

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
                                   http::Headers extra)
    : config_(config), client_(client), key_style_(key_style), extra_(std::move(extra)) {
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
  co_return co_await client_.send(std::move(outgoing));
}

Task<Result<std::unique_ptr<http::ClientResponse>>> ProviderEndpoint::get(std::string_view path,
                                                                          CancelSource* cancel) const {
  http::ClientRequest outgoing = request("GET", path, {});
  outgoing.headers.add("accept", "application/json");
  outgoing.cancel = cancel;
  co_return co_await client_.send(std::move(outgoing));
}

http::Headers headers_worth_passing(const http::Headers& upstream) {
  http::Headers passed;
  for (const auto& [name, value] : upstream) {
    if (is_passed(name)) passed.add(to_lower(name), value);
  }
  return passed;
}

bool is_event_stream(const http::Headers& headers) {
  const std::string_view type = headers.get("content-type");
  return iequals(trim(type.substr(0, type.find(';'))), "text/event-stream");
}

}  // namespace sb::model
