#include "policy/stream_guard.h"

#include <gtest/gtest.h>

#include <random>

#include "policy/detect/scripts.h"
#include "policy/test_policies.h"

namespace sb::policy {
namespace {

struct StreamedText {
  std::string text;
  std::vector<Span> spans;
  std::size_t held_most = 0;
};

std::vector<Span> spans_of(const std::vector<GuardedFinding>& findings) {
  std::vector<Span> spans;
  for (const auto& f : findings) spans.push_back(f.finding.span);
  return spans;
}

StreamedText stream(const Policy& policy, GuardContext context, const std::vector<std::string_view>& pieces) {
  StreamGuard guard(policy, context);
  StreamedText result;
  for (const auto piece : pieces) {
    result.text += guard.feed(piece).value();
    result.held_most = std::max(result.held_most, guard.held_bytes());
  }
  result.text += guard.finish().value();
  result.spans = spans_of(guard.findings());
  return result;
}

const std::vector<std::string>& texts() {
  static const std::vector<std::string> all = [] {
    std::string key = "sk-proj-";
    for (int i = 0; i < 30; ++i) key += "aB3x";
    return std::vector<std::string>{
        "Hello, plain words only. No numbers at all, just talk.",
        "Mail jane.doe@example.org or call +1 (212) 555-0187 x 22 today, ok?",
        "Card: 5553 3314 7893 2881, exp 12/29; IBAN DE89 3704 0044 0532 0130 00. SSN 536-22-8726!",
        "password is S3cr-fp2kqgj, \"password\": \"Wint3r!2026x\" and --password bLu3-Moon-44",
        "postgres://app:s3cr3t#Pa55@db.internal:5432/app redis://:p4ssw0rdQQ@cache:6379/0",
        "key " + key + " end bob@" + std::string(70, 'h') + ".example.org tail",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIB+x/9\nabc=\n-----END RSA PRIVATE KEY-----\nafter a@b.example",
        "{\\\"k\\\":\\\"-----BEGIN PRIVATE KEY-----\\nMIIB\\n-----END PRIVATE KEY-----\\n\\\"}",
        "m\xc3\xbcller@b\xc3\xbc"
        "cher.example \xef\xbc\x94\xef\xbc\x91\xef\xbc\x91\xef\xbc\x91 1111 1111 1111 \xf0\x9f\x98\x80 t\xc3\xa9l 06 "
        "12 34 56 78",
        "連絡先はjane.doe@example.orgまで、電話は+81 3 1234 5678です。用户@例子.广告 カード番号４１１１ 1111 1111 "
        "1111、"
        "我们公司的邮箱地址@pages.org的pages.com说明ghp_FX8ERQUD5gsUlhgQjUpfL8F4jVpaYslIrseiです",
        "Dear [EMAIL_1], see [email\\_1] and [EMAIL_9] and [EMAIL_1 or [[EMAIL_1]]",
        [] {
          std::string hidden;
          for (int i = 0; i < 20; ++i) hidden += "\xc2\xad";
          return hidden + "call 737-208-0088 or ann@pages.org" + hidden + " 536-22-8726";
        }(),
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 4111 1111 1111 1111",
        std::string(200, '7') + " " + std::string(90, '-') + "BEGIN " + std::string(100, '@') + "x.org",
        "Authorization: Bearer abCD1234efGH5678ijKL\nghp_FX8ERQUD5gsUlhgQjUpfL8F4jVpaYslIrsei AKIA5GXKH7OSUQV6XUOB",
        std::string(60, 'a') + "@" + std::string(60, 'b') + ".org and " + std::string(45, 'x') + "sk-" +
            std::string(70, 'Q'),
    };
  }();
  return all;
}

class Cuts : public testing::TestWithParam<Direction> {};

TEST_P(Cuts, NeverChangeTheResult) {
  const auto policy = test::load(test::kTokeniseAll);
  ASSERT_TRUE(policy);
  for (const auto& text : texts()) {
    TokenVault vault;
    ASSERT_EQ(vault.token_for("EMAIL", "jane@x.example").value(), "[EMAIL_1]");
    auto context = test::context_for(vault, GetParam());
    const auto whole = guard_text(*policy, context, text).value();
    const std::string_view view = text;
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
      const auto two = stream(*policy, context, {view.substr(0, cut), view.substr(cut)});
      ASSERT_EQ(two.text, whole.text) << "cut at " << cut << " of: " << text;
      ASSERT_EQ(two.spans, spans_of(whole.findings)) << "cut at " << cut << " of: " << text;
    }
    for (std::size_t size : {1U, 2U, 3U, 5U, 7U, 13U}) {
      std::vector<std::string_view> pieces;
      for (std::size_t at = 0; at < view.size(); at += size) pieces.push_back(view.substr(at, size));
      const auto many = stream(*policy, context, pieces);
      ASSERT_EQ(many.text, whole.text) << "pieces of " << size << " of: " << text;
      EXPECT_LE(many.held_most, kWindowBytes) << text;
    }
  }
}

TEST_P(Cuts, NeverChangeTheResultOfRandomTexts) {
  const auto policy = test::load(test::kTokeniseAll);
  const std::string_view parts[] = {"bob",
                                    "@",
                                    "x.org",
                                    " ",
                                    "-",
                                    "4111",
                                    "1111",
                                    ".",
                                    "+49",
                                    "(030)",
                                    "sk-",
                                    "ghp_",
                                    "\xc3\xbc",
                                    "\xe2\x80\x8b",
                                    "\xef\xbc\x94",
                                    "password",
                                    ": ",
                                    "=",
                                    "\"",
                                    "\\n",
                                    "DE89",
                                    "3704",
                                    "536-22-8726",
                                    "://",
                                    ":",
                                    "[EMAIL_1]",
                                    "[",
                                    "_",
                                    "]",
                                    "aB3xZ9qW",
                                    "eyJ",
                                    "Bearer ",
                                    "-----BEGIN ",
                                    "PRIVATE KEY-----",
                                    "-----END ",
                                    "\n",
                                    "x",
                                    "call",
                                    " is ",
                                    "tel",
                                    "1.2.3.4",
                                    "/",
                                    "\xff",
                                    "\xf0\x9f",
                                    "東京",
                                    "の",
                                    "。",
                                    "メールアドレス",
                                    "ครับ"};
  for (unsigned seed = 1; seed <= 400; ++seed) {
    std::mt19937 random(seed);
    std::string text;
    const auto count = random() % 40;
    for (unsigned i = 0; i < count; ++i) text += parts[random() % std::size(parts)];
    TokenVault vault;
    ASSERT_TRUE(vault.token_for("EMAIL", "jane@x.example"));
    auto context = test::context_for(vault, GetParam());
    const auto whole = guard_text(*policy, context, text).value();
    std::vector<std::string_view> pieces;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size = 1 + random() % 9;
      pieces.push_back(std::string_view(text).substr(at, size));
      at += size;
    }
    const auto streamed = stream(*policy, context, pieces);
    ASSERT_EQ(streamed.text, whole.text) << "seed=" << seed << " text: " << text;
    ASSERT_EQ(streamed.spans, spans_of(whole.findings)) << "seed=" << seed << " text: " << text;
  }
}

