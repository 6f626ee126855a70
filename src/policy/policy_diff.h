/// `signalbox policy diff`: what another version of a policy would have done with traffic that was recorded.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>

#include "base/errors.h"
#include "policy/guards/check.h"
#include "policy/policy.h"

namespace sb::policy {

/// One text or document that went through the guard once.
struct RecordedText {
  std::string id;
  std::string content;   ///< in clear, as it came
  bool is_chat = false;  ///< an OpenAI chat request; else plain text
};

/// Compares two policies text by text, and tells the differences without the values.
class PolicyDiff {
 public:
  PolicyDiff(const Policy& before, const Policy& after, Direction direction, const InjectionScorer* scorer,
             std::ostream& out)
      : before_(before), after_(after), direction_(direction), scorer_(scorer), out_(out) {}

  /// Prints a line where the two differ. Errors: too_large, internal; what is no JSON is compared as text.
  Result<> compare(const RecordedText& recorded);
  /// Prints the sums.
  void finish();

  std::size_t changed() const { return changed_; }

 private:
  const Policy& before_;
  const Policy& after_;
  Direction direction_;
  const InjectionScorer* scorer_;
  std::ostream& out_;
  std::size_t compared_ = 0;
  std::size_t changed_ = 0;
};

/// Reads lines {"id", "text"} or {"id", "input": chat request}. Errors: invalid_argument with the line's number.
Result<> diff_lines(PolicyDiff& diff, std::istream& in);

}  // namespace sb::policy
