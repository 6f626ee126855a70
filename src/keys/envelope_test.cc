#include "keys/envelope.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace sb {
namespace {

const std::string kMaster(32, 'm');
const std::string kKey(32, 'd');

TEST(Envelope, ADataKeyOpensUnderItsTenantAndContextAlone) {
  SeededEntropy entropy(1);
  TenantKeys keys(kMaster);
  keys.add("acme", entropy);
  keys.add("globex", entropy);
  const auto wrapped = *keys.wrap("acme", "run-1", kKey, entropy);
  EXPECT_EQ(keys.unwrap("acme", "run-1", wrapped), kKey);
  EXPECT_EQ(keys.unwrap("acme", "run-2", wrapped).error().code, Errc::corrupt);
  EXPECT_EQ(keys.unwrap("globex", "run-1", wrapped).error().code, Errc::corrupt);
  EXPECT_EQ(keys.unwrap("initech", "run-1", wrapped).error().code, Errc::not_found);
  EXPECT_EQ(keys.wrap("initech", "run-1", kKey, entropy).error().code, Errc::not_found);
  EXPECT_EQ(wrapped.find(kKey), std::string::npos);
}

TEST(Envelope, TheDocumentHoldsNoKeyInClearAndNeedsItsMasterKey) {
  SeededEntropy entropy(2);
  TenantKeys keys(kMaster);
  keys.add("acme", entropy);
  const auto wrapped = *keys.wrap("acme", "run-1", kKey, entropy);
  const json::value document = keys.document(entropy);
  TenantKeys again(kMaster);
  ASSERT_TRUE(again.load(document));
  EXPECT_EQ(again.unwrap("acme", "run-1", wrapped), kKey);
  TenantKeys other(std::string(32, 'x'));
  EXPECT_EQ(other.load(document).error().code, Errc::permission_denied);
}

TEST(Envelope, KeysAreRotatedWithoutTouchingWhatTheyWrapped) {
  SeededEntropy entropy(3);
  TenantKeys keys(kMaster);
  keys.add("acme", entropy);
  const auto old = *keys.wrap("acme", "run-1", kKey, entropy);
  keys.add("acme", entropy);
  const auto young = *keys.wrap("acme", "run-2", kKey, entropy);
  keys.change_master(std::string(32, 'n'));
  TenantKeys again(std::string(32, 'n'));
  ASSERT_TRUE(again.load(keys.document(entropy)));
  EXPECT_EQ(again.unwrap("acme", "run-1", old), kKey);
  EXPECT_EQ(again.unwrap("acme", "run-2", young), kKey);
  again.remove("acme");
  EXPECT_EQ(again.unwrap("acme", "run-1", old).error().code, Errc::not_found);
}

TEST(Envelope, ValueKeysTurnWithTheTenantsAndOldOnesStay) {
  SeededEntropy entropy(5);
  TenantKeys keys(kMaster);
  keys.add("acme", entropy);
  keys.add("globex", entropy);
  const std::string first = keys.value_key("acme");
  EXPECT_EQ(first.size(), kDataKeyBytes);
  EXPECT_NE(first, keys.value_key("globex"));
  keys.adopt_value_key("acme", std::string(32, 'o'));
  EXPECT_EQ(keys.value_key("acme"), first) << "it has one";
  ASSERT_TRUE(keys.load(keys.with_new_key("acme", entropy)));
  ASSERT_TRUE(keys.load(keys.without_old_keys("acme", entropy)));
  EXPECT_NE(keys.value_key("acme"), first);
  EXPECT_EQ(keys.value_keys("acme"), (std::vector<std::string>{keys.value_key("acme"), first}));
  const json::value document = keys.document(entropy);
  EXPECT_EQ(to_text(document).find(to_base64(first)), std::string::npos);
  EXPECT_EQ(TenantKeys(std::string(32, 'x')).load(document).error().code, Errc::permission_denied);
  keys.remove("acme");
  EXPECT_EQ(keys.value_key("acme"), "");
}

TEST(Envelope, ADocumentFromBeforeValueKeysTakesTheOneThatWasInForce) {
  SeededEntropy entropy(6);
  TenantKeys keys(kMaster);
  keys.add("acme", entropy);
  auto document = keys.document(entropy).get_object();
  document.erase("values");
  ASSERT_TRUE(keys.load(document));
  EXPECT_EQ(keys.value_keys("acme"), std::vector<std::string>{});
  keys.adopt_value_key("acme", std::string(32, 'o'));
  EXPECT_EQ(keys.value_key("acme"), std::string(32, 'o'));
}

TEST(Envelope, ATenantsOldKeyIsGoneWhenTheDocumentWithoutItIsLoaded) {
  SeededEntropy entropy(4);
  TenantKeys keys(kMaster);
  keys.add("acme", entropy);
  keys.add("globex", entropy);
  const auto old = *keys.wrap("acme", "run-1", kKey, entropy);
  const auto other = *keys.wrap("globex", "run-1", kKey, entropy);
  const json::value begun = keys.with_new_key("acme", entropy);
  EXPECT_TRUE(keys.rotating().empty()) << "not before it is stored";
  ASSERT_TRUE(keys.load(begun));
  EXPECT_EQ(keys.rotating(), std::vector<std::string>{"acme"});
  EXPECT_EQ(keys.version("acme"), 1U);
  EXPECT_FALSE(keys.is_current("acme", old));
  const auto young = *keys.wrap("acme", "run-1", *keys.unwrap("acme", "run-1", old), entropy);
  EXPECT_TRUE(keys.is_current("acme", young));

  const json::value ended = keys.without_old_keys("acme", entropy);
  ASSERT_TRUE(keys.load(ended));
  TenantKeys again(kMaster);
  ASSERT_TRUE(again.load(ended));
  for (TenantKeys* each : {&keys, &again}) {
    EXPECT_TRUE(each->rotating().empty());
    EXPECT_EQ(each->unwrap("acme", "run-1", young), kKey);
    EXPECT_EQ(each->unwrap("acme", "run-1", old).error().code, Errc::corrupt);
    EXPECT_EQ(each->unwrap("globex", "run-1", other), kKey);
  }
  TenantKeys copied_before(kMaster);
  ASSERT_TRUE(copied_before.load(keys.document(entropy)));
  EXPECT_EQ(copied_before.version("acme"), 1U) << "versions are never used twice";
}

TEST(Envelope, ADocumentOpensUnderTheServersKeyAndItsNameAlone) {
  SeededEntropy entropy(8);
  TenantKeys keys(kMaster);
  EXPECT_EQ(keys.open_document("policy:a", "anything").error().code, Errc::corrupt);
  keys.add("acme", entropy);
  ASSERT_TRUE(keys.load(keys.document(entropy))) << "as earlier versions wrote it";
  EXPECT_FALSE(keys.has_server_key());
  keys.add_server_key(entropy);
  const std::string sealed = keys.seal_document("policy:a", "deny: [project x ray]", entropy);
  EXPECT_EQ(sealed.find("x ray"), std::string::npos);
  EXPECT_EQ(keys.open_document("policy:a", sealed), "deny: [project x ray]");
  EXPECT_EQ(keys.open_document("policy:b", sealed).error().code, Errc::corrupt);
  EXPECT_EQ(keys.open_document("policy:a", "deny: [project x ray]").error().code, Errc::corrupt) << "nobody plants one";

  keys.change_master(std::string(32, 'n'));  // a rotation of the tenant's key leaves it, too
  ASSERT_TRUE(keys.load(keys.with_new_key("acme", entropy)));
  ASSERT_TRUE(keys.load(keys.without_old_keys("acme", entropy)));
  TenantKeys again(std::string(32, 'n'));
  ASSERT_TRUE(again.load(keys.document(entropy)));
  EXPECT_EQ(again.open_document("policy:a", sealed), "deny: [project x ray]");
  TenantKeys other(kMaster);
  other.add_server_key(entropy);
  EXPECT_EQ(other.open_document("policy:a", sealed).error().code, Errc::corrupt);
}

TEST(Envelope, AMasterKeyComesRawInHexOrInBase64) {
  EXPECT_EQ(parse_master_key(kMaster), kMaster);
  EXPECT_EQ(parse_master_key(to_hex(as_u8(kMaster)) + "\n"), kMaster);
  EXPECT_EQ(parse_master_key(to_base64(kMaster)), kMaster);
  EXPECT_FALSE(parse_master_key("short"));
  EXPECT_EQ(parse_master_key("secret!").error().detail.find("secret!"), std::string::npos);
}

}  // namespace
}  // namespace sb