INSTANTIATE_TEST_SUITE_P(Directions, Cuts, testing::Values(Direction::inbound, Direction::outbound),
                         [](const auto& info) { return std::string(to_string(info.param)); });

TEST(StreamGuard, ReleasesAWordAtItsBoundary) {
  const auto policy = test::load(test::kTokeniseAll);
  TokenVault vault;
  auto context = test::context_for(vault, Direction::outbound);
  StreamGuard guard(*policy, context);
  EXPECT_EQ(guard.feed("Hello wor").value(), "Hello ");
  EXPECT_EQ(guard.feed("ld, ").value(), "world, ");
  EXPECT_EQ(guard.feed("12").value(), "");
  EXPECT_EQ(guard.feed(" apples ").value(), "12 apples ");
  EXPECT_EQ(guard.finish().value(), "");
}

// Chinese, Japanese and Thai: no blank comes that would end a word.
TEST(StreamGuard, ReleasesTextWithoutBlanksAsItComes) {
  const auto policy = test::load(
      "{name: p, version: 1, rules: [{types: [EMAIL, PHONE, CREDIT_CARD, SECRET, URL, "
      "'DE_*'], action: redact}, {name: words, deny: [魚市場], action: redact}]}");
  ASSERT_TRUE(policy);
  for (const std::string_view text :
       {"お問い合わせありがとうございます。ご注文の品は昨日倉庫を出ましたので、明日の午後にはお手元に届く予定です。",
        "您好！您的订单昨天已经从仓库发出，预计明天下午可以送到；如果没有收到，请再次联系我们。",
        "สวัสดีครับสินค้าของคุณออกจากโกดังแล้วเมื่อวานนี้"}) {
    TokenVault vault;
    auto context = test::context_for(vault, Direction::outbound);
    StreamGuard guard(*policy, context);
    std::string out;
    std::size_t held_most = 0;
    for (const char c : text) {
      out += guard.feed({&c, 1}).value();
      held_most = std::max(held_most, guard.held_bytes());
    }
    out += guard.finish().value();
    EXPECT_EQ(out, text);
    EXPECT_LE(held_most, 4 * (kMostUnspaced + 1)) << text;
  }
}

