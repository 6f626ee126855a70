#include "model/openai_wire.h"

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/json.h"

namespace sb::model {
namespace {

std::string blanks(Entropy& random) {
  static constexpr std::string_view kBlanks[] = {"", " ", "\n", "\t ", "\r\n  "};
  return std::string(kBlanks[random.next_u64() % 5]);
}

std::string random_value(Entropy& random, int depth) {
  switch (random.next_u64() % (depth > 3 ? 6 : 8)) {
    case 0:
      return "1.50e+2";
    case 1:
      return "-0";
    case 2:
      return "true";
    case 3:
      return "null";
    case 4:
      return R"("\u00e9\"model\":\"x\\")";
    case 5:
      return "\"gr\xc3\xbc\xc3\x9f,]}\"";
    case 6: {
      std::string out = "[" + blanks(random);
      const auto count = random.next_u64() % 3;
      for (std::uint64_t i = 0; i < count; ++i)
        out += (i ? "," : "") + random_value(random, depth + 1) + blanks(random);
      return out + "]";
    }
    default: {
      std::string out = "{" + blanks(random);
      const auto count = random.next_u64() % 3;
      for (std::uint64_t i = 0; i < count; ++i) {
        out += (i ? std::string(",") : std::string()) + R"("model")" + blanks(random) + ":" +
               random_value(random, depth + 1);
      }
      return out + "}";
    }
  }
}

// A request and what its edit must be, built side by side from the same pieces.
struct EditCase {
  std::string body;
  std::string expected;
};

EditCase random_case(Entropy& random) {
  static constexpr std::string_view kModelKeys[] = {"\"model\"", R"("mod\u0065l")"};
  EditCase made;
  const auto both = [&](const std::string& text) {
    made.body += text;
    made.expected += text;
  };
  both(blanks(random) + "{");
  const auto before = random.next_u64() % 4;
  const auto after = random.next_u64() % 4;
  const auto member = [&](std::uint64_t number) {
    both(blanks(random) + "\"k" + std::to_string(number) + "\"" + blanks(random) + ":" + blanks(random) +
         random_value(random, 0) + blanks(random));
  };
  for (std::uint64_t i = 0; i < before; ++i) {
    member(i);
    both(",");
  }
  both(std::string(kModelKeys[random.next_u64() % 2]) + blanks(random) + ":" + blanks(random));
  made.body += random.next_u64() % 2 ? R"("gpt \"4\"")" : "17";
  made.expected += R"("up/stream\"m")";
  both(blanks(random));
  for (std::uint64_t i = 0; i < after; ++i) {
    both(",");
    member(10 + i);
  }
  both("}" + blanks(random));
  return made;
}

