// Schemas of input, output and export.
#include <fmt/format.h>

#include "flow/dsl/compiler.h"
#include "policy/guards/json_schema.h"

namespace sb::flow::dsl {

Result<std::shared_ptr<const policy::JsonSchema>> Compiler::schema(const json::value& value,
                                                                   std::string_view pointer) const {
  SB_CHECK(object_at(value, pointer, "a schema is {document: ...}"));
  SB_CHECK(only(value, pointer, {"format", "document"}, {"resource"}));
  const auto format = string_member(value, "format", "json");
  if (format != "json" && !format.starts_with("json:"))
    return fault(pointer_append(pointer, "format"), "only JSON Schema is supported: format `json`", Errc::unsupported);
  const auto* document = find_member(value, "document");
  if (!document) return fault(pointer, "a schema needs `document`");
  auto compiled = policy::JsonSchema::compile(*document);
  if (!compiled) return fault(pointer_append(pointer, "document"), compiled.error().detail, compiled.error().code);
  return *std::move(compiled);
}

}  // namespace sb::flow::dsl
