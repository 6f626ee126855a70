/// The few members of an OpenAI request that decide what to do with it, read without parsing the rest.
#pragma once

#include <string>
#include <string_view>

#include "base/errors.h"
#include "flow/answer_cache.h"
#include "http/message.h"

namespace sb::api {

struct ChatHead {
  std::string model;
  bool stream = false;
  bool include_usage = false;
};

/// `body` gets room for the parser behind its end; its text stays. `wants` is the member that must be there:
/// "messages" (an array that is not empty) or "input".
/// Errors: invalid_argument (`param` names the member), with what was expected.
Result<ChatHead> read_head(std::string& body, std::string_view wants);

/// The request's Cache-Control; of what it has beside no-cache, no-store and max-age nothing is known (RFC 9111,
/// section 5.2: a cache ignores what it does not know). A max-age that is no number is 0.
flow::CacheWishes read_cache_control(const http::Headers& headers);

}  // namespace sb::api
