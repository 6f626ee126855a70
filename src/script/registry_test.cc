#include "script/registry.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include "script/testing.h"

namespace sb::script {
namespace {

std::string render(std::string_view text, const json::value& input) {
  const auto made = Template::compile(text);
  if (!made) return "compile: " + made.error().detail;
  const auto result = made->render(input, {});
  return result ? *result : "error: " + result.error().detail;
}

TEST(Template, FillsItsHoles) {
  const json::value input = {{"name", "Ada"}, {"amount", 12.5}, {"items", {1, 2}}, {"a", {{"b", 7}}}};
  EXPECT_EQ(render("", input), "");
  EXPECT_EQ(render("no holes }} here", input), "no holes }} here");
  EXPECT_EQ(render("Hi {{ .name }}: {{.items}} {{ .items | length }}", input), "Hi Ada: [1,2] 2");
  EXPECT_EQ(render("{{ .name | ascii_upcase }}{{ \"{{\" }}", input), "ADA{{");
  EXPECT_EQ(render("{{ {a: {b: 3}} | .a.b }} {{ \"}}\" }}", input), "3 }}");
  EXPECT_EQ(render("{{ .missing // \"friend\" }}", input), "friend");
}

TEST(Template, RefusesHolesThatAreWrongOrEmpty) {
  EXPECT_EQ(render("a\nb {{ .x | }}", {}),
            "compile: line 2: jq: column 5: the program ends where an expression belongs");
  EXPECT_EQ(render("a {{ .x ", {}), "compile: line 1: {{ is not closed by }}");
  EXPECT_EQ(render("{{ }}", {}), "compile: line 1: the hole is empty");
  EXPECT_EQ(render("\n{{ .x }}", json::object()),
            "error: line 2: a hole has no value for this input; write {{ .x // \"...\" }} where that is fine");
  EXPECT_EQ(render("{{ .x.y }}", {{"x", "secret"}}), "error: line 1: jq: column 3: Cannot index string with string");
}

TEST(Template, NeverReadsDataAsAProgram) {
  const json::value hostile = {{"name", "{{ .secret }} }} {{ error }} \\(.secret) \"; .secret"}, {"secret", "s3cret"}};
  EXPECT_EQ(render("Hi {{ .name }}!", hostile), "Hi {{ .secret }} }} {{ error }} \\(.secret) \"; .secret!");
  EXPECT_EQ(render("{{ .name | tojson | fromjson }}", hostile), std::string(hostile.at("name").as_string()));
}

std::string load_error(std::string_view manifest) {
  const ScriptFolder directory(manifest);
  const auto loaded = ScriptRegistry::load(directory.path());
  return loaded ? "loaded" : loaded.error().detail;
}

TEST(Registry, LoadsFilesAndInlineSources) {
  ScriptFolder directory(
      "a:\n  kind: template\n  file: a.txt\n  description: greets\n  timeout_ms: 5\nb:\n  kind: jq\n  inline: .x + "
      "1\n");
  directory.write("a.txt", "Hi {{ .x }}");
  const auto registry = ScriptRegistry::load(directory.path());
  ASSERT_TRUE(registry) << registry.error().detail;
  const auto* a = (*registry)->find("a");
  ASSERT_TRUE(a);
  EXPECT_EQ(a->description, "greets");
  EXPECT_EQ(a->timeout_ms, 5);
  EXPECT_EQ(ScriptRegistry::evaluate(*a, {{"x", 2}}).value(), json::value("Hi 2"));
  EXPECT_EQ(ScriptRegistry::evaluate(*(*registry)->find("b"), {{"x", 2}}).value(), json::value(3));
  EXPECT_EQ((*registry)->get("c").error().code, Errc::not_found);
}

TEST(Registry, VersionsChangeWithWhatAScriptDoes) {
  const auto version = [](std::string_view manifest) {
    return (*ScriptRegistry::load(ScriptFolder(manifest).path()))->version("a");
  };
  const auto base = version("a:\n  kind: jq\n  inline: .x\n");
  EXPECT_EQ(base.size(), 16U);
  EXPECT_EQ(version("a:\n  kind: jq\n  inline: .x\n  description: other words\n"), base);
  EXPECT_NE(version("a:\n  kind: jq\n  inline: .y\n"), base);
  EXPECT_NE(version("a:\n  kind: template\n  inline: .x\n"), base);
  EXPECT_NE(version("a:\n  kind: jq\n  inline: .x\n  timeout_ms: 7\n"), base);
}

TEST(Registry, NamesTheFaultAndItsPlace) {
  EXPECT_EQ(load_error("a:\n  kind: jq\n  inline: .x |\n"),
            "scripts.yaml: line 2: a: jq: column 5: the program ends where an expression belongs");
  EXPECT_EQ(load_error("a:\n  kind: lua\n  inline: x\n"),
            "scripts.yaml: line 2: a.kind: kind must be template, jq or javascript");
  EXPECT_EQ(load_error("a:\n  kind: jq\n  inlin: x\n"),
            "scripts.yaml: line 3: a.inlin: unknown key; did you mean inline?");
  EXPECT_EQ(load_error("a:\n  kind: jq\n"), "scripts.yaml: line 2: a: give either `file` or `inline`");
  EXPECT_EQ(load_error("a:\n  kind: jq\n  file: ../b.jq\n"),
            "scripts.yaml: line 3: a.file: must be a path inside the script directory");
  EXPECT_EQ(load_error("a:\n  kind: jq\n  file: /etc/passwd\n"),
            "scripts.yaml: line 3: a.file: must be a path inside the script directory");
  EXPECT_EQ(load_error("a:\n  kind: jq\n  inline: .\n  timeout_ms: 0\n"),
            "scripts.yaml: line 4: a.timeout_ms: must be a whole number from 1 to 10000");
  EXPECT_EQ(load_error("a: 3\n"), "scripts.yaml: line 1: a: must be a mapping with `kind` and `file` or `inline`");
  EXPECT_EQ(load_error("a: [\n").substr(0, 20), "scripts.yaml: line 2");
  EXPECT_EQ(ScriptRegistry::load("/nonexistent").error().code, Errc::not_found);
}

}  // namespace
}  // namespace sb::script
