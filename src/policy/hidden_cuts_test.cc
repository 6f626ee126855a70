// Characters that vanish, names and long values: what is found in a text, and how sure, is the same in every cut.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <string>
#include <vector>

#include "policy/stream_guard.h"
#include "policy/test_policies.h"

namespace sb::policy {
namespace {

// Looks at everything, so that nothing that is found hides anything else.
constexpr std::string_view kLook =
    "{name: look, version: 1, rules: [{name: all, types: ['*'], action: allow, min_score: 0.1}]}";

constexpr std::size_t kInOnePiece = std::string_view::npos;

// A line a finding, its score to the last bit.
std::string told(const Policy& policy, std::string_view text, std::size_t size) {
  TokenVault vault;
  auto context = test::context_for(vault, Direction::outbound);
  std::vector<GuardedFinding> findings;
  if (size == kInOnePiece) {
    findings = guard_text(policy, context, text)->findings;
  } else {
    StreamGuard stream(policy, context);
    for (std::size_t at = 0; at < text.size(); at += size) EXPECT_TRUE(stream.feed(text.substr(at, size)));
    EXPECT_TRUE(stream.finish());
    findings = stream.findings();
  }
  std::string out;
  for (const auto& [finding, action, rule, hash] : findings) {
    out += fmt::format("{} {}..{} {}\n", finding.type, finding.span.begin, finding.span.end,
                       std::bit_cast<std::uint32_t>(finding.score));
  }
  return out;
}

void expect_same_in_all_cuts(std::string_view text) {
  static const auto policy = test::load(kLook);
  const std::string whole = told(*policy, text, kInOnePiece);
  for (const std::size_t size : {1U, 2U, 3U, 7U, 64U})
    ASSERT_EQ(told(*policy, text, size), whole) << size << ' ' << text;
}

// What comes out, where everything that is found is treated.
std::string treated(const Policy& policy, std::string_view text, std::size_t size) {
  TokenVault vault;
  auto context = test::context_for(vault, Direction::outbound);
  if (size == kInOnePiece) return guard_text(policy, context, text)->text;
  StreamGuard stream(policy, context);
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += size) out += stream.feed(text.substr(at, size)).value();
  return out + stream.finish().value();
}

void expect_same_output_in_all_cuts(std::string_view text) {
  // Names are looked for with a longer sight, which hides what patterns alone let out.
  for (const char* types : {"'*'", "EMAIL, URL, PHONE, CREDIT_CARD, IBAN, SECRET"}) {
    const auto policy = test::load(fmt::format(
        "{{name: act, version: 1, rules: [{{name: all, types: [{}], action: tokenise, min_score: 0.1}}]}}", types));
    const std::string whole = treated(*policy, text, kInOnePiece);
    for (const std::size_t size : {1U, 2U, 3U, 7U, 64U})
      ASSERT_EQ(treated(*policy, text, size), whole) << size << ' ' << text;
  }
}

std::string spaced_out(std::string_view word, std::string_view hidden) {
  std::string out;
  for (const char c : word) out.append(1, c).append(hidden);
  return out;
}

TEST(HiddenCuts, AMarkAtTheEndOfASightIsSeenWhateverVanishesBehindIt) {
  expect_same_in_all_cuts("51709 Spinatsch 94 Apt. 615 Moosleerau Switzerlandpassword: S\xc2\xadt\xc2\xad");
  expect_same_in_all_cuts("4880 Betburweg 74 Suite 967 Apt. 267, Lascano, ruguay 80694;e&shy;d&");
}

TEST(HiddenCuts, AKeyGoesOnBehindWhatVanishes) {
  for (const char* behind : {"\n\xe2\x81\xa0K", "\n\xe2\x81\xa0KL", "\n\xc2\xad-", "\xc2\xad\xc2\xadK"}) {
    expect_same_in_all_cuts(spaced_out("-----BEGIN RSA PRIVATE KEY-----", "\xe2\x81\xa0") + "\n" +
                            std::string(480, 'a') + behind);
  }
}

TEST(HiddenCuts, AnAddressEndsWithAValueInItThatSomethingVanishesBehind) {
  for (const char* value : {"4111111111111111", "ann@pages.org", "DE89370400440532013000"}) {
    for (const char* behind : {" and on", "", "/and/on", "/ and"}) {
      expect_same_in_all_cuts("see https://some-host.org/" + spaced_out("part", "/path") + "/then/so/much/more/of/it/" +
                              value + "\xe2\x80\x8b\xe2\x80\x8b" + behind);
    }
  }
}

TEST(HiddenCuts, WhatVanishesBehindAnAddressComesOutBehindIt) {
  const std::string_view address = "ges.org/a-long-the-records/of-the-ward/and-on/to-all-of-them?q=";
  for (const std::string& begin : {std::string(address), std::string(address) + std::string(400, 'a')}) {
    for (const char* behind :
         {"", " and on", "and-on", "and-on\xe2\x81\xa0\xe2\x81\xa0", "ann@pages.org\xc2\xad", "&shy; "})
      expect_same_output_in_all_cuts(begin + "\xe2\x81\xa0" + behind);
  }
}

const std::vector<const char*>& parts() {
  static const std::vector<const char*> all = {"Anna Kowalska",
                                               "Herr Müller",
                                               "Mr. J. Okonkwo",
                                               "marta lindqvist",
                                               "Lindqvist",
                                               "kowalska",
                                               "My name is Marta Lindqvist",
                                               "Иван Петров",
                                               "Мария",
                                               "王小明",
                                               "สมชาย",
                                               "محمد",
                                               "Γιάννης",
                                               "Hauptstraße 12, 20144 Hamburg",
                                               "48 Willow Lane, Dayton, OH 45402",
                                               "Apt. 615 Moosleerau Switzerland",
                                               "Lisbon",
                                               "Acme Holdings Ltd",
                                               "French",
                                               "ann@pages.org",
                                               "name:",
                                               "password: S3cr-fp2kqgj",
                                               "\"name\": \"",
                                               "born 12.03.1984",
                                               "+1 (212) 555-0187",
                                               "4111 1111 1111 1111",
                                               "https://some-host.org/a/b?c=d",
                                               "and then",
                                               "wrote to",
                                               ".",
                                               ",",
                                               ";",
                                               "\n",
                                               "(",
                                               ")",
                                               "@",
                                               "-",
                                               "e",
                                               "d&",
                                               "&#x41;nna",
                                               "\\u0041nna",
                                               "%41nna",
                                               "Dr."};
  return all;
}

std::string hidden_text(std::mt19937& random) {
  static const std::vector<const char*> hidden = {"\xe2\x80\x8b", "\xc2\xad", "\xe2\x81\xa0", "&shy;", "<wbr>"};
  const auto below = [&random](std::size_t count) { return random() % count; };
  std::string text;
  for (std::size_t count = 3 + below(12); count > 0; --count) {
    const std::string part = parts()[below(parts().size())];
    const std::size_t often = std::vector<std::size_t>{0, 0, 1, 3, 9}[below(5)];
    const std::string one = hidden[below(hidden.size())];
    for (const char c : part) {
      text += c;
      const bool inside_character = (static_cast<unsigned char>(c) & 0x80) != 0;
      if (often != 0 && !inside_character && below(often) == 0) text += one;
    }
    if (below(6) != 0) text += ' ';
  }
  return text;
}

TEST(HiddenCuts, OfManyMadeTextsNoneIsReadOtherwise) {
  for (unsigned seed = 0; seed < 400; ++seed) {
    std::mt19937 random(seed);
    const std::string text = hidden_text(random);
    expect_same_in_all_cuts(text);
    expect_same_output_in_all_cuts(text);
    if (HasFatalFailure()) FAIL() << "seed=" << seed;
  }
}

}  // namespace
}  // namespace sb::policy
