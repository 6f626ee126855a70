/// Whatever the bytes: JSON that is guarded is JSON, and a stream of it gives what the whole gives.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "policy/chat_stream_guard.h"
#include "policy/json_guard.h"
#include "policy/json_stream_guard.h"
#include "policy_fuzzing.h"

namespace {

using namespace sb::policy;
using fuzzing::require;

std::string guarded_in_pieces(const Policy& policy, Direction direction, std::string_view text, std::size_t size) {
  TokenVault vault;
  (void)vault.token_for("NAME", "a \"b\"");
  GuardContext context{direction, "t", fuzzing::kKey, vault};
  JsonStreamGuard guard(policy, context);
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += size) out += guard.feed(text.substr(at, size)).value();
  return out + guard.finish().value();
}

void check_stream(const Policy& policy, const fuzzing::Input& in, bool is_json) {
  const std::string whole = guarded_in_pieces(policy, in.direction, in.text, in.text.size() + 1);
  const std::string pieces = guarded_in_pieces(policy, in.direction, in.text, in.step);
  if (in.is_utf8) require(pieces == whole);
  if (is_json) require(sb::parse_json(whole).has_value());
}

void check_documents(const Policy& policy, std::string_view text, bool is_json) {
  for (const auto profile : {JsonProfile::any, JsonProfile::chat_request, JsonProfile::chat_response}) {
    TokenVault vault;
    GuardContext context{Direction::inbound, "t", fuzzing::kKey, vault};
    const auto result = guard_json(policy, context, text, profile);
    if (result && result->changed && is_json) require(sb::parse_json(result->json).has_value());
  }
  TokenVault vault;
  GuardContext context{Direction::outbound, "t", fuzzing::kKey, vault};
  ChatStreamGuard stream(policy, context);
  const auto payloads = stream.feed(text);
  if (!payloads || !is_json) return;
  for (const auto& payload : *payloads) require(sb::parse_json(payload).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto policy = fuzzing::load_policy(fuzzing::kPatternTypes);
  if (size < 2 || size > fuzzing::Input::kMostBytes) return -1;
  const fuzzing::Input in({reinterpret_cast<const char*>(data), size});
  const auto parsed = sb::parse_json(in.text);
  check_documents(*policy, in.text, parsed.has_value());
  check_stream(*policy, in, parsed && (parsed->is_object() || parsed->is_array()));
  return 0;
}
