/// What a guard hands to a policy's checks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sb::policy {

/// Whose a text is: that decides which checks look at it.
enum class TextRole : std::uint8_t {
  outside,  ///< inbound: of callers, tools, events: nobody vouches for it
  history,  ///< inbound: what system, developer and assistant messages say
  answer,   ///< outbound
  beside,   ///< all else: reasoning, calls of tools and their definitions, names
};

struct CheckedText {
  std::string text;  ///< guarded
  TextRole role = TextRole::outside;
};

/// What a service is sent that decides a check over HTTP: what stands outside, or the answers.
std::vector<std::string> texts_for_services(std::vector<CheckedText> texts);

}  // namespace sb::policy
