#include "audit/run_chain.h"

#include "base/bytes.h"
#include "base/crypto.h"

namespace sb::audit {

bool RunChain::take(const LeafFields& leaf) {
  const bool is_first = leaf.kind == "run.start";
  if (!is_first && leaf.prev_state.empty()) return true;
  const bool continues = is_first ? !begun_ && leaf.prev_state.empty() : begun_ && leaf.prev_state == state_;
  std::string text(leaf.prev_state);
  for (const std::string_view part : {leaf.kind, leaf.summary, leaf.payload_commit}) (text += '\n') += part;
  state_ = to_hex(sha256(text));
  begun_ = true;
  return continues;
}

}  // namespace sb::audit
