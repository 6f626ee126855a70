/// What can be checked of an answer without knowing the right one: its arithmetic, the numbers it used, whether it
/// refused or hedged. Pure and deterministic; time grows with the answer.
#pragma once

#include <array>
#include <string_view>

namespace sb::triage {

inline constexpr std::size_t kAnswerChecks = 28;

/// The checks as numbers, none of them a verdict: outcomes.h learns what each is worth.
std::array<double, kAnswerChecks> check_answer(std::string_view prompt, std::string_view answer);

/// One calculation found in a text: `left = right`.
struct Calculation {
  double computed = 0;  ///< value of the left side, recomputed
  double stated = 0;    ///< what the text says
  std::string_view left;
  bool agrees() const;
};

/// The next calculation at or after `from`; moves `from` behind it. False: there is none.
bool next_calculation(std::string_view text, std::size_t& from, Calculation& out);

}  // namespace sb::triage
