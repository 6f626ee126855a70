/// Whatever the bytes: a stream gives what the whole text gives, and guarded JSON is JSON.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/json.h"
#include "policy/chat_stream_guard.h"
#include "policy/detect/fold.h"
#include "policy/json_guard.h"
#include "policy/json_stream_guard.h"
#include "policy/stream_guard.h"

namespace {

using namespace sb::policy;

constexpr std::string_view kYaml =
    "{name: fuzz, version: 1, rules: [{types: [URL], direction: inbound, action: allow, min_score: 0}, {types: [AGE], "
    "action: allow, min_score: 0}, {types: [EMAIL], action: tokenise, allow: ['*@x.org']}, {types: ['DATE*'], "
    "direction: inbound, action: route_to_local, min_score: 0}, "
    "{types: ['*'], action: tokenise}, {name: words, deny: [project x, zz], action: redact}]}";
constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";

void require(bool condition) {
  if (!condition) std::abort();
}

// Whether a text that is held back has no more characters than a window.
bool fits_a_window(std::string_view text) {
  Fold fold;
  fold.assign(text, false);
  return fold.skip_characters(0, kWindowBytes) >= fold.text().size();
}

void check_text(const Policy& policy, Direction direction, std::string_view text, std::size_t step) {
  TokenVault vault, other;  // what the one learns is no news to the other
  for (auto* one : {&vault, &other}) (void)one->token_for("EMAIL", "ann@x.example");
  GuardContext whole_context{direction, "t", kKey, vault};
  GuardContext context{direction, "t", kKey, other};
  const auto whole = guard_text(policy, whole_context, text);
  require(whole.has_value());
  StreamGuard stream(policy, context);
  std::string streamed;
  for (std::size_t at = 0; at < text.size(); at += step) {
    streamed += stream.feed(text.substr(at, step)).value();
    const std::size_t fed = std::min(at + step, text.size());
    require(stream.held_bytes() <= fed && fits_a_window(text.substr(fed - stream.held_bytes(), stream.held_bytes())) &&
            stream.kept_bytes() <= StreamGuard::kMaxSwallowedBytes);
  }
  streamed += stream.finish().value();
  require(streamed == whole->text);
  require(stream.findings().size() == whole->findings.size());
}

void check_json_stream(const Policy& policy, Direction direction, std::string_view text, std::size_t step) {
  std::string whole, streamed;
  for (std::string* out : {&whole, &streamed}) {
    TokenVault vault;
    (void)vault.token_for("NAME", "a \"b\"");
    GuardContext context{direction, "t", kKey, vault};
    JsonStreamGuard guard(policy, context);
    const std::size_t size = out == &whole ? text.size() + 1 : step;
    for (std::size_t at = 0; at < text.size(); at += size) *out += guard.feed(text.substr(at, size)).value();
    *out += guard.finish().value();
  }
  require(streamed == whole);
  const auto was = sb::parse_json(text);
  if (was && (was->is_object() || was->is_array())) require(sb::parse_json(whole).has_value());
}

void check_json(const Policy& policy, std::string_view text) {
  for (const auto profile : {JsonProfile::any, JsonProfile::chat_request, JsonProfile::chat_response}) {
    TokenVault vault;
    GuardContext context{Direction::inbound, "t", kKey, vault};
    const auto result = guard_json(policy, context, text, profile);
    if (result && result->changed && sb::parse_json(text)) require(sb::parse_json(result->json).has_value());
  }
  TokenVault vault;
  GuardContext context{Direction::outbound, "t", kKey, vault};
  ChatStreamGuard stream(policy, context);
  const auto payloads = stream.feed(text);
  if (payloads && sb::parse_json(text)) {
    for (const auto& payload : *payloads) require(sb::parse_json(payload).has_value());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto policy = *Policy::load(kYaml, "fuzz");
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto direction = (data[0] & 1) != 0 ? Direction::outbound : Direction::inbound;
  check_text(*policy, direction, text, 1U + (data[0] >> 3));
  check_json(*policy, text);
  check_json_stream(*policy, direction, text, 1U + (data[0] >> 3));
  return 0;
}
