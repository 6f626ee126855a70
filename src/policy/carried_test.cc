#include "policy/carried.h"

#include <gtest/gtest.h>

namespace sb::policy {
namespace {

constexpr std::string_view kJane = "jane.roe@acme.org";
constexpr std::string_view kMax = "max.moe@acme.org";

TokenVault vault_of(std::initializer_list<std::string_view> mails) {
  TokenVault vault;
  for (const auto mail : mails) EXPECT_TRUE(vault.token_for("EMAIL", mail));
  return vault;
}

TEST(Carried, TheSameValueHasTheNewRunsPlaceholder) {
  auto from = vault_of({kJane, kMax}), to = vault_of({kMax});
  constexpr std::string_view kText = R"({"to":"[EMAIL_1]","cc":["[EMAIL_2]","[email\\_1]"],"n":1.50})";
  const auto values = *carried_values(from, kText);
  ASSERT_EQ(values.size(), 2U);
  EXPECT_EQ(*carry_into(to, kText, values), R"({"to":"[EMAIL_2]","cc":["[EMAIL_1]","[EMAIL_2]"],"n":1.50})");
  EXPECT_EQ(*to.value_of("[EMAIL_1]"), kMax);
  EXPECT_EQ(*to.value_of("[EMAIL_2]"), kJane);
}

TEST(Carried, OnlyWhatStandsInTheTextGoesAlong) {
  auto from = vault_of({kJane, kMax});
  const auto values = *carried_values(from, R"("ask [EMAIL_2]")");
  ASSERT_EQ(values.size(), 1U);
  EXPECT_EQ(values[0].token, "[EMAIL_2]");
  EXPECT_EQ(values[0].value, kMax);
  EXPECT_TRUE(carried_values(from, R"({"no":"[EMAIL_7]"})")->empty());
}

TEST(Carried, AStrangersPlaceholderIsTheirWordsAndNobodysValue) {
  auto to = vault_of({kJane});
  const auto text = *carry_into(to, R"({"a":"[EMAIL_1]","b":"[EMAIL_3]"})", {});
  EXPECT_EQ(text, R"({"a":"[EMAIL_2]","b":"[EMAIL_3]"})");
  ASSERT_NE(to.value_of("[EMAIL_2]"), nullptr);
  EXPECT_EQ(*to.value_of("[EMAIL_2]"), "[EMAIL_1]");
  EXPECT_EQ(to.value_of("[EMAIL_3]"), nullptr);
  EXPECT_EQ(*to.token_for("EMAIL", kMax), "[EMAIL_4]") << "nobody gets a number that stood in the text";
}

TEST(Carried, NamesOfMembersAndTextsInTextsAreTextsToo) {
  auto from = vault_of({kJane}), to = vault_of({kMax});
  constexpr std::string_view kText = R"({"[EMAIL_1]":"{\"id\":\"\u005bEMAIL_1]\"}","id":"[EMAIL_1]"})";
  const auto values = *carried_values(from, kText);
  const auto text = *carry_into(to, kText, values);
  EXPECT_EQ(text.find("EMAIL_1]"), std::string::npos) << text;
  EXPECT_EQ(*to.value_of("[EMAIL_2]"), kJane);
}

TEST(Carried, ATenantsPlaceholderStaysAndIsKnown) {
  TokenVault from, to;
  const auto token = *from.tenant_token_for("EMAIL", kJane, "0123456789abcdef");
  const std::string text = '"' + token + '"';
  EXPECT_EQ(*carry_into(to, text, *carried_values(from, text)), text);
  EXPECT_EQ(*to.value_of(token), kJane);
  EXPECT_TRUE(to.take_new_tenant_entries().empty()) << "it is kept already";
}

}  // namespace
}  // namespace sb::policy
