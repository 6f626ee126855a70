/// `call: grpc`: a method's arguments as an HTTP/2 request, and what came back (gRPC over HTTP/2). Pure.
#pragma once

#include <vector>

#include "flow/grpc/proto.h"
#include "flow/outbound/http_call.h"

namespace sb::flow::grpc {

inline constexpr std::size_t kAnswerBytesMax = 4 << 20;  ///< what gRPC's own libraries take unless told otherwise
inline constexpr std::size_t kMessagesMax = 10'000;      ///< of a stream

/// The request with the arguments as JSON, which is what policies read. `with`: the task's, rendered.
/// Problems: validation (host or port are none).
Outcome<HttpQuestion> question(const json::value& with, const Method& method);
/// Puts the message in place of the JSON. Problems: validation (no message of this method).
Outcome<void> put_message(HttpQuestion& question, const Method& method);

/// What was answered, as JSON: one message, or a list of those of a stream.
/// Problems: what the status means; communication (no gRPC, cut, compressed, too many messages).
Outcome<std::string> answer_of(const HttpAnswer& answer, const Method& method);

/// Errors: upstream_invalid (cut, or compressed), too_large (more than `count_max`).
Result<std::vector<std::string_view>> messages_in(std::string_view body, std::size_t count_max);
/// A message as it goes on the wire. REQUIRES: less than 4 GiB.
std::string framed(std::string_view message);
/// What a status that is not 0 means to a flow. The service's own words are not repeated: they may hold anything.
Problem problem_of_status(int status);

}  // namespace sb::flow::grpc
