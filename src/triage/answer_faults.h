/// Signs of a bad answer that need no learning. Pure; time is linear in the text.
#pragma once

#include <string_view>

namespace sb::triage {

/// Says in its beginning that it cannot, will not or does not know. English, and the commonest words of some other
/// languages; being sorry is no refusal.
bool refuses(std::string_view answer);

/// States a result that is not the one that comes out (answer_checks.h says which calculations are found).
bool miscalculates(std::string_view answer);

/// Goes round in circles: ends in the same words thrice and more, or half of it is one sentence over and over.
bool repeats_itself(std::string_view answer);

}  // namespace sb::triage
