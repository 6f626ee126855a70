/// Whatever the bytes: a stream gives what the whole text gives, and holds back no more than it says.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "policy/detect/fold.h"
#include "policy/stream_guard.h"
#include "policy_fuzzing.h"

namespace {

using namespace sb::policy;
using fuzzing::require;

// Whether a text that is held back has no more characters than a window.
bool fits_a_window(std::string_view text) {
  Fold fold;
  fold.assign(text, false);
  return fold.skip_characters(0, kWindowBytes) >= fold.text().size();
}

// The same spans of the same types with the same scores.
bool are_same(const std::vector<GuardedFinding>& some, const std::vector<GuardedFinding>& others) {
  return std::ranges::equal(some, others, [](const GuardedFinding& one, const GuardedFinding& other) {
    return one.finding.span == other.finding.span && one.finding.type == other.finding.type &&
           one.finding.score == other.finding.score && one.rule == other.rule;
  });
}

void check_text(const Policy& policy, const fuzzing::Input& in) {
  TokenVault vault, other;  // what the one learns is no news to the other
  for (auto* one : {&vault, &other}) (void)one->token_for("EMAIL", "ann@x.example");
  GuardContext whole_context{in.direction, "t", fuzzing::kKey, vault};
  GuardContext context{in.direction, "t", fuzzing::kKey, other};
  const auto whole = guard_text(policy, whole_context, in.text);
  require(whole.has_value());
  StreamGuard stream(policy, context);
  std::string streamed;
  for (std::size_t at = 0; at < in.text.size(); at += in.step) {
    streamed += stream.feed(in.text.substr(at, in.step)).value();
    const std::size_t fed = std::min(at + in.step, in.text.size());
    const std::size_t held = stream.held_bytes();
    require(held <= fed && fits_a_window(in.text.substr(fed - held, held)) &&
            stream.kept_bytes() <= StreamGuard::kMaxSwallowedBytes);
  }
  streamed += stream.finish().value();
  if (!in.is_utf8) return;
  require(streamed == whole->text);
  require(are_same(stream.findings(), whole->findings));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto all = fuzzing::load_policy(fuzzing::kAllTypes);
  static const auto patterns = fuzzing::load_policy(fuzzing::kPatternTypes);
  if (size < 2 || size > fuzzing::Input::kMostBytes) return -1;
  const fuzzing::Input in({reinterpret_cast<const char*>(data), size});
  check_text(in.names ? *all : *patterns, in);
  return 0;
}
