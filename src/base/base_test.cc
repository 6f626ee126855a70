#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/yaml.h"

namespace sb {
namespace {

std::string hex(const Digest& digest) {
  return to_hex(digest);
}

TEST(Crypto, MatchesPublishedVectors) {
  // FIPS 180-4 example "abc"; RFC 4231 test case 2; RFC 8032 section 7.1 test 1.
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256("a", "bc")), hex(sha256("abc")));
  EXPECT_EQ(hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  const auto seed = *from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
  const auto key = SigningKey::from_seed(seed);
  ASSERT_TRUE(key);
  EXPECT_EQ(to_hex(as_u8(key->public_key())), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  EXPECT_TRUE(verify_signature(key->public_key(), "", key->sign("")));
  EXPECT_FALSE(verify_signature(key->public_key(), "x", key->sign("")));
}

TEST(Crypto, SealedValueOpensOnlyWithItsKeyAndContext) {
  SeededEntropy entropy(1);
  const std::string key(32, 'k');
  const auto sealed = aead_seal(key, "token", "run-1", entropy);
  EXPECT_EQ(aead_open(key, sealed, "run-1").value(), "token");
  EXPECT_EQ(aead_open(key, sealed, "run-2").error().code, Errc::corrupt);
  EXPECT_EQ(aead_open(std::string(32, 'x'), sealed, "run-1").error().code, Errc::corrupt);
  auto changed = sealed;
  changed[14] = static_cast<char>(changed[14] ^ 1);
  EXPECT_FALSE(aead_open(key, changed, "run-1"));
}

TEST(Ids, UuidV7KeepsTimeOrderAndRoundTrips) {
  SeededEntropy entropy(7);
  const auto early = Uuid::v7(1'000'000'000'000, entropy);
  const auto late = Uuid::v7(1'000'000'001'000, entropy);
  EXPECT_LT(early, late);
  EXPECT_EQ(Uuid::parse(early.to_string()), early);
  EXPECT_EQ(early.to_string()[14], '7');
  EXPECT_FALSE(Uuid::parse("not-a-uuid"));
}

TEST(Json, EditsLeaveOtherBytesAlone) {
  TextEdits edits;
  edits.replace(9, 1, "22");
  edits.replace(0, 0, " ");
  EXPECT_EQ(edits.apply(R"({"a" :  [1]})"), R"( {"a" :  [22]})");
}

TEST(Json, EscapingAlwaysGivesValidJson) {
  std::string out;
  append_json_string(out, std::string("q\"\\\n\x01\xff\xc3\xa9", 8));
  const auto parsed = parse_json(out);
  ASSERT_TRUE(parsed) << parsed.error().detail;
  EXPECT_EQ(parsed->get_string(), "q\"\\\n\x01\xef\xbf\xbd\xc3\xa9");
}

TEST(Json, APlainPrefixEndsBeforeTheFirstByteThatDoesNotStandForItself) {
  for (int byte = 0; byte < 256; ++byte) {
    const bool plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
    for (std::size_t at = 0; at < 20; ++at) {
      std::string text(20, at % 2 == 0 ? 'a' : '!');  // '!' is next to the quote
      text[at] = static_cast<char>(byte);
      EXPECT_EQ(plain_json_prefix(text), plain ? text.size() : at) << byte << " at " << at;
      text.back() = '"';
      if (at < 19) EXPECT_EQ(plain_json_prefix(text), plain ? 19 : at) << byte << " at " << at;
    }
  }
}

TEST(Json, RefusesDeepAndTrailingInput) {
  EXPECT_FALSE(parse_json(std::string(100, '[') + std::string(100, ']')));
  EXPECT_FALSE(parse_json("{} x"));
  EXPECT_FALSE(parse_json(""));
}

TEST(Yaml, CoreSchemaOnly) {
  const auto document = parse_yaml("on: no\nn: 010\nhex: 0x1f\nf: 1.5\nq: '5'\nnothing:\nb: true\nlist: [a, 2]\n");
  ASSERT_TRUE(document) << document.error().detail;
  EXPECT_EQ(to_text(document->value),
            R"({"on":"no","n":10,"hex":31,"f":1.5E0,"q":"5","nothing":null,"b":true,"list":["a",2]})");
  EXPECT_EQ(document->position_of("/list/1").line, 8);
  EXPECT_EQ(document->position_of("/list/7/x").line, 8);
}

TEST(Yaml, RefusesWhatHidesSize) {
  EXPECT_NE(parse_yaml("a: &x [1]\nb: *x\n").error().detail.find("line 1"), std::string::npos);
  EXPECT_FALSE(parse_yaml("a: 1\na: 2\n"));
  EXPECT_FALSE(parse_yaml(std::string(200, '[')));
  EXPECT_FALSE(parse_yaml("a: 1\n---\nb: 2\n"));
}

TEST(Text, NearestFindsTypos) {
  const std::vector<std::string> keys = {"listen", "data", "providers"};
  EXPECT_EQ(nearest("provders", keys), "providers");
  EXPECT_EQ(nearest("zzzzzzzz", keys), std::nullopt);
  const std::vector<std::string> longer = {"file", "weight_per_mille"};
  EXPECT_EQ(nearest("weight", longer), "weight_per_mille");
  EXPECT_EQ(nearest("wei", longer), std::nullopt);
  const std::vector<std::string> endless = {std::string(201, 'x')};
  EXPECT_EQ(nearest(std::string(201, 'y') + "x", endless), std::nullopt);
  EXPECT_EQ(nearest(endless[0], endless), std::nullopt)
      << "nobody mistypes so long a word, and comparing two takes long";
  EXPECT_EQ(nearest(std::string(200, 'x'), endless), endless[0]);
  EXPECT_EQ(rfc3339(1'700'000'000'123'456), "2023-11-14T22:13:20.123456Z");
}

TEST(JsonWriter, PutsCommasWhereJsonWantsThem) {
  JsonWriter out;
  out.begin_object().member("a", 1).key("b").begin_array().string("x").number(2).begin_object().end_object();
  out.end_array().member("c", true).key("d").raw("null").member("e", "{").member("f", std::string("\n"));
  EXPECT_EQ(std::move(out.end_object()).take(), R"({"a":1,"b":["x",2,{}],"c":true,"d":null,"e":"{","f":"\n"})");
}

TEST(JsonWriter, WritesDecimalsWithoutTrailingZeros) {
  const auto text = [](double value, int digits) {
    JsonWriter out;
    return std::move(out.decimal(value, digits)).take();
  };
  EXPECT_EQ(text(0.90504, 4), "0.905");
  EXPECT_EQ(text(1, 4), "1");
  EXPECT_EQ(text(100, 0), "100");
  EXPECT_EQ(text(-0.00001, 4), "0");
  EXPECT_EQ(text(std::numeric_limits<double>::quiet_NaN(), 4), "null");
}

}  // namespace
}  // namespace sb
