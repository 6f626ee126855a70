/// Errors as OpenAI's clients read them: `{"error":{"message","type","param","code"}}`.
///
/// Pure functions; any thread. Every error answer under /v1 is written here, so that no client ever sees a text page.
#pragma once

#include <string>
#include <string_view>

#include "base/errors.h"

namespace sb::model {

/// The HTTP status that says `code` to a client.
int http_status(Errc code);

/// OpenAI's class of error ("invalid_request_error", "rate_limit_error", "api_error" ...): what client libraries switch
/// on.
std::string_view openai_error_type(Errc code);

/// The machine-readable reason ("model_not_found", "rate_limit_exceeded" ...); our own stable name where OpenAI has
/// none.
std::string_view openai_error_code(const Error& error);

/// The body, one line, without a line break at its end.
std::string openai_error_body(const Error& error);

/// The code that best tells what an upstream answer with `status` (>= 400) means for the caller.
Errc errc_of_status(int status);

/// True if `body` is a JSON object with an `error` member that is an object: then it may be passed on verbatim.
bool is_openai_error(std::string_view body);

}  // namespace sb::model
