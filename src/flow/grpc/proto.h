/// What a .proto file says of a service: its methods, and their messages as JSON (the proto3 JSON mapping).
///
/// A file is read once, when a flow is registered. Files come from whoever has flows registered, answers from the
/// service: both are bounded, and neither can do more than be refused.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/errors.h"
#include "flow/grpc/weight.h"

namespace sb::flow::grpc {

inline constexpr std::size_t kProtoBytesMax = 256 << 10;
inline constexpr std::size_t kArgumentBytesMax = 4 << 20;  ///< of JSON

/// One method of a service. Immutable, thread-safe.
class Method {
 public:
  virtual ~Method() = default;
  /// "/package.Service/Method", as the request names it.
  virtual const std::string& path() const = 0;
  /// Whether the answer is a stream of messages.
  virtual bool streams_answer() const = 0;
  /// The request's message. Errors: invalid_argument (no JSON object of this message's fields), too_large (longer than
  /// kArgumentBytesMax, or heavier than kMessageWeightMax).
  virtual Result<std::string> request(std::string_view json) const = 0;
  /// An answer's message as JSON; fields that hold their default are in it. `weight_left`: of all messages of the
  /// answer, kMessageWeightMax at first. Errors: upstream_invalid, too_large.
  virtual Result<std::string> answer(std::string_view bytes, std::size_t& weight_left) const = 0;
};

/// A .proto file that was understood. Immutable, thread-safe; methods outlive it.
class Proto {
 public:
  virtual ~Proto() = default;
  /// Errors: not_found (names what is there instead), unsupported (the client would stream); `param` is service or
  /// method.
  virtual Result<std::shared_ptr<const Method>> method(std::string_view service, std::string_view method) const = 0;

  /// proto2 or proto3. It may import what protobuf itself has (google/protobuf/*.proto), and nothing else.
  /// Errors: invalid_argument (with line and column), unsupported (an import), too_large.
  static Result<std::shared_ptr<const Proto>> read(std::string_view text);
};

}  // namespace sb::flow::grpc
