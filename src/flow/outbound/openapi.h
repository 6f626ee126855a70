/// `call: openapi`: an operation of a described API as an HTTP request. Pure.
#pragma once

#include "flow/outbound/http_call.h"

namespace sb::flow {

/// The request for `operation_id` of an OpenAPI 3.x or Swagger 2.0 document that was read from `document_url`.
/// `parameters` go where the document says: path, query, header, cookie; `body` (or what is left over) is the body.
/// Problems: validation (no such operation, a required parameter is missing).
Outcome<HttpQuestion> openapi_request(const json::value& document, std::string_view document_url,
                                      std::string_view operation_id, const json::value& parameters);

}  // namespace sb::flow
