/// What libprotobuf would take to write a message as JSON, told from the message's bytes before anything is made of
/// them.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/errors.h"

namespace google::protobuf {
class Descriptor;
}

namespace sb::flow::grpc {

/// Estimated bytes of memory: some 200,000 values. A field of a message that came counts also where it holds its
/// default: it is written too.
inline constexpr std::size_t kMessageWeightMax = 64 << 20;

/// Takes from `left` what a message of `type` weighs, with those in it and in its google.protobuf.Any.
/// Errors: too_large (more than is left; messages within messages beyond protobuf's own limit), upstream_invalid (no
/// message).
Result<> weigh(const google::protobuf::Descriptor& type, std::string_view bytes, std::size_t& left);

}  // namespace sb::flow::grpc
