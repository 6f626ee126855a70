/// Values that one service is given in clear, because who configures the server trusts it with their types and the
/// policy lets it have them. They stand in what goes on the wire and nowhere else.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/record_writer.h"
#include "flow/outbound/http_call.h"
#include "policy/carried.h"
#include "policy/vault.h"

namespace sb::flow {

class GivenValues {
 public:
  GivenValues() = default;
  /// Puts the values of `to.types` that stand behind placeholders in the question's query, headers and body into its
  /// `in_clear`; the path keeps its placeholders, services write it down. REQUIRES: the policy has seen the question.
  /// Errors: as guard_json.
  static Result<GivenValues> give(HttpQuestion& question, const json::object& secrets, policy::TokenVault& vault,
                                  TrustedHost to);

  bool empty() const { return values_.empty(); }
  /// What of them stands in the answer, in the spelling that was given, becomes its placeholder again; a short value
  /// only where it is a word of its own.
  void take_back(HttpAnswer& answer) const;
  /// {"host","values":[{"count","type"}]}: to whom, and how many of which types; empty: none.
  RecordJson record() const;

 private:
  std::string taken_back(std::string_view text) const;
  bool take_back(json::value& value) const;

  std::string host_;
  std::vector<policy::CarriedValue> values_;  ///< the longest first, so that none is looked for in what is left of one
};

}  // namespace sb::flow
