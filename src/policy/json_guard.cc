#include "policy/json_guard.h"

#include <fmt/format.h>

#include "policy/json_walk.h"

namespace sb::policy {

Result<JsonGuardResult> guard_json(const Policy& policy, GuardContext& context, std::string_view json,
                                   JsonProfile profile) {
  if (json.size() > kMaxJsonBytes)
    return fail(Errc::too_large, fmt::format("a JSON document has at most {} bytes", kMaxJsonBytes));
  JsonGuardResult result;
  GuardScratch scratch;
  context.known_before = context.vault.size();
  JsonWalk walk(policy, context, profile, scratch, result);
  const auto walked = walk.run(json);
  json_slot().shrink();
  if (!walked) return std::unexpected(walked.error());
  result.changed = !walk.edits().empty();
  if (result.changed) result.json = walk.edits().apply(json);
  return result;
}

Result<GuardResult> guard_text_or_json(const Policy& policy, GuardContext& context, std::string_view text) {
  GuardScratch scratch;
  GuardResult result;
  context.known_before = context.vault.size();
  SB_TRY(result.verdict, guard_leaf(policy, context, text, {}, scratch, result.findings));
  result.text = result.verdict == Verdict::allow ? std::string(text) : std::move(scratch.text);
  return result;
}

Result<std::string> restore_json(TokenVault& vault, std::string_view json, JsonPieces pieces, JsonProfile profile) {
  if (vault.empty()) return std::string(json);
  GuardContext context{Direction::outbound, {}, {}, vault};
  context.json_pieces = pieces;
  SB_TRY(auto result, guard_json(Policy::restore_only(), context, json, profile));
  return result.changed ? std::move(result.json) : std::string(json);
}

std::string last_user_text(std::string_view request_json) {
  TokenVault none;
  GuardContext context{Direction::outbound, {}, {}, none};
  auto result = guard_json(Policy::restore_only(), context, request_json, JsonProfile::chat_request);
  return result ? std::move(result->last_user_text) : std::string();
}

}  // namespace sb::policy
