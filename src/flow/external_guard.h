/// Checks that a service of the operator's own decides, over HTTP.
///
///     POST url   {"check": name, "direction": "inbound"|"outbound", "texts": [...]}
///     200        {"objects": bool, "label": "one word, for the record"}
///
/// Texts are policed already: the service sees placeholders. It fails closed: what is no such answer, in time, is an
/// objection. A service that keeps failing is left alone for a while, and everything is objected to meanwhile.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/task.h"
#include "http/client.h"
#include "model/breaker.h"
#include "policy/guards/check.h"

namespace sb::flow {

/// One a shard; not thread-safe. `client` and `clock` outlive it.
class ExternalGuard {
 public:
  ExternalGuard(http::Client& client, const Clock& clock) : client_(client), clock_(clock) {}

  /// Never fails: see above. The label of an objection for want of an answer is "no answer".
  Task<policy::CheckResult> ask(std::shared_ptr<const policy::Check> check, policy::Direction direction,
                                std::vector<std::string> texts);

 private:
  Task<Result<json::value>> post(const policy::Check& check, const http::Url& url, std::string_view body);

  http::Client& client_;
  const Clock& clock_;
  std::map<std::string, model::Breaker, std::less<>> breakers_;  // by url; bounded by the checks of the policies
};

}  // namespace sb::flow
