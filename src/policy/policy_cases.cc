#include "policy/policy_cases.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <ostream>
#include <ranges>

#include "base/bytes.h"
#include "base/yaml.h"
#include "policy/whole_guard.h"

namespace sb::policy {
namespace {

// A published key: test cases may name hashes, and must give the same ones everywhere.
constexpr std::string_view kTestKey = "policy-test-key-policy-test-key-";

const std::vector<std::string> kFileKeys = {"policy", "cases"};
const std::vector<std::string> kCaseKeys = {"name",   "direction", "text", "expect", "verdict", "findings",
                                            "checks", "tenant",    "key",  "flow",   "model"};

Result<std::string> read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Errc::not_found, fmt::format("{}: no such file, or not readable", path.string()));
  return std::string{std::istreambuf_iterator<char>(file), {}};
}

struct TestFile {
  std::string name;
  YamlDocument document;

  std::unexpected<Error> fault(std::string_view pointer, std::string_view what) const {
    const auto at = document.position_of(pointer);
    return fail(Errc::invalid_argument, fmt::format("{}: line {}, column {}: {}", name, at.line, at.column, what));
  }

  Result<> check_keys(const json::value& value, std::string_view pointer, const std::vector<std::string>& known) const {
    if (!value.is_object()) return fault(pointer, "must be a mapping");
    for (const auto& member : value.get_object()) {
      if (std::ranges::find(known, member.key()) != known.end()) continue;
      const auto near = nearest(member.key(), known);
      return fault(pointer_append(pointer, member.key()),
                   fmt::format("unknown key \"{}\"{}", std::string_view(member.key()),
                               near ? "; did you mean \"" + *near + "\"?" : ""));
    }
    return {};
  }
};

std::string types_of(const std::vector<GuardedFinding>& findings) {
  std::string out;
  for (const auto& found : findings) {
    if (!out.empty()) out += ' ';
    out += found.finding.type;
  }
  return out;
}

// The list at `key`, a blank between its words; nothing where the case says nothing of it.
Result<std::optional<std::string>> expected_words(const TestFile& file, const json::value& one,
                                                  std::string_view pointer, std::string_view key) {
  const auto* list = find_member(one, key);
  if (!list) return std::nullopt;
  const auto fault = [&] { return file.fault(pointer_append(pointer, key), "must be a list of words"); };
  if (!list->is_array()) return fault();
  std::string words;
  for (const auto& word : list->get_array()) {
    if (!word.is_string()) return fault();
    if (!words.empty()) words += ' ';
    words += std::string_view(word.get_string());
  }
  return words;
}

// What differs, or nothing.
Result<std::string> run_case(const Policy& policy, const TestFile& file, const json::value& one,
                             std::string_view pointer, const InjectionScorer* scorer) {
  SB_CHECK(file.check_keys(one, pointer, kCaseKeys));
  const auto direction = string_member(one, "direction", "inbound");
  if (direction != "inbound" && direction != "outbound")
    return file.fault(pointer, "\"direction\" is inbound or outbound");
  const auto* text = find_member(one, "text");
  if (!text || !text->is_string()) return file.fault(pointer, "a case needs \"text\"");
  TokenVault vault;
  GuardContext context{direction == "inbound" ? Direction::inbound : Direction::outbound, "test", kTestKey, vault};
  const Subject subject{string_member(one, "tenant"), string_member(one, "key"), string_member(one, "flow"),
                        string_member(one, "model")};
  context.rules = policy.rules_for(subject);
  context.checks = policy.checks_for(subject);
  SB_TRY(const auto result, guard_whole(policy, context, std::string_view(text->get_string()), std::nullopt, scorer));
  std::string differs;
  if (const auto* expect = find_member(one, "expect"); expect && string_member(one, "expect") != result.text) {
    differs += fmt::format("\n    expected: {}\n    got:      {}", string_member(one, "expect"), result.text);
  }
  if (const auto verdict = string_member(one, "verdict"); !verdict.empty() && verdict != to_string(result.verdict)) {
    differs += fmt::format("\n    expected verdict {}, got {}", verdict, to_string(result.verdict));
  }
  SB_TRY(const auto types, expected_words(file, one, pointer, "findings"));
  if (types && *types != types_of(result.findings))
    differs += fmt::format("\n    expected findings [{}], got [{}]", *types, types_of(result.findings));
  SB_TRY(const auto checks, expected_words(file, one, pointer, "checks"));
  const auto objections = fmt::format("{}", fmt::join(result.objections | std::views::transform(&Check::name), " "));
  if (checks && *checks != objections)
    differs += fmt::format("\n    expected checks [{}], got [{}]", *checks, objections);
  return differs;
}

Result<bool> run_file(const std::string& name, const InjectionScorer* scorer, std::ostream& out) {
  SB_TRY(const auto yaml, read_file(name));
  auto document = parse_yaml(yaml);
  if (!document) return fail(Errc::invalid_argument, fmt::format("{}: {}", name, document.error().detail));
  const TestFile file{name, std::move(*document)};
  SB_CHECK(file.check_keys(file.document.value, "", kFileKeys));
  const auto policy_name = string_member(file.document.value, "policy");
  const auto* cases = find_member(file.document.value, "cases");
  if (policy_name.empty()) return file.fault("", "\"policy\" is missing: the file beside this one");
  if (!cases || !cases->is_array()) return file.fault("", "\"cases\" must be a list");
  const auto path = std::filesystem::path(name).parent_path() / policy_name;
  SB_TRY(const auto policy_yaml, read_file(path));
  SB_TRY(const auto policy, Policy::load(policy_yaml, path.string()));
  std::size_t failed = 0;
  for (std::size_t i = 0; i < cases->get_array().size(); ++i) {
    const auto& one = cases->get_array()[i];
    SB_TRY(const auto differs, run_case(*policy, file, one, fmt::format("/cases/{}", i), scorer));
    if (differs.empty()) continue;
    ++failed;
    out << fmt::format("{}: case {} \"{}\" failed{}\n", name, i + 1, string_member(one, "name"), differs);
  }
  out << fmt::format("{}: {} of {} cases passed\n", name, cases->get_array().size() - failed,
                     cases->get_array().size());
  return failed == 0;
}

}  // namespace

Result<int> run_policy_tests(std::span<const std::string> files, const InjectionScorer* scorer, std::ostream& out) {
  if (files.empty()) return fail(Errc::invalid_argument, "name a file of cases, e.g. policies/default.test.yaml");
  bool passed = true;
  for (const auto& name : files) {
    SB_TRY(const bool one, run_file(name, scorer, out));
    passed = passed && one;
  }
  return passed ? 0 : 1;
}

}  // namespace sb::policy
