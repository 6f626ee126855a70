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
  /// False: names of members, or what stands among the texts already and is put together otherwise here. Words are
  /// looked for in it, by phrases and by the classifier of injections; it is no text to be counted or judged.
  bool counts = true;
};

/// What a service is sent that decides a check over HTTP: what stands outside, or the answers.
std::vector<std::string> texts_for_services(std::vector<CheckedText> texts);

}  // namespace sb::policy
