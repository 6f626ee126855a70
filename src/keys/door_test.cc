#include "keys/door.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sb {
namespace {

Config config(std::string listen, KeysRequired required) {
  Config out;
  out.server.listen = std::move(listen);
  out.keys.required = required;
  return out;
}

TEST(Door, WithoutKeysOnlyThisMachineIsLetIn) {
  EXPECT_TRUE(check_listen(Config{}, 0));
  EXPECT_TRUE(check_listen(config("[::1]:0", KeysRequired::automatic), 0));
  EXPECT_TRUE(check_listen(config("0.0.0.0:80", KeysRequired::automatic), 1));
  EXPECT_TRUE(check_listen(config("0.0.0.0:80", KeysRequired::always), 0));
  for (const auto* listen : {"0.0.0.0:80", ":80", "[::]:80", "10.0.0.1:80", "signalbox.example:80"}) {
    const auto refused = check_listen(config(listen, KeysRequired::automatic), 0);
    ASSERT_FALSE(refused) << listen;
    EXPECT_EQ(refused.error().code, Errc::invalid_argument);
    EXPECT_THAT(refused.error().detail, testing::HasSubstr("signalbox init"));
  }
  EXPECT_FALSE(check_listen(config("0.0.0.0:80", KeysRequired::never), 5));
}

TEST(Door, AKeyIsNeededAsSoonAsThereIsOne) {
  EXPECT_FALSE(keys_needed(KeysRequired::automatic, 0));
  EXPECT_TRUE(keys_needed(KeysRequired::automatic, 1));
  EXPECT_TRUE(keys_needed(KeysRequired::always, 0));
  EXPECT_FALSE(keys_needed(KeysRequired::never, 1));
  EXPECT_EQ(local_principal()->role, Role::admin);
  EXPECT_TRUE(is_tenant_name(local_principal()->tenant));
}

TEST(Door, AKeysOwnLimitsComeBeforeTheDefaults) {
  const DefaultLimits defaults{.requests_per_minute = 60, .spend_micro_per_day = 7, .max_in_flight = 0};
  EXPECT_EQ(effective_limits({}, defaults), (KeyLimits{60, 7, 0}));
  EXPECT_EQ(effective_limits({1, 0, 3}, defaults), (KeyLimits{1, 7, 3}));
}

}  // namespace
}  // namespace sb
