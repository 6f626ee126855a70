#include "flow/guard.h"

#include <gtest/gtest.h>

namespace sb::flow {
namespace {

GuardSession session(bool may_restore) {
  auto policy = policy::Policy::load(
      "{name: t, version: 1, rules: [{types: [EMAIL], direction: inbound, action: tokenise}]}", "test");
  GuardSession guard(*policy, {"acme", {}, {}, {}, {}, may_restore}, std::string(32, 'k'));
  guard.tie_hashes_to(std::string(32, 'r'));
  return guard;
}

TEST(GuardSession, ValuesComeBackForThoseWhoMaySeeThem) {
  constexpr std::string_view kRequest = R"({"messages":[{"role":"user","content":"ask ann@pages.org"}]})";
  for (const bool may : {true, false}) {
    auto guard = session(may);
    ASSERT_TRUE(guard.inspect(policy::Direction::inbound, std::string(kRequest), policy::JsonProfile::chat_request));
    const std::string seen = may ? "ask ann@pages.org" : "ask [EMAIL_1]";
    EXPECT_EQ(guard.restore_plain(guard.last_user_text()), seen);
    EXPECT_NE(guard.restore(R"({"content":"ask [EMAIL_1]"})").find(seen), std::string::npos);
  }
}

}  // namespace
}  // namespace sb::flow