TEST(StreamGuard, ADeniedWordInTextWithoutBlanksNeverComesOut) {
  const auto policy = test::load("{name: p, version: 1, rules: [{name: words, deny: [築地魚市場], action: redact}]}");
  ASSERT_TRUE(policy);
  const std::string text = "明日は朝早くから築地魚市場に行きます";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    TokenVault vault;
    const auto pieces = std::vector{std::string_view(text).substr(0, cut), std::string_view(text).substr(cut)};
    EXPECT_EQ(stream(*policy, test::context_for(vault), pieces).text, "明日は朝早くから[DENIED]に行きます");
  }
}

TEST(StreamGuard, ABlockedValueNeverComesOut) {
  const auto policy = test::load("{name: b, version: 1, rules: [{types: [EMAIL], action: block}]}");
  ASSERT_TRUE(policy);
  TokenVault vault;
  auto context = test::context_for(vault, Direction::outbound);
  StreamGuard guard(*policy, context);
  EXPECT_EQ(guard.feed("write to bob@example.com now").value(), "write to [EMAIL] ");
  EXPECT_EQ(guard.verdict(), Verdict::block);
  EXPECT_EQ(guard.finish().value(), "now") << "whoever sends it on stops at the verdict";
}

// "[EMAIL_1]" of an earlier answer comes back with the history; "[EMAIL_2]" is given to what this text brings, so the
// caller's own words get another.
TEST(StreamGuard, KeepsPlaceholdersOfTheRunAsTheWholeTextDoes) {
  const auto policy = test::load(test::kTokeniseAll);
  const std::string text = "You wrote [EMAIL_1] to ann@pages.org. And what is [EMAIL_2]? Not [EMAIL_1].";
  const auto known = [] {
    TokenVault vault;
    (void)vault.token_for("EMAIL", "jane.doe@example.org").value();
    return vault;
  };
  TokenVault vault = known();
  auto context = test::context_for(vault);
  const std::string whole = guard_text(*policy, context, text)->text;
  ASSERT_EQ(whole, "You wrote [EMAIL_1] to [EMAIL_2]. And what is [PLACEHOLDER_1]? Not [EMAIL_1].");
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    TokenVault other = known();
    const auto pieces = std::vector{std::string_view(text).substr(0, cut), std::string_view(text).substr(cut)};
    EXPECT_EQ(stream(*policy, test::context_for(other), pieces).text, whole) << cut;
  }
}

}  // namespace
}  // namespace sb::policy
