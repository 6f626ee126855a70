/// Secrets that the operator gave a flow, in what the flow hands on: its own word to a service or script, no finding.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace sb::flow {

class OperatorSecrets {
 public:
  /// `secrets`: the run's, by name; their texts at any depth.
  explicit OperatorSecrets(const json::object& secrets);

  /// A text, with its secrets apart from what a policy looks at.
  struct Apart {
    std::vector<std::string> pieces;   ///< one more than secrets
    std::vector<std::string> secrets;  ///< between the pieces

    /// As it was.
    std::string whole() const;
    /// With these pieces in place of its own. REQUIRES: as many, all strings.
    std::string together(const json::array& treated) const;
  };
  Apart apart(std::string_view text) const;

  /// A shorter secret is no secret: too many texts would hold it.
  static constexpr std::size_t kLeastSecretBytes = 8;

 private:
  std::vector<std::string> secrets_;  // the longest first
};

}  // namespace sb::flow
