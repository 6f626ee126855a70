/// JSON Schema (draft 2020-12): does a document have the shape that was asked for?
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/errors.h"
#include "base/json.h"

namespace sb::policy {

struct SchemaFault {
  std::string pointer;   ///< of the value at fault, in the document
  std::string keyword;   ///< that it does not satisfy
  std::string expected;  ///< in words, of the schema: never the value

  std::string to_string() const;
};

/// One schema, checked and ready. Immutable and thread-safe.
///
/// Knows the core, applicator and validation vocabularies but for $dynamicRef, $anchor, unevaluated* and references to
/// other documents; a schema that uses those is refused, not half understood. `format`, `contentEncoding` and the like
/// are annotations. Regular expressions are RE2's: linear in the text.
class JsonSchema {
 public:
  static constexpr int kMaxDepth = 64;
  static constexpr std::size_t kMaxBytes = 256 << 10;

  /// Errors: invalid_argument (no schema), unsupported, too_large; `detail` names the keyword and its place.
  static Result<std::shared_ptr<const JsonSchema>> compile(const json::value& schema);
  ~JsonSchema();

  /// Nothing where the document is valid. Work is bounded: what nests or branches too far is a fault.
  std::optional<SchemaFault> first_fault(const json::value& document) const;
  /// The same, where the bound is of several such calls together: `steps_done` begins at 0 and counts them all.
  std::optional<SchemaFault> first_fault(const json::value& document, std::size_t& steps_done) const;

 private:
  struct Parts;
  explicit JsonSchema(std::unique_ptr<const Parts> parts);
  std::unique_ptr<const Parts> parts_;
};

}  // namespace sb::policy
