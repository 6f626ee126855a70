#include "policy/guards/json_schema.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace sb::policy {
namespace {

std::shared_ptr<const JsonSchema> compile(std::string_view schema) {
  auto compiled = JsonSchema::compile(parse_json(schema).value());
  EXPECT_TRUE(compiled) << (compiled ? "" : compiled.error().detail);
  return compiled ? *compiled : nullptr;
}

struct ShapeCase {
  const char* name;
  const char* schema;
  const char* document;
  const char* keyword;  ///< at fault; empty: valid
};
class Shapes : public testing::TestWithParam<ShapeCase> {};
TEST_P(Shapes, FitOrSayWhatDoesNot) {
  const auto fault = compile(GetParam().schema)->first_fault(parse_json(GetParam().document).value());
  EXPECT_EQ(fault ? fault->keyword : "", GetParam().keyword) << (fault ? fault->to_string() : "");
}
INSTANTIATE_TEST_SUITE_P(
    Cases, Shapes,
    testing::Values(
        ShapeCase{"right", R"({"type":"object","properties":{"n":{"type":"integer","minimum":1}},"required":["n"]})",
                  R"({"n":1.0})", ""},
        ShapeCase{"missing", R"({"required":["n"]})", R"({"m":1})", "required"},
        ShapeCase{"extra", R"({"properties":{"n":true},"additionalProperties":false})", R"({"n":1,"m":2})",
                  "additionalProperties"},
        ShapeCase{"pattern", R"({"pattern":"^[A-Z]{3}$"})", R"("ABCD")", "pattern"},
        ShapeCase{
            "long_pattern", R"({"pattern":"^a*$"})",
            R"("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")",
            ""},
        ShapeCase{"one_of", R"({"oneOf":[{"type":"number"},{"minimum":5}]})", "7", "oneOf"},
        ShapeCase{"reference", R"({"$defs":{"p":{"type":"string"}},"items":{"$ref":"#/$defs/p"}})", R"(["a",1])",
                  "type"},
        ShapeCase{"condition", R"({"if":{"required":["a"]},"then":{"required":["b"]}})", R"({"a":1})", "required"},
        ShapeCase{"unique", R"({"uniqueItems":true})", R"([1,{"a":1,"b":2},{"b":2,"a":1}])", "uniqueItems"},
        ShapeCase{"characters_not_bytes", R"({"maxLength":2})", "\"\xc3\xa9\xc3\xa9\"", ""}),
    [](const auto& info) { return info.param.name; });

TEST(JsonSchema, WhatIsNotUnderstoodIsRefused) {
  for (const char* schema : {R"({"$dynamicRef":"#x"})", R"({"$ref":"http://other/schema"})", R"({"pattern":"(a"})",
                             R"({"unevaluatedItems":false})", R"({"properties":[]})", "3"}) {
    EXPECT_FALSE(JsonSchema::compile(parse_json(schema).value())) << schema;
  }
}

TEST(JsonSchema, HostileSchemasCostABoundedTime) {
  const auto loop = compile(R"({"$ref":"#"})");
  EXPECT_TRUE(loop->first_fault(json::value(1)));
  std::string bomb = R"({"$defs":{"a0":{"type":"string"})";
  for (int i = 1; i < 40; ++i) {
    const auto ref = R"({"$ref":"#/$defs/a)" + std::to_string(i - 1) + "\"}";
    bomb += ",\"a" + std::to_string(i) + R"(":{"anyOf":[)" + ref + "," + ref + "]}";
  }
  EXPECT_TRUE(compile(bomb + R"(},"$ref":"#/$defs/a39"})")->first_fault(json::value(1)));
}

// The language-agnostic suite, where the machine has it (Debian: json-schema-test-suite, which has draft 7). What the
// drafts mean differently: beside $ref, other keywords count since 2019-09.
TEST(JsonSchema, AgreesWithTheSuite) {
  const std::filesystem::path suite = "/usr/share/json-schema-test-suite/tests/draft7";
  if (!std::filesystem::exists(suite)) GTEST_SKIP() << "json-schema-test-suite is not installed";
  std::size_t right = 0, wrong = 0, refused = 0;
  for (const auto& entry : std::filesystem::directory_iterator(suite)) {
    if (entry.path().extension() != ".json") continue;
    std::ifstream file(entry.path());
    const auto groups = parse_json(std::string(std::istreambuf_iterator<char>(file), {}));
    if (!groups) continue;  // numbers that no machine holds
    for (const auto& group : groups->get_array()) {
      const auto compiled = JsonSchema::compile(group.at("schema"));
      for (const auto& test : group.at("tests").get_array()) {
        if (!compiled) {
          ++refused;
          continue;
        }
        const bool agrees = !(*compiled)->first_fault(test.at("data")) == test.at("valid").get_bool();
        ++(agrees ? right : wrong);
        if (!agrees) {
          std::cout << entry.path().filename() << ": " << string_member(group, "description") << ": "
                    << string_member(test, "description") << '\n';
        }
      }
    }
  }
  std::cout << right << " agree, " << wrong << " do not, " << refused << " refused\n";
  EXPECT_GT(right, 350U);
  EXPECT_LE(wrong, 1U);
}

}  // namespace
}  // namespace sb::policy
