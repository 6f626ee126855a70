#include "model/anthropic_request.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace sb::model {
namespace {

json::value request_of(std::string_view text) {
  auto value = parse_json(text);
  EXPECT_TRUE(value) << text;
  return value ? *value : json::value();
}

struct RequestCase {
  const char* name;
  const char* openai;
  const char* anthropic;
};
class Translated : public ::testing::TestWithParam<RequestCase> {};
TEST_P(Translated, SaysTheSame) {
  const auto request = to_anthropic(GetParam().openai, "claude", false, 4096);
  ASSERT_TRUE(request) << request.error().detail;
  EXPECT_EQ(request_of(request->body), request_of(GetParam().anthropic)) << request->body;
}
INSTANTIATE_TEST_SUITE_P(
    Requests, Translated,
    ::testing::Values(
        RequestCase{"plain", R"({"model":"m","messages":[{"role":"user","content":"hi"}]})",
                    R"({"model":"claude","max_tokens":4096,
                        "messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]})"},
        RequestCase{"system_and_turns",
                    R"({"messages":[{"role":"system","content":"be brief"},{"role":"user","content":"a"},
                        {"role":"assistant","content":"b"},{"role":"developer","content":"and kind"},
                        {"role":"user","content":"c"},{"role":"user","content":"d"}],
                        "max_completion_tokens":9,"max_tokens":5,"temperature":1.7,"top_p":0.5,"stop":"END","user":"u1"})",
                    R"({"model":"claude","max_tokens":9,"temperature":1.0,"top_p":0.5,"stop_sequences":["END"],
                        "system":[{"type":"text","text":"be brief"},{"type":"text","text":"and kind"}],
                        "messages":[{"role":"user","content":[{"type":"text","text":"a"}]},
                          {"role":"assistant","content":[{"type":"text","text":"b"}]},
                          {"role":"user","content":[{"type":"text","text":"c"},{"type":"text","text":"d"}]}],
                        "metadata":{"user_id":"u1"}})"},
        RequestCase{"images",
                    R"({"messages":[{"role":"user","content":[{"type":"text","text":"what?"},
                        {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}},
                        {"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]})",
                    R"({"model":"claude","max_tokens":4096,"messages":[{"role":"user","content":[
                        {"type":"text","text":"what?"},
                        {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},
                        {"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}]}]})"},
        RequestCase{"tools_and_results",
                    R"({"messages":[{"role":"user","content":"weather?"},
                        {"role":"assistant","content":null,"tool_calls":[
                          {"id":"call.1","type":"function","function":{"name":"w","arguments":"{\"c\":1}"}},
                          {"id":"call.2","type":"function","function":{"name":"v","arguments":""}}]},
                        {"role":"tool","tool_call_id":"call.1","content":"rain"},
                        {"role":"tool","tool_call_id":"call.2","content":""},
                        {"role":"user","content":"so?"}],
                        "tools":[{"type":"function","function":{"name":"w","description":"d","parameters":{"type":"object"}}},
                                 {"type":"function","function":{"name":"v"}}],
                        "tool_choice":"required","parallel_tool_calls":false})",
                    R"({"model":"claude","max_tokens":4096,
                        "tools":[{"name":"w","description":"d","input_schema":{"type":"object"}},
                                 {"name":"v","input_schema":{"type":"object","properties":{}}}],
                        "tool_choice":{"type":"any","disable_parallel_tool_use":true},
                        "messages":[{"role":"user","content":[{"type":"text","text":"weather?"}]},
                          {"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"w","input":{"c":1}},
                            {"type":"tool_use","id":"call_2","name":"v","input":{}}]},
                          {"role":"user","content":[
                            {"type":"tool_result","tool_use_id":"call_1","content":[{"type":"text","text":"rain"}]},
                            {"type":"tool_result","tool_use_id":"call_2"},{"type":"text","text":"so?"}]}]})"},
        RequestCase{"named_tool",
                    R"({"messages":[{"role":"user","content":"a"}],
                        "tools":[{"type":"function","function":{"name":"w"}}],
                        "tool_choice":{"type":"function","function":{"name":"w"}}})",
                    R"({"model":"claude","max_tokens":4096,
                        "tools":[{"name":"w","input_schema":{"type":"object","properties":{}}}],
                        "tool_choice":{"type":"tool","name":"w"},
                        "messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]})"},
        RequestCase{
            "answer_to_be_continued",
            R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"so \n"}]})",
            R"({"model":"claude","max_tokens":4096,"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},
                        {"role":"assistant","content":[{"type":"text","text":"so"}]}]})"},
        RequestCase{
            "hints_and_own_extras",
            R"({"messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}],
                        "n":1,"seed":7,"store":false,"logprobs":false,"presence_penalty":0,"reasoning_effort":"low",
                        "logit_bias":{},"modalities":["text"],"top_k":5,"thinking":{"type":"enabled","budget_tokens":1024}})",
            R"({"model":"claude","max_tokens":4096,"top_k":5,"thinking":{"type":"enabled","budget_tokens":1024},
                        "messages":[{"role":"user","content":[
                          {"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}]})"}),
    [](const auto& info) { return info.param.name; });

TEST(AnthropicRequest, AJsonSchemaAnswerIsAForcedTool) {
  const auto request = to_anthropic(
      R"({"messages":[{"role":"user","content":"a"}],"response_format":{"type":"json_schema",
          "json_schema":{"name":"x","schema":{"type":"object","properties":{"a":{"type":"string"}}}}}})",
      "claude", true, 100);
  ASSERT_TRUE(request);
  const auto body = request_of(request->body);
  EXPECT_EQ(request->answer_tool, "json_answer");
  EXPECT_EQ(string_member(*find_member(body, "tool_choice"), "name"), "json_answer");
  EXPECT_TRUE(bool_member(body, "stream"));
  EXPECT_EQ(body.at("tools").at(0).at("input_schema").at("properties").at("a").at("type"), "string");
}

