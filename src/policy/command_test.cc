#include "policy/command.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "policy/diff_command.h"

namespace sb::policy {
namespace {

struct Ran {
  int status;
  std::string out, err;
};

Ran run(std::vector<std::string> args, const std::string& input = {}) {
  std::istringstream in(input);
  std::ostringstream out, err;
  const int status = policy_command(args, in, out, err);
  return {status, out.str(), err.str()};
}

// Tests run in the repository root.
TEST(PolicyCommand, ShippedPoliciesPassTheirCases) {
  const auto ran = run({"test", "policies/default.test.yaml"});
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  for (const auto* name : {"gdpr", "pci", "secrets"}) {
    const auto scanned = run({"scan", "--policy", std::string("policies/") + name + ".yaml", "-"}, "nothing here\n");
    EXPECT_EQ(scanned.status, 0) << scanned.err;
    EXPECT_EQ(scanned.out, "");
  }
}

TEST(PolicyCommand, PrintsPlacesNotValues) {
  const auto ran = run({"scan", "--policy", "policies/default.yaml", "--fail", "-"}, "one\n\xc3\xa9 ann@pages.org\n");
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.out, "-:2:3 EMAIL tokenise 0.99 contact\n");
}

TEST(PolicyCommand, CountsCodePointsAndChunksChangeNothing) {
  const std::string lines =
      "{\"id\":\"a\",\"text\":\"\xc3\xa9\xf0\x9f\x98\x80 ann@pages.org and 5553 3314 7893 "
      "2881.\"}\n\n{\"id\":7,\"text\":\"clean\"}\n";
  const auto whole = run({"scan", "--policy", "policies/default.yaml", "--jsonl", "-"}, lines);
  EXPECT_EQ(whole.status, 0) << whole.err;
  EXPECT_EQ(whole.out,
            "{\"id\":\"a\",\"spans\":[{\"start\":3,\"end\":16,\"type\":\"EMAIL\",\"score\":0.990},"
            "{\"start\":21,\"end\":40,\"type\":\"CREDIT_CARD\",\"score\":0.950}]}\n{\"id\":7,\"spans\":[]}\n");
  for (const auto* chunk : {"1", "3", "8"}) {
    EXPECT_EQ(run({"scan", "--policy", "policies/default.yaml", "--jsonl", "-", "--chunk", chunk}, lines).out,
              whole.out);
  }
}

// The policy's file, and what lies beside it.
class PolicyFolder : public testing::Test {
 protected:
  PolicyFolder() {
    std::filesystem::create_directories(dir_);
    std::ofstream(policy()) << "{name: p, version: 1, rules: [{types: [CREDIT_CARD], action: redact}]}\n";
  }
  ~PolicyFolder() override { std::filesystem::remove_all(dir_); }
  std::string policy() const { return (dir_ / "p.yaml").string(); }

  const std::filesystem::path dir_ =
      std::filesystem::temp_directory_path() / ("policy-folder-" + std::to_string(getpid()));
};

TEST_F(PolicyFolder, JsonIsTreatedAsTheServerDoes) {
  const auto scanned = run({"scan", "--policy", policy(), "--guarded", "-"}, "{\"card\": 4111111111111111}\n");
  EXPECT_EQ(scanned.out, "{\"card\": \"[CREDIT_CARD]\"}\n") << scanned.err;
  const auto fenced = run({"scan", "--policy", policy(), "--guarded", "-"}, "So:\n```json\n[4111111111111111]\n```\n");
  EXPECT_EQ(fenced.out, "So:\n```json\n[\"[CREDIT_CARD]\"]\n```\n") << fenced.err;
  std::ofstream(dir_ / "p.test.yaml") << R"(policy: p.yaml
cases:
  - {name: number, text: '{"card":4111111111111111}', expect: '{"card":"[CREDIT_CARD]"}', findings: [CREDIT_CARD]}
)";
  const auto tested = run({"test", (dir_ / "p.test.yaml").string()});
  EXPECT_EQ(tested.status, 0) << tested.out << tested.err;
}

