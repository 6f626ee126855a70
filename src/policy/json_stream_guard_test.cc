#include "policy/json_stream_guard.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "policy/json_escapes.h"
#include "policy/json_guard.h"
#include "policy/test_policies.h"

namespace sb::policy {
namespace {

struct Streamed {
  std::string text;
  std::size_t findings = 0;
};

class JsonStream : public testing::Test {
 protected:
  Streamed stream(std::string_view text, std::size_t step, Direction direction = Direction::inbound) {
    TokenVault vault = vault_;
    auto context = test::context_for(vault, direction);
    JsonStreamGuard guard(*policy_, context);
    Streamed out;
    for (std::size_t at = 0; at < text.size(); at += step) out.text += guard.feed(text.substr(at, step)).value();
    out.text += guard.finish().value();
    out.findings = guard.findings().size();
    return out;
  }
  std::string whole(std::string_view text, Direction direction = Direction::inbound) {
    return stream(text, std::max<std::size_t>(1, text.size()), direction).text;
  }

  std::shared_ptr<const Policy> policy_ = test::load(test::kTokeniseAll);
  TokenVault vault_;
};

TEST_F(JsonStream, WhatIsFoundInALeafIsReplacedThereAndNowhereElse) {
  EXPECT_EQ(whole(R"( { "to" : "ann@x.org\/\u00e9" , "n":[1, 2.50, true,null ] } )"),
            R"( { "to" : "[EMAIL_1]\/\u00e9" , "n":[1, 2.50, true,null ] } )");
}

TEST_F(JsonStream, EscapesDoNotHideAnything) {
  EXPECT_EQ(whole(R"({"to":"\u0061nn\u0040x.org"})"), R"({"to":"[EMAIL_1]"})");
  EXPECT_EQ(whole(R"({"to":"\nann@x.org\u003e"})"), R"({"to":"\n[EMAIL_1]\u003e"})");
}

TEST_F(JsonStream, ANumberBecomesAString) {
  EXPECT_EQ(whole(R"({"card":4012888888881881,"n":12,"f":4012888888881881.5})"),
            R"({"card":"[CREDIT_CARD_1]","n":12,"f":4012888888881881.5})");
  EXPECT_EQ(whole(R"([{"cards":[4012888888881881]}])"), R"([{"cards":["[CREDIT_CARD_1]"]}])");
}

TEST_F(JsonStream, MemberNamesAreTextToo) {
  EXPECT_EQ(whole(R"({"ann@x.org":{"a":1}})"), R"({"[EMAIL_1]":{"a":1}})");
}

TEST_F(JsonStream, KeysGiveContext) {
  EXPECT_EQ(whole(R"({"phone":"2722352416","order":"2722352416"})"), R"({"phone":"[PHONE_1]","order":"2722352416"})");
}

constexpr std::string_view kNamedValues =
    R"({"env":[{"name":"DB_PASSWORD","value":"Sommer2024!"},{"name":"CITY","value":"Sommer2024!"}],)"
    R"("auth":{"password":{"value":"Sommer2024!","x":"Sommer2024!"}},"phone":{"value":2722352416}})";
constexpr std::string_view kNamedValuesGuarded =
    R"({"env":[{"name":"DB_PASSWORD","value":"[SECRET_1]"},{"name":"CITY","value":"Sommer2024!"}],)"
    R"("auth":{"password":{"value":"[SECRET_1]","x":"Sommer2024!"}},"phone":{"value":"[PHONE_1]"}})";

TEST_F(JsonStream, AValueIsCalledAsTheNameBesideItOrAboveIt) {
  for (std::size_t step = 1; step <= kNamedValues.size(); ++step)
    EXPECT_EQ(stream(kNamedValues, step).text, kNamedValuesGuarded) << step;
  auto context = test::context_for(vault_);
  EXPECT_EQ(guard_json(*policy_, context, kNamedValues, JsonProfile::any)->json, kNamedValuesGuarded);
}

TEST_F(JsonStream, JsonInStringsIsReadToItsDepth) {
  EXPECT_EQ(whole(R"({"q":"{\"m\":\"bo@x.org\",\"c\":4012888888881881}"})"),
            R"({"q":"{\"m\":\"[EMAIL_1]\",\"c\":\"[CREDIT_CARD_1]\"}"})");
}

TEST_F(JsonStream, WhatIsNoJsonIsText) {
  EXPECT_EQ(whole("[EMAIL_7] wrote to ann@x.org"), "[EMAIL_7] wrote to [EMAIL_1]");
  EXPECT_EQ(whole(R"({"a": ann@x.org, "b": 1})"), R"({"a": [EMAIL_1], "b": 1})");
  EXPECT_EQ(whole(R"({"a": 1}} ann@x.org)"), R"({"a": 1}} [EMAIL_1])");
}

TEST_F(JsonStream, AFencedBlockStaysJson) {
  policy_ = test::load(
      "{name: m, version: 1, rules: [{types: [EMAIL], action: mask, keep_last: 4}, {types: [CREDIT_CARD], action: "
      "tokenise}]}");
  const std::string text =
      "See \"ann@x.org\":\n\n```json\n{\"card\": 4012888888881881, \"m\": \"\\u0061nn\\u0040x.org\",\n  \"n\": "
      "[4012888888881881]}\n"
      "```\nNot 4012888888881881.\n  ``` JSON5\n[\"ann@x.org\"]\n  ```  \n```js\n[4012888888881881]\n```";
  const std::string expected =
      "See \"***@*.org\":\n\n```json\n{\"card\": \"[CREDIT_CARD_1]\", \"m\": \"***@*.org\",\n  \"n\": "
      "[\"[CREDIT_CARD_1]\"]}\n"
      "```\nNot [CREDIT_CARD_1].\n  ``` JSON5\n[\"***@*.org\"]\n  ```  \n```js\n[[CREDIT_CARD_1]]\n```";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    const auto streamed = stream(text, step);
    EXPECT_EQ(streamed.text, expected) << step;
    EXPECT_EQ(streamed.findings, 7U) << step;
  }
  // The same as a leaf of a document that comes whole, and with a block that nobody closes.
  auto context = test::context_for(vault_);
  std::string document = "{\"content\":";
  append_json_string(document, text);
  std::string whole_expected = "{\"content\":";
  append_json_string(whole_expected, expected);
  EXPECT_EQ(guard_json(*policy_, context, document + "}", JsonProfile::any)->json, whole_expected + "}");
  EXPECT_EQ(whole("```json\n{\"a\":4012888888881881}"), "```json\n{\"a\":\"[CREDIT_CARD_1]\"}");
  EXPECT_EQ(whole("```json\n{\"a\":4012888888881881}\n``"), "```json\n{\"a\":\"[CREDIT_CARD_1]\"}\n``");
}

TEST_F(JsonStream, ABlockOfOtherTextIsText) {
  EXPECT_EQ(whole("```json\nann@x.org, ```\n```\nbo@x.org"), "```json\n[EMAIL_1], ```\n```\n[EMAIL_2]");
  std::string many;
  for (int i = 0; i < 100'000; ++i) many += "```json\n";
  EXPECT_EQ(whole(many + "ann@x.org"), many + "[EMAIL_1]") << "no block opens inside another";
}

TEST_F(JsonStream, SaysInHowManyStringsAPlaceStands) {
  auto context = test::context_for(vault_, Direction::outbound);
  JsonStreamGuard guard(*policy_, context);
  const auto depth = [&](std::string_view more) {
    EXPECT_TRUE(guard.feed(more));
    return guard.text().string_depth();
  };
  EXPECT_EQ(depth("Say:\n```json\n"), 0);
  EXPECT_EQ(depth("{\"a\": 1, \""), 1);
  EXPECT_EQ(depth("b\": \"{\\\"c"), 2);
  EXPECT_EQ(depth("\\\"}\""), 0);
  EXPECT_EQ(depth("}\n```\n\"a"), 0);
}

TEST_F(JsonStream, RestoredValuesAreEscaped) {
  ASSERT_TRUE(vault_.token_for("NAME", "a \"b\"\n"));
  EXPECT_EQ(whole(R"({"n":"[NAME_1]"})", Direction::outbound), R"({"n":"a \"b\"\n"})");
}

TEST_F(JsonStream, CutsNeverChangeTheResult) {
  ASSERT_TRUE(vault_.token_for("EMAIL", "ann@x.example"));
  const std::string deep = std::string(80, '[') + "\"ann@x.org\"" + std::string(80, ']');
  for (
      const std::string& text :
      {std::string(
           R"( {"to":"ann@x.org\/\u00e9 \ud83d\ude00!","card": 4012888888881881 , "b":[true,{"phone":"2722352416"}]} )"),
       std::string(R"({"q":"{\"m\":\"bo@x.org\",\"c\":4012888888881881}","k":"\ud83dx\ud83d\n\u12"})"),
       std::string(R"({"x": unquoted ann@x.org, "y":"bo@x.org"})"), std::string("[1] see ann@x.org"),
       std::string(R"({"broken":"off ann@x.or)"),
       std::string(R"(["[EMAIL_1]", "a\\", "sk-proj-aB3xaB3xaB3xaB3xaB3xaB3x"] tail bo@x.org)"),
       std::string(R"({"n":)") + std::string(200, '4') + "}", deep,
       R"({"n":4111111111111111.)" + std::string(100, '0') + ", \"m\":-4.111111111111111e15  }",
       std::string(R"({"card": 4111 1111 1111 1111, "to": null.smith@x.org})"),
       std::string("[ true , 4012888888881881]"), std::string("[tax_id_1] nullable"),
       std::string("{\"a\":4012888888881881}\n [4012888888881881] x"), std::string("[4012888888881881 ] x"),
       R"({"a":4 )" + std::string(80, ' ') + "1}", std::string(R"({"ann@x.org":1,"b@x.org":2})"), std::string("  \n "),
       std::string("{\"a")}) {
    for (const auto direction : {Direction::inbound, Direction::outbound}) {
      const auto expected = stream(text, text.size(), direction);
      for (std::size_t step = 1; step < std::min<std::size_t>(text.size(), 70); ++step) {
        const auto got = stream(text, step, direction);
        ASSERT_EQ(got.text, expected.text) << "step " << step << " of " << text;
        ASSERT_EQ(got.findings, expected.findings) << "step " << step << " of " << text;
      }
      if (parse_json(text)) EXPECT_TRUE(parse_json(expected.text)) << expected.text;
    }
  }
}

TEST_F(JsonStream, ABlockedTextStaysJson) {
  for (const char* action : {"block", "route_to_human"}) {
    policy_ = test::load("{name: p, version: 1, rules: [{types: [EMAIL], action: " + std::string(action) + "}]}");
    EXPECT_EQ(whole(R"({"a":"x","to":"ann@x.org, bo@x.org","b":"later"})"),
              R"({"a":"x","to":"[EMAIL], [EMAIL]","b":"later"})");
  }
}

TEST_F(JsonStream, AnIntegerIsOneHoweverItIsWritten) {
  EXPECT_EQ(
      whole("[-4111111111111111,4111111111111111.0,4.111111111111111e15,4111111111111111E+0,41111111111111110e-1]"),
      R"(["[CREDIT_CARD_1]","[CREDIT_CARD_1]","[CREDIT_CARD_1]","[CREDIT_CARD_1]","[CREDIT_CARD_1]"])");
  const std::string floats = "[0.4111111111111111,4111111111111111.5,4.111111111111111,-1e400,0,4111111111111111e400]";
  EXPECT_EQ(whole(floats), floats);
}

TEST_F(JsonStream, ALongNumberStaysOneValue) {
  const std::string zeros(100, '0');
  for (const auto& [number, expected] : std::initializer_list<std::pair<std::string, std::string>>{
           {"4111111111111111." + zeros, "\"[CREDIT_CARD_1]\""},
           {"4.111111111111111" + zeros + "e15", "\"[CREDIT_CARD_1]\""},
           {"4111111111111111e+" + zeros, "\"[CREDIT_CARD_1]\""},
           {std::string(200, '4'), std::string(200, '4')},
           {std::string(64, '4'), std::string(64, '4')},
           {std::string(60, '3') + "4111111111111111", std::string(60, '3') + "4111111111111111"}}) {
    EXPECT_EQ(whole("{\"n\": " + number + ", \"m\":1}"), "{\"n\": " + expected + ", \"m\":1}");
  }
}

TEST_F(JsonStream, WhatOnlyLooksLikeJsonIsText) {
  EXPECT_EQ(whole(R"({"card": 4111 1111 1111 1111})"), R"({"card": [CREDIT_CARD_1]})");
  EXPECT_EQ(whole(R"({"card": 4111-1111-1111-1111, "x": 1})"), R"({"card": [CREDIT_CARD_1], "x": 1})");
  EXPECT_EQ(whole(R"({"card" 4111111111111111})"), R"({"card" [CREDIT_CARD_1]})");
  EXPECT_EQ(whole(R"(["a" 4111 1111 1111 1111])"), R"(["a" [CREDIT_CARD_1]])");
  EXPECT_EQ(whole(R"({"to": null.smith@x.org})"), R"({"to": [EMAIL_1]})");
  EXPECT_EQ(whole(R"({"a": 4111)"), R"({"a": 4111)");
  EXPECT_EQ(whole(R"([1, 2] 4111 1111 1111 1111)"), R"([1, 2] [CREDIT_CARD_1])");
}

TEST_F(JsonStream, AListOfNumbersIsJson) {
  EXPECT_EQ(whole("[4012888888881881, 5]"), R"(["[CREDIT_CARD_1]", 5])");
  EXPECT_EQ(whole("[ null ,4012888888881881]"), R"([ null ,"[CREDIT_CARD_1]"])");
  ASSERT_TRUE(vault_.token_for("TAX_ID", "12"));
  EXPECT_EQ(whole("[tax_id_1] is [true]", Direction::outbound), "12 is [true]");
}

TEST_F(JsonStream, LinesOfJsonAreJson) {
  EXPECT_EQ(whole("{\"card\":4012888888881881}\n [4012888888881881]\nbo@x.org [4012888888881881]"),
            "{\"card\":\"[CREDIT_CARD_1]\"}\n [\"[CREDIT_CARD_1]\"]\n[EMAIL_1] [[CREDIT_CARD_1]]");
}

TEST_F(JsonStream, NamesThatBecameAlikeAreToldApart) {
  policy_ = test::load("{name: p, version: 1, rules: [{types: [EMAIL], action: redact}]}");
  EXPECT_EQ(whole(R"({"a@x.org":1,"b@x.org":{"c@x.org":2},"d":3,"e@x.org":4})"),
            R"({"[EMAIL]":1,"[EMAIL]_2":{"[EMAIL]":2},"d":3,"[EMAIL]_3":4})");
}

TEST(JsonEscapes, AreReadAsTheGrammarSays) {
  EXPECT_EQ(decode_escape("\\n").text, "\n");
  EXPECT_EQ(decode_escape("\\u00e9").text, "\xc3\xa9");
  EXPECT_EQ(decode_escape("\\ud83d").size, 0U);
  EXPECT_EQ(decode_escape("\\ud83d\\ude00").text, "\xf0\x9f\x98\x80");
  EXPECT_EQ(decode_escape("\\ud83dx").size, 6U);
  EXPECT_EQ(decode_escape("\\u12\"").text, "\\u12");
}

}  // namespace
}  // namespace sb::policy
