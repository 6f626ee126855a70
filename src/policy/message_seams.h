/// Values that are cut over messages of one request: "my card is 4111 1111", and in the next "1111 1111".
#pragma once

#include <cstddef>
#include <map>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "policy/split_values.h"

namespace sb::policy {

/// A text of a message's content, as it stands in the request.
struct SaidText {
  std::string_view role;  ///< of its message
  std::size_t message;    ///< which
  std::size_t offset;     ///< in the document, of its first character
  std::string_view text;  ///< unescaped
};

/// The texts of all messages of a chat request, in their order: contents that are a string, and text parts. `base`:
/// what offsets count from. The texts live as long as the document is not rewound. Nothing: the document is none, or
/// broken.
std::vector<SaidText> read_said_texts(simdjson::ondemand::document& document, const char* base);

/// What is left of the texts in which a part of such a value stands.
class MessageSeams {
 public:
  /// Looks where a message ends and the next one of the same role begins, whatever others say between them. Only what
  /// is mostly digits counts, and at least nine of them: of words nobody can tell that they belong together. Findings
  /// are recorded as cut_seams does. Returns what the verdict becomes at least. Errors: as guard_into.
  Result<Verdict> find(const Policy& policy, GuardContext& context, std::vector<SaidText> texts,
                       std::vector<GuardedFinding>& findings);

  /// Null: the text at `offset` is whole.
  const PartCut* cut_at(std::size_t offset) const;

 private:
  struct Piece;

  Result<Verdict> find_in(const Policy& policy, GuardContext& context, const std::vector<Piece>& chain,
                          std::vector<GuardedFinding>& findings);

  std::map<std::size_t, PartCut> cuts_;  // by the text's offset
};

}  // namespace sb::policy