TEST_F(PolicyFolder, ALineThatCannotBeReadStopsNoOther) {
  const auto ran = run({"scan", "--policy", policy(), "--jsonl", "-"},
                       "{\"id\":1,\"text\":\"clean\"}\n{\"id\":2}\nno JSON\n{\"id\":4,\"text\":\"clean\"}\n");
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.out, "{\"id\":1,\"spans\":[]}\n{\"id\":4,\"spans\":[]}\n");
  EXPECT_TRUE(
      ran.err.starts_with("signalbox policy: line 2: needs a member \"text\" that is a string\n"
                          "signalbox policy: line 3: "))
      << ran.err;
}

TEST(PolicyCommand, ErrorsNameTheThingAndTheWayOut) {
  EXPECT_EQ(run({"scan", "--polcy", "x"}).err, "signalbox policy: unknown option --polcy; did you mean --policy?\n");
  EXPECT_EQ(run({"scan"}).status, 2);
  EXPECT_EQ(run({"scan", "--policy", "no/such.yaml"}).err,
            "signalbox policy: no/such.yaml: no such file, or not readable\n");
  EXPECT_EQ(run({"scan", "--policy", "policies/default.yaml", "--jsonl", "-"}, "{\"id\":1}\n").err,
            "signalbox policy: line 1: needs a member \"text\" that is a string\n");
  EXPECT_EQ(run({"scn"}).status, 2);
  EXPECT_EQ(run({"--help"}).status, 0);
}

TEST(PolicyCommand, ReadsMomentsAsPeopleWriteThem) {
  constexpr Micros kNow = 1'790'000'000'000'000;
  EXPECT_EQ(parse_moment("1970-01-02", kNow), 86'400'000'000);
  EXPECT_EQ(parse_moment("2026-09-21T14:13:20Z", kNow), kNow);
  EXPECT_EQ(parse_moment("90m", kNow), kNow - 5'400'000'000);
  EXPECT_EQ(parse_moment("7d", kNow), kNow - 7 * 86'400'000'000);
  for (const char* wrong : {"", "d", "-1d", "2026-02-30", "2026-09-21T24:00:00Z", "2026-09-21 14:13:20", "yesterday"})
    EXPECT_FALSE(parse_moment(wrong, kNow)) << wrong;
}

TEST(PolicyCommand, DiffSaysWhatItNeeds) {
  const std::string policy = "policies/default.yaml";
  EXPECT_EQ(run({"diff", policy, policy}).status, 2);
  EXPECT_EQ(run({"diff", policy, policy, "--jsonl", "-", "--since", "1d"}).err,
            "signalbox policy diff: --since goes with --data\n");
  EXPECT_EQ(run({"diff", policy, policy, "--dat", "x"}).err,
            "signalbox policy diff: unknown option --dat; did you mean --data?\n");
  EXPECT_EQ(run({"diff", policy, policy, "--data", "x"}).status, 2) << "nobody to open it";
  EXPECT_EQ(run({"diff", policy, policy, "--jsonl", "-"}, "{\"id\":1,\"text\":\"mail a@pages.org\"}\n").out,
            "0 of 1 would change\n");
}

TEST(PolicyCommand, AFailedCaseIsShown) {
  const auto dir = std::filesystem::temp_directory_path() / ("policy-cases-" + std::to_string(getpid()));
  std::filesystem::create_directories(dir);
  std::ofstream(dir / "p.yaml") << "{name: p, version: 1, rules: [{types: [EMAIL], action: redact}]}\n";
  std::ofstream(dir / "p.test.yaml")
      << "policy: p.yaml\ncases:\n  - {name: wrong, text: a@b.org, expect: a@b.org, verdict: allow}\n";
  const auto ran = run({"test", (dir / "p.test.yaml").string()});
  std::filesystem::remove_all(dir);
  EXPECT_EQ(ran.status, 1);
  EXPECT_NE(ran.out.find("case 1 \"wrong\" failed"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("expected verdict allow, got changed"), std::string::npos) << ran.out;
}

}  // namespace
}  // namespace sb::policy
