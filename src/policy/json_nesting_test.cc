#include "policy/json_nesting.h"

#include <gtest/gtest.h>

namespace sb::policy {
namespace {

TEST(JsonNesting, WhatStandsInAnArrayStandsUnderItsName) {
  JsonNesting at;
  at.open(false, {});
  EXPECT_FALSE(at.has_name()) << "what the whole text stands under";
  at.open(true, {});
  at.begin_name();
  at.read_name("pho");
  at.read_name("nes");
  EXPECT_EQ(at.name(), "phones");
  at.open(false, {});
  EXPECT_EQ(at.name(), "phones");
  at.open(true, {});
  EXPECT_EQ(at.name(), "");
  at.begin_name();
  at.read_name("extension");
  EXPECT_EQ(at.name(), "extension");
  EXPECT_TRUE(at.in_object());
  at.close();
  EXPECT_FALSE(at.in_object());
  EXPECT_EQ(at.name(), "phones") << "the array's next item";
  at.close();
  at.begin_name();
  at.read_name("mail");
  EXPECT_EQ(at.name(), "mail");
  at.close();
  EXPECT_FALSE(at.has_name());
  EXPECT_EQ(at.depth(), 1U);
}

TEST(JsonNesting, OfALongNameItsEndIsKept) {
  JsonNesting at;
  at.open(true, {});
  at.begin_name();
  for (int i = 0; i < 50; ++i) at.read_name("abc");
  at.read_name("_client_secret");
  EXPECT_EQ(at.name().size(), JsonNesting::kMaxNameBytes);
  EXPECT_TRUE(at.name().ends_with("abc_client_secret"));
}

TEST(JsonNesting, EachObjectCountsItsOwnMaskedNames) {
  JsonNesting at;
  at.open(true, {});
  EXPECT_EQ(at.count_masked_name(), 1U);
  at.open(true, {});
  EXPECT_EQ(at.count_masked_name(), 1U);
  EXPECT_EQ(at.count_masked_name(), 2U);
  at.close();
  EXPECT_EQ(at.count_masked_name(), 2U);
}

TEST(JsonNesting, GoesAsDeepAsItMay) {
  JsonNesting at;
  const std::string name(200, 'n');
  for (int i = 0; i < kMaxJsonDepth / 2; ++i) {
    at.open(true, {});
    at.begin_name();
    at.read_name(name);
    at.open(false, {});
  }
  EXPECT_EQ(at.name(), name.substr(0, JsonNesting::kMaxNameBytes));
  for (int i = kMaxJsonDepth; i > 0; --i) {
    EXPECT_EQ(at.in_object(), i % 2 == 1) << i;
    at.close();
  }
  EXPECT_EQ(at.depth(), 0U);
  EXPECT_FALSE(at.has_name());
}

TEST(JsonNesting, KeepsWhatValuesAreCalled) {
  JsonNesting at;
  at.open(true, {});
  EXPECT_EQ(at.name_of_values(), "");
  at.read_name("env");
  at.open(false, "env");
  at.open(true, "env");
  EXPECT_EQ(at.name_of_values(), "env") << "as the object";
  at.begin_name_of_values();
  at.read_name_of_values("DB_");
  at.read_name_of_values("PASSWORD");
  EXPECT_EQ(at.name_of_values(), "DB_PASSWORD");
  at.read_name("nested");
  at.open(true, "nested");
  EXPECT_EQ(at.name_of_values(), "nested");
  at.close();
  EXPECT_EQ(at.name_of_values(), "DB_PASSWORD");
  at.close();
  EXPECT_EQ(at.name_of_values(), "");
}

}  // namespace
}  // namespace sb::policy
