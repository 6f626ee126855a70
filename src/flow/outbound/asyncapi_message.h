/// Messages of an AsyncAPI document. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/json.h"

namespace sb::flow {

/// What one call may still look at, for whoever wrote the document chose how much there is and how it is entangled.
struct AsyncApiWork {
  std::size_t values_left = 100'000;  ///< of schemas and references; a long text counts as many
  std::size_t steps_done = 0;         ///< of holding the message against schemas: those of policy::JsonSchema
  /// Errors: unsupported (there is more).
  Result<> take(std::size_t values);
};

/// A message object of a document, with its traits. Borrows all three.
class AsyncApiMessage {
 public:
  AsyncApiMessage(const json::value& document, const json::value& message, AsyncApiWork& work);

  /// What keeps these from being this message; nothing: they are. Errors: invalid_argument (they are not), unsupported
  /// (a schema that we cannot hold them against).
  Result<> check(const json::value& payload, const json::value& headers) const;
  /// Of the body.
  std::string content_type() const;
  /// What the record is known by in its topic: what `correlationId` leads to, or the `const` of the Kafka binding's
  /// key. Errors: invalid_argument (it is not what the binding's key is to be).
  Result<std::string> record_key(const json::value& payload, const json::value& headers) const;

 private:
  Result<> check_payload(const json::value& payload) const;
  const json::value* first(std::string_view key) const;

  const json::value& document_;
  AsyncApiWork* work_;
  std::vector<const json::value*> parts_;  ///< the message, then its traits
};

/// A binding of any of these objects of a document for a protocol; null: they have none.
const json::value* asyncapi_binding(const json::value& document, const std::vector<const json::value*>& of,
                                    std::string_view protocol);
/// Whether what this object of a document and its traits refer to is in the document. Errors: unsupported.
Result<> check_references(const json::value& document, const json::value& object, AsyncApiWork& work);
/// An object of a document and its traits.
std::vector<const json::value*> with_traits(const json::value& document, const json::value& object);
/// What an expression like `$message.payload#/user/id` or `$message.header#/key` leads to; null: nothing.
const json::value* at_location(std::string_view location, const json::value& payload, const json::value& headers);

}  // namespace sb::flow
