#include "flow/chat_completion.h"

#include <gtest/gtest.h>

namespace sb::flow {
namespace {

json::value message_of(const std::vector<std::string>& deltas) {
  CompletionAssembler assembler;
  for (const auto& delta : deltas)
    assembler.add(R"({"id":"c","choices":[{"index":0,"delta":)" + delta + R"(,"finish_reason":null}]})");
  return parse_json(assembler.finish({}))->at("choices").at(0).at("message");
}

TEST(CompletionAssembler, PutsEveryDeltaOfAMessageTogether) {
  EXPECT_EQ(to_text(message_of({R"({"audio":{"id":"a","transcript":"Hel"}})",
                                R"({"audio":{"id":"a","transcript":"lo","data":"QQ"}})",
                                R"({"audio":{"data":"Qg","expires_at":5}})"})
                        .at("audio")),
            R"({"id":"a","transcript":"Hello","data":"QQQg","expires_at":5})");
  EXPECT_EQ(
      to_text(message_of({R"({"reasoning_details":[{"type":"reasoning.text","text":"think"}]})",
                          R"({"reasoning_details":[{"type":"reasoning.text","text":"ing"}]})",
                          R"({"reasoning_details":[{"type":"reasoning.text","index":0,"text":"!"}]})",
                          R"({"reasoning_details":[{"type":"reasoning.encrypted","index":1,"data":"x"}]})"})
                  .at("reasoning_details")),
      R"([{"type":"reasoning.text","text":"thinking!","index":0},{"type":"reasoning.encrypted","index":1,"data":"x"}])");
  EXPECT_EQ(
      to_text(
          message_of(
              {R"({"content":[{"type":"thinking","thinking":[{"type":"text","text":"a"}]}]})",
               R"({"content":[{"type":"thinking","thinking":[{"type":"text","text":"b"}]},{"type":"text","text":"c"}]})",
               R"({"content":[{"type":"text","text":"d"},{"type":"image_url","image_url":{"url":"https://x.org"}}]})"})
              .at("content")),
      R"([{"type":"thinking","thinking":[{"type":"text","text":"ab"}]},{"type":"text","text":"cd"},)"
      R"({"type":"image_url","image_url":{"url":"https://x.org"}}])");
  EXPECT_EQ(to_text(message_of({R"({"content":"a"})", R"({"content":"b","refusal":null})"}).at("content")), R"("ab")");
}

TEST(CompletionAssembler, PutsTheTextOfALegacyCompletionTogether) {
  CompletionAssembler assembler;
  for (const char* choice :
       {R"({"index":0,"text":"Good ","finish_reason":null})", R"({"index":1,"text":"Ja","finish_reason":"stop"})",
        R"({"index":0,"text":"day","finish_reason":"length"})"})
    assembler.add(R"({"id":"c","object":"text_completion","choices":[)" + std::string(choice) + "]}");
  const auto whole = *parse_json(assembler.finish({}));
  EXPECT_EQ(string_member(whole, "object"), "text_completion");
  EXPECT_EQ(
      to_text(whole.at("choices")),
      R"([{"index":0,"text":"Good day","finish_reason":"length"},{"index":1,"text":"Ja","finish_reason":"stop"}])");
  EXPECT_EQ(answer_text(whole), "Good day");
}

}  // namespace
}  // namespace sb::flow
