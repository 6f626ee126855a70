/// `signalbox policy`: look for personal data and secrets in files, and test a policy against its cases.
#pragma once

#include <functional>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>

#include "policy/guards/check.h"
#include "policy/injection_families.h"
#include "policy/recorded_traffic.h"

namespace sb::policy {

/// What the commands use of modules above this one.
struct PolicyTools {
  const InjectionScorer* scorer = nullptr;  ///< for policies with an injection check; null: such a check objects
  ReadTraffic recorded{};                   ///< reads a data directory; empty: the command says that it cannot
  /// Reads another classifier of injections. Errors: not_found, corrupt, unsupported.
  std::function<Result<std::unique_ptr<const InjectionScorer>>(const std::string& path)> load_scorer{};
  TrainScorer train_scorer{};  ///< learns one; empty: the command says that it cannot
};

/// `args`: what follows "policy" on the command line. Returns the exit status: 0 done, 1 findings (with --fail) or
/// failed cases or (diff) changes, 2 a usage or input error, explained on `err`. Findings are printed without the
/// values.
int policy_command(std::span<const std::string> args, std::istream& in, std::ostream& out, std::ostream& err,
                   const PolicyTools& tools = {});

}  // namespace sb::policy
