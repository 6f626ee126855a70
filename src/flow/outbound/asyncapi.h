/// `call: asyncapi`: where a described message goes, and as what. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "flow/outbound/http_call.h"

namespace sb::flow {

/// How servers of AsyncAPI documents are spoken to.
enum class AsyncApiProtocol { http, kafka };
/// Of a protocol as documents name it (`https`, `kafka-secure` ...); nothing: it is not spoken here.
std::optional<AsyncApiProtocol> asyncapi_protocol(std::string_view name);

/// A message that is to be published, as the document says.
struct Publication {
  AsyncApiProtocol protocol = AsyncApiProtocol::http;
  std::string server;   ///< http: base URL without a `/` at its end; kafka: brokers, host:port with commas between
  std::string address;  ///< http: path of the channel, with a `/` before it; kafka: topic
  std::string method = "POST";  ///< http
  std::string key;              ///< kafka; empty: none
  std::string content_type;
  json::object headers;
  json::value payload;  ///< text where the content type is not JSON
  bool is_json = true;
};

/// Of an AsyncAPI 2.x or 3.x document and the arguments of the call: `channel` (2.x) or `operation` (3.x), `message`
/// {payload, headers}, `server` {name, variables}, `protocol`.
/// Problems: validation (no such channel, operation or server; none of its servers speaks a protocol that we speak; the
/// message is none of those that the document describes; an address that lacks a value; a form that is not supported).
Outcome<Publication> asyncapi_publication(const json::value& document, const json::value& with);

}  // namespace sb::flow