TEST(OpenAiWire, AllOtherBytesOfARequestStayAsTheyAre) {
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE("seed=" + std::to_string(seed));
    SeededEntropy random(seed);
    const EditCase made = random_case(random);
    const auto edited = edit_chat_request(made.body, {R"(up/stream"m)", false});
    ASSERT_TRUE(edited) << edited.error().detail << "\n" << made.body;
    ASSERT_EQ(*edited, made.expected);
    ASSERT_EQ(replace_model(made.body, R"(up/stream"m)").value(), made.expected);
  }
}

struct StreamCase {
  const char* name;
  bool stream;
  std::string_view body;
  std::string_view expected;
};
class StreamEdit : public ::testing::TestWithParam<StreamCase> {};
TEST_P(StreamEdit, BringsStreamAndUsageInLine) {
  const auto edited = edit_chat_request(GetParam().body, {"u", GetParam().stream});
  ASSERT_TRUE(edited) << edited.error().detail;
  EXPECT_EQ(*edited, GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, StreamEdit,
    ::testing::Values(
        StreamCase{"adds_both", true, R"({"model":"m"})",
                   R"({"model":"u","stream":true,"stream_options":{"include_usage":true}})"},
        StreamCase{"adds_options", true, R"({"stream": true, "model":"m" , "x":1})",
                   R"({"stream": true, "model":"u","stream_options":{"include_usage":true} , "x":1})"},
        StreamCase{"keeps_what_was_asked", true,
                   R"({"model":"m","stream":true,"stream_options":{ "include_usage":true }})",
                   R"({"model":"u","stream":true,"stream_options":{ "include_usage":true }})"},
        StreamCase{"adds_to_options", true, R"({"model":"m","stream":true,"stream_options":{"x": 1}})",
                   R"({"model":"u","stream":true,"stream_options":{"include_usage":true,"x": 1}})"},
        StreamCase{"empty_options", true, R"({"model":"m","stream":true,"stream_options":{ }})",
                   R"({"model":"u","stream":true,"stream_options":{"include_usage":true}})"},
        StreamCase{"turns_usage_on", true, R"({"model":"m","stream":true,"stream_options":{"include_usage":false}})",
                   R"({"model":"u","stream":true,"stream_options":{"include_usage":true}})"},
        StreamCase{"null_options", true, R"({"model":"m","stream":null,"stream_options":null})",
                   R"({"model":"u","stream":true,"stream_options":{"include_usage":true}})"},
        StreamCase{"turns_stream_off", false, R"({"model":"m","stream":true,"stream_options":{"include_usage":true}})",
                   R"({"model":"u","stream":false,"stream_options":null})"},
        StreamCase{"leaves_plain_alone", false, R"({"model":"m","stream":false})", R"({"model":"u","stream":false})"},
        StreamCase{"every_repeated_key", true, R"({"model":"a","stream":false,"model":"b"})",
                   R"({"model":"u","stream":true,"model":"u","stream_options":{"include_usage":true}})"}),
    [](const auto& info) { return info.param.name; });

TEST(OpenAiWire, MalformedRequestsAreTheCallersFault) {
  for (const std::string_view body :
       {"", "[]", "{", "{\"model\":\"m\"", "{\"model\":\"m\"} x", "nonsense", "{\"model\":\"\xff\"}", "{\"x\":1}"}) {
    const auto edited = edit_chat_request(body, {"u", true});
    ASSERT_FALSE(edited) << body;
    EXPECT_EQ(edited.error().code, Errc::invalid_argument) << body;
  }
  EXPECT_EQ(edit_chat_request(R"({"x":1})", {"u", false}).error().param, "model");
}

TEST(OpenAiWire, ReplyPassesVerbatimButForAnAskedModel) {
  const std::string body =
      "{ \"id\":\"1\", \"model\" : \"real\",\n \"choices\":[],\"usage\":{\"completion_tokens\":7,\"prompt_tokens\":9,"
      "\"prompt_tokens_details\":{\"cached_tokens\":4}},\"extra\":[1.0]}";
  const auto plain = read_reply(body, "choices", "");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->body, body);
  EXPECT_EQ(plain->usage, (Usage{9, 4, 7, false}));
  std::string renamed = body;
  renamed.replace(renamed.find("\"real\""), 6, "\"asked\"");
  EXPECT_EQ(read_reply(body, "choices", "asked")->body, renamed);
}

TEST(OpenAiWire, WhatIsNoReplyIsUpstreamInvalid) {
  for (const char* body : {"", "<html></html>", "{}", "{\"choices\":[", "{\"choices\":[]} {", "[1]"}) {
    const auto reply = read_reply(body, "choices", "");
    ASSERT_FALSE(reply) << body;
    EXPECT_EQ(reply.error().code, Errc::upstream_invalid);
  }
}

TEST(OpenAiWire, ChunksTellUsageErrorsAndText) {
  TokenEstimate output;
  const auto text =
      read_chunk(R"({"choices":[{"delta":{"content":"abcdefgh"},"finish_reason":null}],"usage":null})", "", output);
  ASSERT_TRUE(text);
  EXPECT_TRUE(text->has_choices);
  EXPECT_FALSE(text->finished);
  EXPECT_FALSE(text->usage);
  EXPECT_EQ(output.tokens(), 2);
  const auto call = read_chunk(
      R"({"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"abcd"}}]},"finish_reason":"tool_calls"}]})",
      "", output);
  ASSERT_TRUE(call);
  EXPECT_TRUE(call->finished);
  EXPECT_EQ(output.tokens(), 3);
  const auto usage = read_chunk(R"({"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}})", "", output);
  ASSERT_TRUE(usage);
  EXPECT_FALSE(usage->has_choices);
  EXPECT_EQ(usage->usage, (Usage{3, 0, 4, false}));
  EXPECT_TRUE(read_chunk(R"({"error":{"message":"x"}})", "", output)->is_error);
  EXPECT_FALSE(read_chunk(R"({"hello":1})", "", output));
  EXPECT_FALSE(read_chunk(R"({"choices":[)", "", output));
}

TEST(OpenAiWire, BrokenMembersOfAChunkAreSurvived) {
  // Behind a fault simdjson's objects must not be asked anything more: they would read through a null pointer.
  const std::string broken = R"({a"b":1},"t":"x},"prompt_tokens":3,"completion_tokens":4,"name":"f","arguments":"{}"})";
  TokenEstimate output;
  for (const std::string& before :
       {std::string(R"({"usage":{"a":)"), std::string(R"({"choices":[],"usage":{"prompt_tokens_details":{"a":)"),
        std::string(R"({"choices":[{"delta":{"tool_calls":[{"function":{"a":)"),
        std::string(R"({"choices":[{"delta":{"tool_calls":[{"a":)"), std::string(R"({"choices":[{"delta":{"a":)")}) {
    for (std::size_t size = 0; size <= broken.size(); ++size)
      EXPECT_FALSE(read_chunk(before + broken.substr(0, size), "", output)) << before << broken.substr(0, size);
  }
}

}  // namespace
}  // namespace sb::model
