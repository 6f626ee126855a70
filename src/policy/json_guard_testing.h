/// A guard of JSON under test.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string_view>
#include <utility>

#include "policy/json_guard.h"
#include "policy/test_policies.h"

namespace sb::policy::test {

class JsonGuard : public testing::Test {
 protected:
  JsonGuardResult guard(std::string_view json, JsonProfile profile, Direction direction = Direction::inbound) {
    auto context = test::context_for(vault_, direction);
    auto result = guard_json(*policy_, context, json, profile);
    EXPECT_TRUE(result) << (result ? "" : result.error().detail);
    return result ? std::move(*result) : JsonGuardResult{};
  }

  std::shared_ptr<const Policy> policy_ = test::load(test::kTokeniseAll);
  TokenVault vault_;
};

}  // namespace sb::policy::test
