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

TEST(GuardSession, ReadsTheUsersTextAgainFromWhatWasGuarded) {
  constexpr std::string_view kRequest =
      R"({"messages":[{"role":"user","content":"before"},{"role":"user","content":[)"
      R"({"type":"text","text":"ask \"ann@pages.org\""},{"type":"text","text":"or bob@pages.org"}]}]})";
  auto guard = session(true);
  const auto guarded =
      guard.inspect(policy::Direction::inbound, std::string(kRequest), policy::JsonProfile::chat_request);
  ASSERT_TRUE(guarded);
  const std::string text = guard.last_user_text();
  EXPECT_EQ(text, "ask \"[EMAIL_1]\"\nor [EMAIL_2]");
  guard.let_go_of_user_text();
  EXPECT_EQ(guard.last_user_text(), "");
  guard.recall_user_text(guarded->content.text());
  EXPECT_EQ(guard.last_user_text(), text);
}

}  // namespace
}  // namespace sb::flow
