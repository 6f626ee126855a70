#include "policy/chat_stream_restorer.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "policy/chat_stream_guard.h"
#include "policy/json_guard.h"
#include "policy/test_policies.h"

namespace sb::policy {
namespace {

constexpr std::string_view kName = "Ann \"A\" Roe\nMain Street 1";

std::string delta_chunk(std::string_view field, std::string_view text) {
  std::string out = R"({"id":"c","choices":[{"index":0,"delta":{)";
  append_json_string(out, field);
  out += ':';
  append_json_string(out, text);
  return out + R"(},"finish_reason":null}]})";
}

class ChatStreamRestore : public testing::Test {
 protected:
  ChatStreamRestore() { EXPECT_TRUE(vault_.token_for("NAME", kName)); }

  /// What a client puts together of an answer that comes in pieces of this size.
  std::string heard(std::string_view answer, std::size_t step) {
    const auto policy = test::load(test::kTokeniseAll);
    auto context = test::context_for(vault_, Direction::outbound);
    context.restore = false;
    ChatStreamGuard guard(*policy, context);
    ChatStreamRestorer restorer(vault_);
    std::string text;
    const auto hear = [&](const std::vector<std::string>& payloads) {
      for (const auto& payload : payloads) {
        const auto document = parse_json(restorer.restore(payload));
        EXPECT_TRUE(document) << payload;
        text += string_member(document->at("choices").at(0).at("delta"), "content");
      }
    };
    for (std::size_t at = 0; at < answer.size(); at += step)
      hear(*guard.feed(delta_chunk("content", answer.substr(at, step))));
    hear(*guard.finish());
    return text;
  }
  /// The same answer, whole.
  std::string whole(std::string_view answer) {
    std::string document = R"({"choices":[{"index":0,"message":{"content":)";
    append_json_string(document, answer);
    const auto restored = parse_json(*restore_json(vault_, document + "}}]}"));
    return std::string(string_member(restored->at("choices").at(0).at("message"), "content"));
  }

  TokenVault vault_;
};

TEST_F(ChatStreamRestore, AValueInJsonIsEscapedHoweverTheAnswerIsCut) {
  std::string inside;
  append_json_escaped(inside, kName);
  std::string twice;
  append_json_escaped(twice, inside);
  const std::string value(kName);
  const std::pair<std::string, std::string> cases[] = {
      {R"({"to": "Dear [NAME_1]!", "n": ["[NAME_1]"]})",
       R"({"to": "Dear )" + inside + R"(!", "n": [")" + inside + R"("]})"},
      {R"(["[NAME_1]"])", R"([")" + inside + R"("])"},
      {R"({"a":"{\"b\":\"[NAME_1]\"}"})", R"({"a":"{\"b\":\")" + twice + R"(\"}"})"},
      {"Dear [NAME_1]: \"[NAME_1]\"", "Dear " + value + ": \"" + value + "\""},
      {"[NAME_1] is \"it\"", value + " is \"it\""},
      {"Dear [NAME_1]:\n```json\n{\"to\": \"[NAME_1]\"}\n```\n[NAME_1]",
       "Dear " + value + ":\n```json\n{\"to\": \"" + inside + "\"}\n```\n" + value},
  };
  for (const auto& [answer, expected] : cases) {
    EXPECT_EQ(whole(answer), expected);
    for (std::size_t step = 1; step <= answer.size(); ++step) EXPECT_EQ(heard(answer, step), expected) << step;
  }
}

TEST_F(ChatStreamRestore, ArgumentsAreJsonFromTheirFirstByte) {
  ChatStreamRestorer restorer(vault_);
  std::string inside;
  append_json_escaped(inside, kName);
  const auto arguments = [](std::string_view text) {
    std::string out = R"({"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":)";
    append_json_string(out, text);
    return out + "}}]}}]}";
  };
  for (const char* text : {"{\"to\":\"[NAME_1]", " and [NAME_1]\"}"}) {
    std::string expected(text);
    expected.replace(expected.find("[NAME_1]"), 8, inside);
    EXPECT_EQ(restorer.restore(arguments(text)), arguments(expected));
  }
}

TEST_F(ChatStreamRestore, WhatStandsBesideTheTextsIsRestoredAndLogprobsGo) {
  ChatStreamRestorer restorer(vault_);
  EXPECT_EQ(restorer.restore(R"({"note":"[NAME_1]","choices":[{"index":0,"delta":{},"logprobs":{"content":[]}}]})"),
            R"({"note":"Ann \"A\" Roe\nMain Street 1","choices":[{"index":0,"delta":{},"logprobs":null}]})");
  EXPECT_EQ(restorer.restore("[DONE]"), "[DONE]");
  EXPECT_EQ(restorer.restore(delta_chunk("content", "[EMAIL_7]")), delta_chunk("content", "[EMAIL_7]"));
}

}  // namespace
}  // namespace sb::policy
