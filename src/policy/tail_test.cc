// Private key blocks are taken to their END line, however they are quoted.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "policy/guard.h"
#include "policy/stream_guard.h"
#include "policy/test_policies.h"

namespace sb::policy {
namespace {

std::vector<std::string> key_lines() {
  static constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<std::string> lines{"-----BEGIN RSA PRIVATE KEY-----"};
  for (std::size_t line = 0; line < 12; ++line) {
    lines.emplace_back();
    for (std::size_t i = 0; i < 64; ++i) lines.back() += kBase64[(17 * line + 29 * i + i * i) % kBase64.size()];
  }
  lines.emplace_back("Zm9vYmFyYmF6cXV4=");
  lines.emplace_back("-----END RSA PRIVATE KEY-----");
  return lines;
}

// `before` and `behind` each line, and what stands in the middle of a line.
struct Quoting {
  const char* name;
  std::string before, behind, inside;
};

class QuotedKeys : public testing::TestWithParam<Quoting> {};

TEST_P(QuotedKeys, LeakNothing) {
  const auto policy = test::load("{name: p, version: 1, rules: [{types: [SECRET], action: redact}]}");
  ASSERT_TRUE(policy);
  TokenVault vault;
  auto context = test::context_for(vault);
  std::string text = "my key:\n" + GetParam().before;
  const auto lines = key_lines();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) text += GetParam().behind + GetParam().before;
    text += lines[i].substr(0, 40) + GetParam().inside + lines[i].substr(std::min<std::size_t>(40, lines[i].size()));
  }
  // In a short last line what stands inside a longer one comes behind it.
  const std::string after = GetParam().behind + "Thanks! That was it.";
  const auto whole = guard_text(*policy, context, text + after).value();
  EXPECT_EQ(whole.text, "my key:\n" + GetParam().before + "[SECRET]" + GetParam().inside + after);
  for (const std::size_t step : {1U, 3U, 64U, 1000U}) {
    StreamGuard stream(*policy, context);
    std::string out;
    const std::string all = text + after;
    for (std::size_t at = 0; at < all.size(); at += step) {
      out += stream.feed(std::string_view(all).substr(at, step)).value();
      EXPECT_LE(stream.kept_bytes(), StreamGuard::kMaxSwallowedBytes);
    }
    out += stream.finish().value();
    EXPECT_EQ(out, whole.text) << "pieces of " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, QuotedKeys,
    testing::Values(Quoting{"plain", "", "\n", ""}, Quoting{"crlf", "", "\r\n", ""}, Quoting{"mail", "> ", "\n", ""},
                    Quoting{"mail_twice", ">> ", "\r\n", ""}, Quoting{"json", "", "\\n", ""},
                    Quoting{"json_in_json", "", "\\\\n", ""}, Quoting{"json_in_json_in_json", "", "\\\\\\\\n", ""},
                    Quoting{"source", "  \"", "\\n\"\n", ""}, Quoting{"source_joined", "\"", "\\n\" +\n", ""},
                    Quoting{"source_one_line", "'", "' + ", ""}, Quoting{"php", "\"", "\\n\" .\n", ""},
                    Quoting{"list", "  \"", "\",\n", ""}, Quoting{"html", "", "<br>", ""},
                    Quoting{"html_lines", "", "<br />\n", ""}, Quoting{"html_mail", "&gt; ", "<br>\n", ""},
                    Quoting{"paragraphs", "<p>", "</p>", ""}, Quoting{"comment", "# ", "\n", ""},
                    Quoting{"c_comment", " * ", "\n", ""}, Quoting{"table", "| ", " |\n", ""},
                    Quoting{"hidden", "", "\n", "\xe2\x80\x8b"},
                    Quoting{"many_hidden", "", "\n",
                            [] {
                              std::string many;
                              for (int i = 0; i < 30; ++i) many += "&#x200b;";
                              return many;
                            }()},
                    Quoting{"percent", "", "%0A", ""}, Quoting{"entities", "", "&#10;", ""}),
    [](const auto& info) { return info.param.name; });

TEST(UnfinishedKeys, EndWhereProseBegins) {
  const auto policy = test::load("{name: p, version: 1, rules: [{types: [SECRET], action: redact}]}");
  ASSERT_TRUE(policy);
  TokenVault vault;
  auto context = test::context_for(vault);
  const auto lines = key_lines();
  const auto block = lines[0] + "\n" + lines[1] + "\n" + lines[2];
  EXPECT_EQ(guard_text(*policy, context, R"({"key":")" + block + R"(", "name": "x", "more": "and so on and so on"})")
                .value()
                .text,
            R"({"key":"[SECRET]", "name": "x", "more": "and so on and so on"})");
}

}  // namespace
}  // namespace sb::policy
