/// `signalbox policy diff`: what another version of a policy would have done with traffic that was recorded.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <map>
#include <string>
#include <tuple>

#include "base/errors.h"
#include "policy/guards/check.h"
#include "policy/policy.h"
#include "policy/recorded_traffic.h"

namespace sb::policy {

/// Compares two policies text by text, and tells the differences without the values. Its memory does not grow with the
/// texts, but for what the policies can say of them.
class PolicyDiff {
 public:
  PolicyDiff(const Policy& before, const Policy& after, const InjectionScorer* scorer, std::ostream& out)
      : before_(before), after_(after), scorer_(scorer), out_(out) {}

  /// Prints a line where the two differ. Errors: too_large, internal; what is no JSON is compared as text.
  Result<> compare(const RecordedText& recorded);
  /// Prints the sums: by direction, type, rule and action, and by verdict.
  void finish();

  std::size_t compared() const { return compared_; }
  std::size_t changed() const { return changed_; }

 private:
  struct Count {
    std::size_t before = 0;  ///< said by the one alone
    std::size_t after = 0;   ///< said by the other alone
  };
  using What = std::tuple<Direction, std::string, std::string, std::string>;  ///< direction, type, rule, action

  const Policy& before_;
  const Policy& after_;
  const InjectionScorer* scorer_;
  std::ostream& out_;
  std::size_t compared_ = 0;
  std::size_t changed_ = 0;
  std::map<What, Count> counts_;
  std::map<std::tuple<Direction, Verdict, Verdict>, std::size_t> verdicts_;
};

/// Reads lines {"id", "text"} or {"id", "input": chat request}, all of one direction.
/// Errors: invalid_argument with the line's number.
Result<> diff_lines(PolicyDiff& diff, Direction direction, std::istream& in);

}  // namespace sb::policy
