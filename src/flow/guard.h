/// The policy as the engine puts it around a run: one session a run, one placeholder vault a session.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "flow/data.h"
#include "policy/json_guard.h"
#include "policy/policy.h"
#include "policy/stream_guard.h"

namespace sb::flow {

/// What a guard decided about one document.
struct GuardOutcome {
  Data content;                       ///< policed
  policy::Verdict verdict;
  std::string decision;               ///< JSON {kind, chosen, findings, versions}; no content
  std::vector<std::string> types;     ///< of the findings, each once
};

/// Guards everything that enters or leaves one run. Movable; one shard.
class GuardSession {
 public:
  GuardSession(std::shared_ptr<const policy::Policy> policy, std::string tenant, std::string tenant_key);

  /// Errors: invalid_argument, too_large (the document), internal (a detector failed: nothing may pass).
  Result<GuardOutcome> inspect(policy::Direction direction, std::string text, policy::JsonProfile profile);

  /// Puts the values back for a caller who may see them.
  std::string restore(std::string_view text) const;
  /// A guard for the deltas of one streamed answer; the session outlives it.
  policy::ChatStreamGuard stream_guard();
  /// The decision of a finished stream, as `inspect` would tell it.
  GuardOutcome stream_outcome(const policy::ChatStreamGuard& guard) const;

  std::string vault_json() const;  ///< empty: nothing to restore
  Result<> load_vault(std::string_view json);
  const policy::RequestFeatures& features() const { return features_; }  ///< of the last inbound chat request
  bool has_restorable() const;

 private:
  std::shared_ptr<const policy::Policy> policy_;
  std::string tenant_;
  std::string tenant_key_;
  std::unique_ptr<policy::TokenVault> vault_;  // stable address: stream guards refer to it
  policy::RequestFeatures features_;
};

}  // namespace sb::flow
