/// Reads a policy document's mappings; every fault says where it stands and what was meant.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/json.h"
#include "base/yaml.h"

namespace sb::policy {

/// Borrows the document and its name. All calls: Errors: invalid_argument: "ORIGIN: line L, column C: ...".
class DocumentReader {
 public:
  /// `limits_costs`: what own patterns may cost is held against the limits.
  DocumentReader(const YamlDocument& document, std::string_view origin, bool limits_costs)
      : document_(document), origin_(origin), limits_costs_(limits_costs) {}

  bool limits_costs() const { return limits_costs_; }

  std::unexpected<Error> fault(std::string_view pointer, std::string_view what) const;
  std::unexpected<Error> unknown(std::string_view pointer, std::string_view kind, std::string_view word,
                                 const std::vector<std::string>& known) const;

  /// `value` as a mapping with none but these keys; `what` names it.
  Result<const json::object*> object(const json::value& value, std::string_view pointer, std::string_view what,
                                     const std::vector<std::string>& keys) const;
  /// A list, or null where there is none.
  Result<const json::array*> list(const json::object& object, std::string_view pointer, std::string_view key,
                                  std::size_t most) const;
  Result<std::string> text(const json::object& object, std::string_view pointer, std::string_view key,
                           std::optional<std::string> otherwise) const;
  Result<std::vector<std::string>> texts(const json::object& object, std::string_view pointer,
                                         std::string_view key) const;
  Result<double> number(const json::object& object, std::string_view pointer, std::string_view key, double otherwise,
                        double low, double high) const;
  Result<bool> boolean(const json::object& object, std::string_view pointer, std::string_view key,
                       bool otherwise) const;
  /// The index of the word at `key` in `known`.
  Result<std::size_t> choice(const json::object& object, std::string_view pointer, std::string_view key,
                             const std::vector<std::string>& known, std::optional<std::size_t> otherwise) const;

 private:
  const YamlDocument& document_;
  std::string_view origin_;
  bool limits_costs_;
};

}  // namespace sb::policy