TEST(AnthropicRequest, BesideOtherToolsTheSchemaIsAnInstruction) {
  const auto request = to_anthropic(
      R"({"messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":{"name":"w"}}],
          "response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object"}}}})",
      "claude", false, 100);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->answer_tool, "");
  const auto body = request_of(request->body);
  EXPECT_NE(std::string_view(body.at("system").at(0).at("text").get_string()).find(R"({"type":"object"})"),
            std::string_view::npos);
}

struct RefusedCase {
  const char* name;
  const char* members;
  Errc code;
  const char* param;
};
class Refused : public ::testing::TestWithParam<RefusedCase> {};
TEST_P(Refused, NamesTheMember) {
  const std::string body =
      std::string(R"({"model":"m","messages":[{"role":"user","content":"secret words"}],)") + GetParam().members + "}";
  const auto request = to_anthropic(body, "claude", false, 100);
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().code, GetParam().code);
  EXPECT_EQ(request.error().param, GetParam().param);
  EXPECT_EQ(request.error().detail.find("secret"), std::string::npos);
}
INSTANTIATE_TEST_SUITE_P(
    Members, Refused,
    ::testing::Values(
        RefusedCase{"n", R"("n":2)", Errc::unsupported, "n"},
        RefusedCase{"logprobs", R"("logprobs":true)", Errc::unsupported, "logprobs"},
        RefusedCase{"top_logprobs", R"("top_logprobs":3)", Errc::unsupported, "top_logprobs"},
        RefusedCase{"penalty", R"("frequency_penalty":0.5)", Errc::unsupported, "frequency_penalty"},
        RefusedCase{"bias", R"("logit_bias":{"1":2})", Errc::unsupported, "logit_bias"},
        RefusedCase{"audio", R"("modalities":["text","audio"])", Errc::unsupported, "modalities"},
        RefusedCase{"functions", R"("functions":[])", Errc::unsupported, "functions"},
        RefusedCase{"search", R"("web_search_options":{})", Errc::unsupported, "web_search_options"},
        RefusedCase{"tool_kind", R"("tools":[{"type":"custom"}])", Errc::unsupported, "tools[0]"},
        RefusedCase{"stop", R"("stop":["\n"])", Errc::unsupported, "stop"},
        RefusedCase{"stop_type", R"("stop":[1])", Errc::invalid_argument, "stop"},
        RefusedCase{"limit", R"("max_tokens":"many")", Errc::invalid_argument, "max_tokens"},
        RefusedCase{"format", R"("response_format":{"type":"xml"})", Errc::invalid_argument, "response_format"},
        RefusedCase{"role", R"("messages":[{"role":"wizard","content":"a"}])", Errc::invalid_argument,
                    "messages[0].role"},
        RefusedCase{"no_turns", R"("messages":[{"role":"system","content":"a"}])", Errc::invalid_argument, "messages"},
        RefusedCase{"sound", R"("messages":[{"role":"user","content":[{"type":"input_audio"}]}])", Errc::unsupported,
                    "messages[0].content[0]"},
        RefusedCase{"image_url",
                    R"("messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}])",
                    Errc::invalid_argument, "messages[0].content[0].image_url.url"},
        RefusedCase{"arguments",
                    R"("messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{"}}]}])",
                    Errc::invalid_argument, "messages[0].tool_calls[0].function.arguments"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sb::model
