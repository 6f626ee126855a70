#include "audit/leaf.h"

#include <gtest/gtest.h>

#include "base/canonical_json.h"

namespace sb::audit {
namespace {

std::string canonical(std::string_view text) {
  std::string out;
  const auto done = append_canonical_text(out, text);
  return done ? out : done.error().detail;
}

struct CanonicalCase {
  const char* name;
  const char* text;
  const char* expected;
};
class CanonicalJson : public ::testing::TestWithParam<CanonicalCase> {};
TEST_P(CanonicalJson, IsWhatRfc8785Asks) {
  EXPECT_EQ(canonical(GetParam().text), GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, CanonicalJson,
    ::testing::Values(
        CanonicalCase{"already", R"({"a":1,"b":[true,null,"x"]})", R"({"a":1,"b":[true,null,"x"]})"},
        CanonicalCase{"blanks", "{ \"b\" : 2 ,\n\"a\" : [ 1 , 2 ] }", R"({"a":[1,2],"b":2})"},
        CanonicalCase{"nested_order", R"({"b":{"d":1,"c":2},"a":{}})", R"({"a":{},"b":{"c":2,"d":1}})"},
        // RFC 8785, 3.2.2.
        CanonicalCase{"example",
                      R"({"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],)"
                      R"("string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]})",
                      "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
                      "\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"},
        // RFC 8785, 3.2.3: names are ordered by UTF-16 code units.
        CanonicalCase{"utf16_order", R"({"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7})",
                      "{\"\\r\":2,\"1\":4,\"\xc2\x80\":6,\"\xc3\xb6\":7,\"\xe2\x82\xac\":1,\"\xf0\x9f\x98\x80\":5,"
                      "\"\xef\xac\xb3\":3}"},
        // RFC 8785, appendix B, by their decimal texts.
        CanonicalCase{"minus_zero", "[-0.0,-0]", "[0,0]"},
        CanonicalCase{"extremes", "[5e-324,-1.7976931348623157e308,9007199254740992,295147905179352830000.0]",
                      "[5e-324,-1.7976931348623157e+308,9007199254740992,295147905179352830000]"},
        CanonicalCase{"borders", "[1e21,1e20,9.999999999999997e22,0.000001,0.0000001,1e-6,123456.5]",
                      "[1e+21,100000000000000000000,9.999999999999997e+22,0.000001,1e-7,0.000001,123456.5]"},
        CanonicalCase{"control", "\"\\b\\f\\u007f\\u001b\"", "\"\\b\\f\x7f\\u001b\""}),
    [](const auto& info) { return info.param.name; });

TEST(CanonicalJson, WhatTheScannerAcceptsIsWhatParsingAndWritingGives) {
  // Texts made of canonical and nearly canonical pieces: wherever the quick scan says yes, the slow way must agree.
  const char* const pieces[] = {"1",
                                "-1",
                                "0",
                                "-0",
                                "1.5",
                                "0.10",
                                "1e3",
                                "0.0000001",
                                "0.93",
                                "123456789012345",
                                "1234567890123456",
                                "\"\"",
                                "\"a\"",
                                "\"\\n\"",
                                "\"\\u0041\"",
                                "\"\\/\"",
                                "{}",
                                "[]",
                                "{\"a\":1}",
                                "{\"b\":1,\"a\":2}",
                                "{\"a\":1,\"a\":2}",
                                "true",
                                "null",
                                "tru",
                                "01",
                                "1.",
                                ".5",
                                "[1,]",
                                "{\"a\"}",
                                "[1 ]",
                                "\"\xc3\xa9\"",
                                "\"\xc3\"",
                                "0.000001"};
  int accepted = 0;
  for (const char* left : pieces) {
    for (const char* right : pieces) {
      for (const std::string& text : {std::string(left), std::string("[") + left + "," + right + "]",
                                      std::string("{\"a\":") + left + ",\"b\":" + right + "}"}) {
        if (!is_canonical(text)) continue;
        ++accepted;
        std::string written;
        const auto done = append_rewritten(written, text);
        ASSERT_TRUE(done) << text << ": " << done.error().detail;
        ASSERT_EQ(written, text);
      }
    }
  }
  EXPECT_GT(accepted, 500);
}

store::LeafDraft full_draft() {
  store::LeafDraft draft;
  draft.kind = "step";
  draft.tenant = "acme \"west\"";
  draft.run = RunId(*Uuid::parse("019ab000-0000-7000-8000-000000000001"));
  draft.step = StepIndex{3};
  draft.attempt = 2;
  draft.actor = "k-7";
  draft.summary = R"({"score":0.5,"chosen":"small"})";
  draft.payload_commit = "9f86";
  draft.time_us = 1'790'000'000'000'000;
  return draft;
}

TEST(Leaf, HasOneTextAndIsCanonicalItself) {
  const std::string leaf = encode_leaf(LeafIndex{12}, full_draft());
  EXPECT_EQ(
      leaf,
      R"({"actor":"k-7","attempt":2,"kind":"step","payload_commit":"9f86","run":"019ab000-0000-7000-8000-000000000001",)"
      R"("seq":12,"step":3,"summary":{"chosen":"small","score":0.5},"tenant":"acme \"west\"","time":1790000000000000})");
  EXPECT_EQ(canonical(leaf), leaf);
  store::LeafDraft small;
  small.kind = "config.change";
  EXPECT_EQ(encode_leaf(LeafIndex{0}, small), R"({"kind":"config.change","seq":0,"time":0})");
}

TEST(Leaf, RecordsASummaryThatIsNoJsonAsText) {
  store::LeafDraft draft;
  draft.kind = "x";
  draft.summary = "{not json\n\xff";
  const std::string leaf = encode_leaf(LeafIndex{0}, draft);
  EXPECT_EQ(leaf, "{\"kind\":\"x\",\"seq\":0,\"summary\":\"{not json\\n\xef\xbf\xbd\",\"time\":0}");
  EXPECT_TRUE(parse_leaf(leaf));
}

TEST(Leaf, IsReadBackAndNothingElseIs) {
  const std::string text = encode_leaf(LeafIndex{12}, full_draft());
  const auto leaf = parse_leaf(text);
  ASSERT_TRUE(leaf);
  EXPECT_EQ(leaf->seq, 12U);
  EXPECT_EQ(leaf->kind, "step");
  EXPECT_EQ(leaf->run, "019ab000-0000-7000-8000-000000000001");
  EXPECT_EQ(leaf->step, 3U);
  EXPECT_EQ(leaf->attempt, 2U);
  EXPECT_EQ(leaf->time_us, 1'790'000'000'000'000);
  for (std::size_t cut = 0; cut < text.size(); ++cut) EXPECT_FALSE(parse_leaf(text.substr(0, cut)));
  EXPECT_FALSE(parse_leaf(text + " "));
}

}  // namespace
}  // namespace sb::audit
