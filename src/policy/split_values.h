/// Values that are cut over several texts which a reader sees as one: the text parts of a message, messages in a row.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "policy/guard.h"

namespace sb::policy {

/// What is left of a text, to be guarded by itself, and what stands behind that.
struct PartCut {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string behind{};
  bool sealed = false;  ///< a value went on in the next text
};

/// Looks at the seams between texts: as they follow each other, and with a blank between them. What is found across one
/// stands behind the first of its texts and is cut off from the others; findings are recorded with offsets into what
/// was put together. `counts`: whether a finding with this value does, as long as no text
/// has one of its type whole in it; null: all do. Linear: of each text its ends.
/// Returns what the verdict becomes at least. Errors: as guard_into.
Result<Verdict> cut_seams(const Policy& policy, GuardContext& context, std::span<const std::string> texts,
                          std::vector<PartCut>& cuts, std::vector<GuardedFinding>& findings,
                          bool (*counts)(const Finding& finding, std::string_view value) = nullptr);

}  // namespace sb::policy
