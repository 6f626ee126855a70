// Functions of catalogs: what is called, where it lies, and what a flow is with them.
#include "flow/dsl/catalogs.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "flow/machine.h"

namespace sb::flow {
namespace {

const std::vector<std::string> kCallable = {"probe"};

std::string catalog_flow(std::string_view rest) {
  return fmt::format("document: {{dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}}\n{}", rest);
}

Cataloged having(std::initializer_list<std::pair<const char*, const char*>> functions) {
  Cataloged had;
  for (const auto& [call, text] : functions) had.functions.emplace(call, text);
  return had;
}

/// The first thing that is wrong: "LINE: what".
std::string wrong_with(std::string_view rest, const Cataloged& cataloged) {
  const auto report = check_flow(catalog_flow(rest), kCallable, cataloged);
  EXPECT_EQ(report.flow, nullptr);
  return report.findings.empty() ? "" : fmt::format("{}: {}", report.findings[0].line, report.findings[0].message);
}

TEST(CatalogCall, IsNameVersionAndCatalog) {
  const auto call = CatalogCall::parse("log:0.5.2@global");
  ASSERT_TRUE(call);
  EXPECT_EQ(call->path(), "functions/log/0.5.2/function.yaml");
  EXPECT_EQ(call->pointer(), "/use/catalogs/global/functions/log:0.5.2");
  EXPECT_EQ(call->text(), "log:0.5.2@global");
  for (const char* other : {"log", "log@global", "log:1.0.0", "log:1.0.0@", ":1.0.0@a", "log:@a", "../x:1.0.0@a",
                            "a/b:1.0.0@c", "log:..@a", "https://a.test/f@v1.0.0"})
    EXPECT_FALSE(CatalogCall::parse(other)) << other;
}

struct RootCase {
  const char* name;
  const char* endpoint;
  const char* url;
};
class CatalogRoots : public testing::TestWithParam<RootCase> {};

TEST_P(CatalogRoots, LeadToTheRawFile) {
  const json::value flow{{"use", {{"catalogs", {{"c", {{"endpoint", {{"uri", GetParam().endpoint}}}}}}}}}};
  const auto place = place_of(flow, {"log", "1.0.0", "c"});
  ASSERT_TRUE(place) << place.error().detail;
  EXPECT_EQ(place->url, std::string(GetParam().url) + "/functions/log/1.0.0/function.yaml");
}

INSTANTIATE_TEST_SUITE_P(
    Cases, CatalogRoots,
    testing::Values(RootCase{"plain", "https://a.test/catalog", "https://a.test/catalog"},
                    RootCase{"slash", "https://a.test/catalog/", "https://a.test/catalog"},
                    RootCase{"github", "https://github.com/o/r", "https://raw.githubusercontent.com/o/r/HEAD"},
                    RootCase{"github_branch", "https://github.com/o/r/tree/next",
                             "https://raw.githubusercontent.com/o/r/next"},
                    RootCase{"github_folder", "https://github.com/o/r/tree/next/a/b",
                             "https://raw.githubusercontent.com/o/r/next/a/b"},
                    RootCase{"gitlab", "https://gitlab.com/o/r/-/tree/main/a", "https://gitlab.com/o/r/-/raw/main/a"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(CatalogPlaces, DefaultIsTheServersUnlessTheFlowHasItsOwn) {
  EXPECT_EQ(place_of(json::object(), {"f", "1.0.0", "default"})->url, "");
  const json::value own{{"use", {{"catalogs", {{"default", {{"endpoint", "https://a.test"}}}}}}}};
  EXPECT_EQ(place_of(own, {"f", "1.0.0", "default"})->url, "https://a.test/functions/f/1.0.0/function.yaml");
  EXPECT_EQ(place_of(json::object(), {"f", "1.0.0", "other"}).error().code, Errc::not_found);
  const json::value file{{"use", {{"catalogs", {{"c", {{"endpoint", "file:///etc"}}}}}}}};
  EXPECT_EQ(place_of(file, {"f", "1.0.0", "c"}).error().code, Errc::invalid_argument);
}

TEST(CatalogPlaces, HaveAuthenticationsByNameAndNoExpressions) {
  json::value flow{
      {"use",
       {{"authentications", {{"mine", {{"bearer", {{"token", "t"}}}}}}},
        {"catalogs", {{"c", {{"endpoint", {{"uri", "https://a.test"}, {"authentication", {{"use", "mine"}}}}}}}}}}}};
  EXPECT_EQ(to_text(place_of(flow, {"f", "1.0.0", "c"})->authentication), R"({"bearer":{"token":"t"}})");
  flow.at("use").at("authentications").at("mine") = json::object{{"bearer", {{"token", "${ $secrets.t }"}}}};
  EXPECT_EQ(place_of(flow, {"f", "1.0.0", "c"}).error().code, Errc::invalid_argument);
}

TEST(CatalogCalls, AreThoseOfTasksNotOfData) {
  const auto yaml = parse_json(R"({"do":[{"a":{"call":"x:1.0.0@c","with":{"call":"not:1.0.0@c"}}},
    {"b":{"do":[{"d":{"call":"y:1.0.0@c"}},{"e":{"call":"x:1.0.0@c"}},{"f":{"set":{"call":"not:1.0.0@c"}}}]}}]})");
  const auto calls = catalog_calls(*yaml);
  ASSERT_EQ(calls.size(), 2U);
  EXPECT_EQ(calls[0].text() + " " + calls[1].text(), "x:1.0.0@c y:1.0.0@c");
}

TEST(CatalogCalls, AreFoundInTasksThatAreCalledLikeMembers) {
  const auto yaml = parse_json(R"({"use":{"functions":{"document":{"call":"w:1.0.0@c"}}},
    "do":[{"set":{"call":"x:1.0.0@c"}},{"call":{"do":[{"with":{"call":"y:1.0.0@c","with":{"call":"not:1.0.0@c"}}}]}},
          {"do":{"listen":{"to":{"any":[{"with":{"call":"not:1.0.0@c"}}]},"foreach":{"do":[{"do":{"call":"z:1.0.0@c"}}]}}}}]})");
  std::string all;
  for (const auto& call : catalog_calls(*yaml)) all += call.name;
  EXPECT_EQ(all, "wxyz");
}

constexpr std::string_view kCalls = R"(use:
  catalogs:
    shared: {endpoint: 'https://a.test'}
do:
  - twice:
      call: double:1.0.0@shared
      with: {n: 21}
)";

TEST(CatalogFunctions, ArePartOfTheFlow) {
  const auto had = having({{"double:1.0.0@shared", "input: {from: .n}\nset: {n: '${ . * 2 }'}\n"}});
  const auto report = check_flow(catalog_flow(kCalls), kCallable, had);
  ASSERT_TRUE(report.flow) << report.findings.at(0).message;
  Machine machine(report.flow, {"run", 0}, Data::from_text("{}"));
  const auto action = machine.next();
  ASSERT_TRUE(std::holds_alternative<Machine::Done>(action));
  EXPECT_EQ(std::get<Machine::Done>(action).output.text(), R"({"n":42})");
  EXPECT_EQ(machine.take_pure_steps().at(0).task->ref, "/use/catalogs/shared/functions/double:1.0.0");
  EXPECT_NE(at_pointer(report.flow->document, "/use/catalogs/shared/functions/double:1.0.0/set"), nullptr);

  const auto other = having({{"double:1.0.0@shared", "set: {n: 1}\n"}});
  EXPECT_NE(check_flow(catalog_flow(kCalls), kCallable, other).flow->hash, report.flow->hash);
  EXPECT_EQ(check_flow(catalog_flow(kCalls), kCallable, had).flow->hash, report.flow->hash);
}

TEST(CatalogFunctions, MayCallOthersAndNotThemselves) {
  const auto chain = having(
      {{"double:1.0.0@shared", "do: [{a: {call: 'inner:1.0.0@shared'}}]\n"}, {"inner:1.0.0@shared", "set: {n: 7}\n"}});
  EXPECT_TRUE(check_flow(catalog_flow(kCalls), kCallable, chain).flow);
  const auto circle = having({{"double:1.0.0@shared", "do: [{a: {call: 'inner:1.0.0@shared'}}]\n"},
                              {"inner:1.0.0@shared", "do: [{a: {call: 'double:1.0.0@shared'}}]\n"}});
  EXPECT_NE(wrong_with(kCalls, circle).find("calls itself"), std::string::npos);
}

TEST(CatalogFunctions, AreWrongWhereTheyAreCalledWithTheirOwnLine) {
  Cataloged none;
  none.failures["double:1.0.0@shared"] = "the host a.test is not among flows.hosts";
  EXPECT_EQ(wrong_with(kCalls, none),
            "7: `double:1.0.0@shared` could not be had: the host a.test is not among flows.hosts");
  EXPECT_EQ(wrong_with(kCalls, having({{"double:1.0.0@shared", "input: {from: .n}\nsett: {n: 1}\n"}})),
            "7: double:1.0.0, line 2 of its text: the DSL has no task `sett`; did you mean `set`?");
  EXPECT_NE(wrong_with(kCalls, having({{"double:1.0.0@shared", "a: [\n"}})).find("7: `double:1.0.0@shared`: line"),
            std::string::npos);
  EXPECT_EQ(wrong_with("do:\n  - a: {call: 'f:1.0.0@nowhere'}\n", {}).substr(0, 2), "3:");
  EXPECT_NE(wrong_with("do:\n  - a: {call: 'https://a.test/f@v1.0.0'}\n", {}).find("NAME:VERSION@CATALOG"),
            std::string::npos);
}

TEST(CatalogFunctions, WhoChecksATextAloneIsWarned) {
  const auto report = check_flow(catalog_flow(kCalls), kCallable);
  ASSERT_TRUE(report.flow);
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_TRUE(report.findings[0].warning);
  EXPECT_FALSE(load_flow(catalog_flow(kCalls), "test", kCallable)) << "whoever runs it has to have them";
}

TEST(Cataloged, IsKeptForOneSourceAlone) {
  const auto had = having({{"double:1.0.0@shared", "set: {n: 1}\n"}});
  const std::string text = had.to_text("aa");
  EXPECT_EQ(Cataloged::from_text(text, "aa")->value().functions, had.functions);
  EXPECT_FALSE(Cataloged::from_text(text, "bb")->has_value());
  EXPECT_EQ(Cataloged::from_text("{}", "aa").error().code, Errc::corrupt);
}

}  // namespace
}  // namespace sb::flow
