/// YAML 1.2 core schema, read into JSON values that remember where they stood.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/errors.h"
#include "base/json.h"

namespace sb {

/// 1-based.
struct SourcePosition {
  int line = 0;
  int column = 0;
};

struct YamlDocument {
  json::value value;
  std::map<std::string, SourcePosition, std::less<>> positions;      ///< by JSON pointer (RFC 6901) of the value
  std::map<std::string, SourcePosition, std::less<>> key_positions;  ///< of the key in front of that value

  /// Of the value at `pointer`, or of its nearest ancestor.
  SourcePosition position_of(std::string_view pointer) const;
};

/// One document. Only `true|false|null|~`, integers and floats of the core schema are typed; `on`, `no`, `y` are
/// strings. Refused: anchors and aliases (bombs), duplicate keys, more than one document, depth over 64, more than 1
/// MiB. Errors: invalid_argument, `detail` begins "line L, column C: ".
Result<YamlDocument> parse_yaml(std::string_view text);

/// Joins a reference token to a JSON pointer, escaping "~" and "/".
std::string pointer_append(std::string_view pointer, std::string_view token);

}  // namespace sb
