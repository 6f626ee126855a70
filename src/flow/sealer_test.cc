#include "flow/sealer.h"

#include <gtest/gtest.h>

namespace sb::flow {
namespace {

class Sealed : public ::testing::Test {
 protected:
  static TenantKeys& with_key(TenantKeys& tenants) {
    tenants.add("acme", system_entropy());
    return tenants;
  }

  TenantKeys tenants_{std::string(32, 'm')};
  const Sealer sealer_{with_key(tenants_), std::string(32, 'o'), system_entropy()};
  const RunId run_ = RunId::generate(system_clock(), system_entropy());
  const Sealer::RunKey key_ = *sealer_.new_key(run_, "acme");
};

TEST_F(Sealed, APayloadOpensWhereItStandsAndNowhereElse) {
  const std::string input = sealer_.seal(key_.key, run_, place::kInput, "asked");
  EXPECT_EQ(Sealer::open(key_.key, run_, place::kInput, input), "asked");
  EXPECT_FALSE(Sealer::open(key_.key, run_, place::kOutput, input)) << "it was exchanged with the answer";
  const RunId other = RunId::generate(system_clock(), system_entropy());
  EXPECT_FALSE(Sealer::open(key_.key, other, place::kInput, input));
  store::RunRow row;
  row.id = run_;
  row.tenant = "acme";
  row.data_key = key_.wrapped;
  row.output = input;
  EXPECT_FALSE(sealer_.unseal(row));
  std::vector<store::StepRow> steps(2);
  steps[1].index = StepIndex{1};
  steps[1].error = sealer_.seal_error(key_.key, run_, place::step_error(steps[1]), "it broke");
  ASSERT_TRUE(sealer_.unseal(row, steps));
  EXPECT_EQ(steps[1].error, "it broke");
  steps[0].error = sealer_.seal_error(key_.key, run_, place::step_error(steps[1]), "it broke");
  EXPECT_FALSE(sealer_.unseal(row, steps)) << "another step's";
}

TEST_F(Sealed, APayloadFromBeforePlacesWereBoundOpensStill) {
  const std::string old = aead_seal(key_.key, "asked", payload_context(run_, {}), system_entropy());
  EXPECT_EQ(Sealer::open(key_.key, run_, place::kInput, old), "asked");
}

}  // namespace
}  // namespace sb::flow
