#include "policy/chat_stream_guard.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "policy/json_guard.h"
#include "policy/test_policies.h"

namespace sb::policy {
namespace {

std::string content_chunk(std::string_view text, int choice = 0) {
  std::string out = R"({"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":)" +
                    std::to_string(choice) + R"(,"delta":{"content":)";
  append_json_string(out, text);
  return out + R"(},"logprobs":null,"finish_reason":null}],"usage":null})";
}

std::string finish_chunk(int choice = 0) {
  return R"({"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":)" +
         std::to_string(choice) + R"(,"delta":{},"finish_reason":"stop"}]})";
}

std::string arguments_chunk(std::string_view text) {
  std::string out = R"({"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":)";
  append_json_string(out, text);
  return out + R"(}}]},"finish_reason":null}]})";
}

class ChatStream : public testing::Test {
 protected:
  ChatStream() { EXPECT_TRUE(vault_.token_for("EMAIL", "ann@x.example")); }

  std::vector<std::string> feed(std::string_view payload) {
    auto out = guard_.feed(payload);
    EXPECT_TRUE(out) << (out ? "" : out.error().detail);
    return out ? *out : std::vector<std::string>{};
  }

  // What a client puts together of one choice's content (or tool arguments).
  static std::string text_of(const std::vector<std::string>& payloads, std::string_view field = "content") {
    std::string text;
    for (const auto& payload : payloads) {
      const auto document = parse_json(payload);
      EXPECT_TRUE(document) << payload;
      for (const auto& choice : document->at("choices").as_array()) {
        const auto& delta = choice.at("delta");
        if (field == "content")
          text += string_member(delta, "content");
        else if (const auto* calls = find_member(delta, "tool_calls")) {
          for (const auto& call : calls->as_array()) text += string_member(call.at("function"), "arguments");
        }
      }
    }
    return text;
  }

  std::shared_ptr<const Policy> policy_ = test::load(test::kTokeniseAll);
  TokenVault vault_;
  GuardContext context_ = test::context_for(vault_, Direction::outbound);
  ChatStreamGuard guard_{*policy_, context_};
};

TEST_F(ChatStream, PassesWhatNeedsNoChangeByteForByte) {
  const std::string role = R"({"id":"c1","choices":[ {"index":0,"delta":{"role":"assistant","content":""},"x":1}]})";
  EXPECT_EQ(feed(role), std::vector<std::string>{role});
  const auto chunk = content_chunk("Hello, ");
  EXPECT_EQ(feed(chunk), std::vector<std::string>{chunk});
  const std::string usage = R"({"id":"c1","choices":[],"usage":{"total_tokens":3}})";
  EXPECT_EQ(feed(usage), std::vector<std::string>{usage});
}

TEST_F(ChatStream, NamesBesideTheTextsThatBecameAlikeAreToldApart) {
  const auto masks = test::load("{name: m, version: 1, rules: [{types: [EMAIL], action: redact}]}");
  ChatStreamGuard guard(*masks, context_);
  const std::string chunk =
      R"({"id":"c1","choices":[{"index":0,"delta":{"content":"so "},"x":{"ann@x.org":1,"bo@x.org":2}}]})";
  EXPECT_EQ(guard.feed(chunk).value(),
            std::vector<std::string>{
                R"({"id":"c1","choices":[{"index":0,"delta":{"content":"so "},"x":{"[EMAIL]":1,"[EMAIL]_2":2}}]})"});
}

TEST_F(ChatStream, ASecretIsKnownByTheNameOfItsMemberHoweverItIsCut) {
  constexpr std::string_view kArguments =
      R"({"env":{"api_key":"8f3a9b2c1d4e5f60718293a4b5c6d7e8"},"password": "hunter2hunter","q":"a"})";
  for (std::size_t step = 1; step < kArguments.size(); ++step) {
    const auto policy = test::load(test::kTokeniseAll);
    TokenVault vault;
    auto context = test::context_for(vault, Direction::outbound);
    ChatStreamGuard guard(*policy, context);
    std::vector<std::string> out;
    for (std::size_t at = 0; at < kArguments.size(); at += step) {
      for (auto& payload : *guard.feed(arguments_chunk(kArguments.substr(at, step)))) out.push_back(std::move(payload));
    }
    for (auto& payload : *guard.finish()) out.push_back(std::move(payload));
    EXPECT_EQ(text_of(out, "arguments"), R"({"env":{"api_key":"[SECRET_1]"},"password": "[SECRET_2]","q":"a"})")
        << step;
  }
}

TEST_F(ChatStream, HoldsAWordBackAndSendsItWithTheNextPiece) {
  EXPECT_TRUE(feed(content_chunk("wor")).empty());
  EXPECT_EQ(feed(content_chunk("ld ")), std::vector<std::string>{content_chunk("world ")});
}

TEST_F(ChatStream, SendsTheTailBeforeTheFinish) {
  EXPECT_TRUE(feed(content_chunk("bye")).empty());
  const auto out = feed(finish_chunk());
  ASSERT_EQ(out.size(), 2U);
  EXPECT_EQ(text_of(out), "bye");
  EXPECT_EQ(out[1], finish_chunk());
  EXPECT_TRUE(guard_.finish()->empty());
}

TEST_F(ChatStream, RestoresAPlaceholderCutOverChunks) {
  std::vector<std::string> all;
  for (const auto* piece : {"Dear ", "[EM", "AIL", "_1", "]", ", \"hi\"", "\n"}) {
    for (auto& payload : feed(content_chunk(piece))) all.push_back(payload);
  }
  for (auto& payload : feed(finish_chunk())) all.push_back(payload);
  EXPECT_EQ(text_of(all), "Dear ann@x.example, \"hi\"\n");
}

TEST_F(ChatStream, RestoresInsideToolArguments) {
  ASSERT_TRUE(vault_.token_for("NAME", "A \"B\""));
  std::vector<std::string> all;
  for (const auto* piece : {"{\"to", "\":\"[EMA", "IL_1]\",", "\"n\":\"[NAME", "_1]\"}"}) {
    for (auto& payload : feed(arguments_chunk(piece))) all.push_back(payload);
  }
  for (auto& payload : *guard_.finish()) all.push_back(payload);
  EXPECT_EQ(text_of(all, "arguments"), R"({"to":"ann@x.example","n":"A \"B\""})");
}

TEST_F(ChatStream, KeepsChoicesApart) {
  EXPECT_TRUE(feed(content_chunk("bob@exam", 0)).empty());
  EXPECT_TRUE(feed(content_chunk("ples", 1)).empty());
  std::vector<std::string> all = feed(finish_chunk(1));
  EXPECT_EQ(text_of(all), "ples");
  all = feed(content_chunk("ple.org", 0));
  for (auto& payload : feed(finish_chunk(0))) all.push_back(payload);
  EXPECT_EQ(text_of(all), "[EMAIL_2]");
}

TEST_F(ChatStream, LogProbabilitiesGoWithTheTextTheyRepeat) {
  const std::string chunk =
      R"({"choices":[{"index":0,"delta":{"content":"a@b.org "},"logprobs":{"content":[{"token":"a@b.org"}]} ,"finish_reason":null}]})";
  EXPECT_EQ(feed(chunk).at(0),
            R"({"choices":[{"index":0,"delta":{"content":"[EMAIL_2] "},"logprobs":null ,"finish_reason":null}]})");
}

std::string logprobs_chunk(std::string_view content, std::string_view tokens) {
  return R"({"choices":[{"index":0,"delta":{)" + std::string(content) + R"(},"logprobs":{"content":[)" +
         std::string(tokens) + R"(]},"finish_reason":null}]})";
}

TEST_F(ChatStream, LogProbabilitiesPassWhereTheyRepeatWhatPassed) {
  const auto passes = logprobs_chunk(R"("content":"Hello, ")", R"({"token":"Hello"},{"token":", "})");
  EXPECT_EQ(feed(passes), std::vector<std::string>{passes});
  for (const auto& chunk :
       {logprobs_chunk("", R"({"token":"ann@"},{"token":"x.org"})"),
        logprobs_chunk(R"("content":"Hello, ")", R"({"token":"no "})"),
        logprobs_chunk(R"("content":"Hello, ")", R"({"token":"Hello, ","top_logprobs":[{"token":"ann@x.org"}]})")}) {
    const auto out = feed(chunk);
    ASSERT_EQ(out.size(), 1U);
    EXPECT_NE(out[0].find(R"("logprobs":null)"), std::string::npos) << out[0];
  }
  // The same bytes, but of the chunk before: something is held back.
  feed(logprobs_chunk(R"("content":"ann@")", R"({"token":"ann@"})"));
  for (const auto& out : feed(logprobs_chunk(R"("content":"ann@")", R"({"token":"ann@"})")))
    EXPECT_EQ(out.find("token"), std::string::npos) << out;
}

std::string delta_chunk(std::string_view delta) {
  return R"({"id":"c1","choices":[{"index":0,"delta":{)" + std::string(delta) + "}}]}";
}

// What a client puts together of one string of the deltas.
std::string joined(const std::vector<std::string>& payloads, std::string_view before) {
  std::string text;
  for (const auto& payload : payloads) {
    EXPECT_TRUE(parse_json(payload)) << payload;
    for (auto at = payload.find(before); at != std::string::npos; at = payload.find(before, at + 1)) {
      const auto begin = at + before.size();
      text += payload.substr(begin, payload.find('"', begin) - begin);
    }
  }
  return text;
}

TEST_F(ChatStream, ValuesCutOverChunksAreFoundInEveryText) {
  struct Case {
    const char* before;
    const char* behind;
    const char* field;
  };
  for (const auto& one :
       {Case{R"("audio":{"id":"a","transcript":")", R"("})", R"("transcript":")"},
        Case{R"("function_call":{"name":")", R"("})", R"("name":")"},
        Case{R"("tool_calls":[{"index":1,"function":{"name":")", R"("}}])", R"("name":")"},
        Case{R"("tool_calls":[{"index":1,"custom":{"input":")", R"("}}])", R"("input":")"},
        Case{R"("reasoning_details":[{"type":"reasoning.text","text":")", R"("}])", R"("text":")"},
        Case{R"("thinking":")", R"(")", R"("thinking":")"},
        Case{R"("thinking_blocks":[{"type":"thinking","thinking":")", R"("}])", R"("thinking":")"},
        Case{R"("content":[{"type":"text","text":")", R"("}])", R"("text":")"},
        Case{R"("content":[{"type":"thinking","thinking":")", R"("}])", R"("thinking":")"},
        Case{R"("content":[{"type":"thinking","thinking":[{"type":"text","text":")", R"("}]}])", R"("text":")"}}) {
    ChatStreamGuard guard(*policy_, context_);
    std::vector<std::string> all;
    for (const auto* piece : {"ask bo@x", ".org 41111111", "11111111 n", "ow"}) {
      for (auto& payload : guard.feed(delta_chunk(one.before + std::string(piece) + one.behind)).value())
        all.push_back(payload);
    }
    for (auto& payload : guard.feed(finish_chunk()).value()) all.push_back(payload);
    EXPECT_EQ(joined(all, one.field), "ask [EMAIL_2] [CREDIT_CARD_1] now") << one.before;
  }
}

TEST_F(ChatStream, PartsOfOneChunkAreOneText) {
  const auto parts = [](std::string_view finish) {
    return R"({"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"to bo@"},{"type":"image_url","image_url":)"
           R"({"url":"https://x.org/by bo@x.org"}},{"type":"text","text":"x.org n"},{"type":"text","text":"ow"}]})" +
           std::string(finish) + "}]}";
  };
  auto all = feed(parts(""));
  for (auto& payload : *guard_.finish()) all.push_back(payload);
  EXPECT_EQ(joined(all, R"("text":")"), "to [EMAIL_2] now");
  EXPECT_NE(all.at(0).find("by [EMAIL_2]"), std::string::npos);
  ChatStreamGuard guard(*policy_, context_);
  EXPECT_EQ(joined(*guard.feed(parts(R"(,"finish_reason":"stop")")), R"("text":")"), "to [EMAIL_2] now");
}

TEST_F(ChatStream, LegacyCompletionsAreFollowedToo) {
  const auto chunk = [](std::string_view text) {
    std::string out = R"({"id":"c","object":"text_completion","choices":[{"index":1,"text":)";
    append_json_string(out, text);
    return out + R"(,"finish_reason":null}]})";
  };
  EXPECT_EQ(feed(chunk("plain ")), std::vector<std::string>{chunk("plain ")});
  auto all = feed(chunk("ask bo@x"));
  for (auto& payload : feed(chunk(".org now"))) all.push_back(payload);
  for (auto& payload : *guard_.finish()) all.push_back(payload);
  EXPECT_EQ(joined(all, R"("text":")"), "ask [EMAIL_2] now");
  EXPECT_EQ(all.back(), chunk("now"));
}

TEST_F(ChatStream, WhatComesBehindTheFinishIsSeenWithWhatStoodBefore) {
  feed(content_chunk("card 4111 1111 "));
  feed(finish_chunk());
  EXPECT_EQ(text_of(feed(content_chunk("1111 "))), "1111 ");
  EXPECT_EQ(text_of(feed(content_chunk("1111 "))), "") << "with what is out it would be a card number";
  EXPECT_EQ(text_of(feed(content_chunk("or bo@x.org "))), "or [EMAIL_2] ");
  EXPECT_EQ(text_of(feed(content_chunk("ok"))), "ok");
}

TEST_F(ChatStream, APiecemealAnswerSaysWhatTheWholeOneSays) {
  const std::string texts[] = {
      "ask bo@x.org, [EMAIL_1] or +44 20 7946 0123; card 4111 1111 1111 1111.",
      R"({"to":"bo@x.org","card":4111111111111111,"n":[1, -4.012888888881881e15 ],"a":"\u0040"})",
      R"({"card": 4111 1111 1111 1111, "phone": "2722352416"})",
      "[4111111111111111, null]",
      "[1] bo@x.org",
      "2722352416",
      R"({"bo@x.org":1,"an@x.org":"cut off bo@x.o)"};
  for (const std::string field : {"content", "refusal", "reasoning_content", "arguments"}) {
    const bool call = field == "arguments";
    const std::string before = (call ? R"("tool_calls":[{"index":0,"function":{")" : "\"") + field + "\":";
    const std::string behind = call ? "}}]" : "";
    for (const auto& text : texts) {
      TokenVault vault = vault_;
      auto context = test::context_for(vault, Direction::outbound);
      std::string literal;
      append_json_string(literal, text);
      const std::string whole = R"({"choices":[{"index":0,"message":{)" + before + literal + behind + "}}]}";
      const auto guarded = guard_json(*policy_, context, whole, JsonProfile::chat_response).value();
      for (std::size_t step = 1; step <= text.size(); ++step) {
        vault = vault_;
        ChatStreamGuard guard(*policy_, context);
        std::string all;
        const auto add = [&](const std::vector<std::string>& payloads) {
          for (const auto& payload : payloads) {
            const auto document = parse_json(payload).value();
            const auto& delta = document.at("choices").at(0).at("delta");
            const auto& holder = call ? delta.at("tool_calls").at(0).at("function") : delta;
            all += string_member(holder, field);
          }
        };
        for (std::size_t at = 0; at < text.size(); at += step) {
          literal.clear();
          append_json_string(literal, text.substr(at, step));
          add(guard.feed(delta_chunk(before + literal + behind)).value());
        }
        add(guard.finish().value());
        literal.clear();
        append_json_string(literal, all);
        ASSERT_EQ(R"({"choices":[{"index":0,"message":{)" + before + literal + behind + "}}]}",
                  guarded.changed ? guarded.json : whole)
            << "step " << step;
      }
    }
  }
}

TEST_F(ChatStream, AFunctionsNameStandsBeforeItsArguments) {
  const auto call = delta_chunk(
      R"("tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"get_weather","arguments":""}}])");
  EXPECT_EQ(feed(call), std::vector<std::string>{call});
  std::vector<std::string> all = feed(delta_chunk(R"("tool_calls":[{"index":1,"function":{"name":"get_"}}])"));
  for (auto& payload : feed(delta_chunk(R"("tool_calls":[{"index":1,"function":{"name":"time"}}])")))
    all.push_back(payload);
  for (auto& payload : feed(delta_chunk(R"("tool_calls":[{"index":1,"function":{"arguments":"{\"a\":1}"}}])")))
    all.push_back(payload);
  EXPECT_EQ(joined(all, R"("name":")"), "get_time");
  EXPECT_LT(all.at(all.size() - 2).find("time"), std::string::npos) << "the name comes first";
  EXPECT_EQ(text_of(all, "arguments"), R"({"a":1})");
}

TEST_F(ChatStream, AFunctionsNameIsNobodys) {
  const auto policy = test::load("{name: g, version: 1, rules: [{types: [PERSON], min_score: 0.3, action: redact}]}");
  const auto said = [&](std::vector<std::string> pieces) {
    ChatStreamGuard guard(*policy, context_);
    std::vector<std::string> all;
    for (const auto& piece : pieces) {
      for (auto& payload :
           *guard.feed(delta_chunk(R"("tool_calls":[{"index":0,"function":{"name":")" + piece + R"("}}])")))
        all.push_back(payload);
    }
    for (auto& payload : *guard.finish()) all.push_back(payload);
    return joined(all, R"("name":")");
  };
  EXPECT_EQ(said({"Marta_", "Weber"}), "Marta_Weber");
  EXPECT_EQ(said({"Charlotte"}), "Charlotte");
  EXPECT_EQ(said({"Call Marta Weber", " now"}), "[PERSON] now") << "it is no name of a program";
}

TEST_F(ChatStream, ANameThatGoesOnBehindItsArgumentsSaysNothing) {
  std::vector<std::string> all;
  for (const auto* piece : {"get_", "bo@x", ".org", "x"}) {
    for (auto& payload : feed(delta_chunk(R"("tool_calls":[{"index":0,"function":{"arguments":"","name":")" +
                                          std::string(piece) + R"("}}])")))
      all.push_back(payload);
  }
  EXPECT_EQ(joined(all, R"("name":")"), "get_bo@xx");
}

TEST_F(ChatStream, WhatGoesOnBehindItsEndIsJudgedByWhatStoodBeforeIt) {
  const auto said = [&](std::string_view field, std::string_view before, std::string_view late) {
    ChatStreamGuard guard(*policy_, context_);
    std::vector<std::string> all;
    for (const auto text : {before, late}) {
      std::string delta;
      append_json_string(delta, text);
      delta = field == "content" ? R"("content":)" + delta
                                 : R"("tool_calls":[{"index":0,"function":{"arguments":)" + delta + "}}]";
      for (const auto& payload : {delta_chunk(delta), finish_chunk(0)}) {
        for (auto& out : *guard.feed(payload)) all.push_back(std::move(out));
      }
    }
    EXPECT_LE(guard.findings().size(), 2U) << "what was found before is not found again";
    return text_of(all, field);
  };
  EXPECT_EQ(said("content", "the card 4111 1111 ", "1111 1111 expired"), "the card 4111 1111 ");
  EXPECT_EQ(said("content", "to bo@x.org ", "and an@y.org too"), "to [EMAIL_2] and [EMAIL_3] too");
  EXPECT_EQ(said("content", "to bo@x", ".org"), "to bo@x");
  EXPECT_EQ(said("content", "and so", " it goes on"), "and so it goes on");
  EXPECT_EQ(said("arguments", R"({"to":"bo@x)", R"(.org"})"), R"({"to":"bo@x)");
  EXPECT_EQ(said("arguments", R"({"password": )", R"("Tr0ub4dor&3x"})").find("Tr0ub4dor"), std::string::npos);
  EXPECT_EQ(said("arguments", R"({"password": "Tr0ub)", R"(4dor&3x"})").find("4dor"), std::string::npos);
}

TEST_F(ChatStream, NumbersAndNamesBesideTheTextsAreLookedAtToo) {
  EXPECT_EQ(
      feed(R"({"created":4111111111111111,"bo@x.org":1,"x":{"card":4111111111111111,"n":5},"choices":[{"index":0,)"
           R"("delta":{"extra":{"bo@x.org":-4111111111111111}}}],"usage":{"total_tokens":4111111111111111}})"),
      std::vector<std::string>{
          R"({"created":4111111111111111,"[EMAIL_2]":1,"x":{"card":"[CREDIT_CARD_1]","n":5},"choices":[{"index":0,)"
          R"("delta":{"extra":{"[EMAIL_2]":"[CREDIT_CARD_1]"}}}],"usage":{"total_tokens":4111111111111111}})"});
}

TEST_F(ChatStream, WhatStandsBesideTheTextsIsLookedAtToo) {
  const auto out = feed(
      R"({"id":"bo@x.org","model":"m bo@x.org","note":["bo@x.org"],"choices":[{"index":0,"delta":{"role":"assistant",)"
      R"("content":"","images":[{"alt":"by bo@x.org"}],"tool_calls":[{"index":0,"id":"bo@x.org","function":)"
      R"({"name":"to bo@x.org","arguments":""}}]},"why":"bo@x.org","finish_reason":null}],"usage":{"who":"bo@x.org"}})");
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(
      out[0],
      R"({"id":"[EMAIL_2]","model":"m [EMAIL_2]","note":["[EMAIL_2]"],"choices":[{"index":0,"delta":{"role":"assistant",)"
      R"("content":"","images":[{"alt":"by [EMAIL_2]"}],"tool_calls":[{"index":0,"id":"[EMAIL_2]","function":)"
      R"({"name":"to [EMAIL_2]","arguments":""}}]},"why":"[EMAIL_2]","finish_reason":null}],"usage":{"who":"[EMAIL_2]"}})");
  EXPECT_EQ(guard_.findings().size(), 8U);
  // What is sent of its own accord repeats none of it.
  feed(R"({"id":"bo@x.org","choices":[{"index":0,"delta":{"content":"wor"}}]})");
  const auto rest = guard_.finish();
  ASSERT_TRUE(rest && rest->size() == 1);
  for (const auto& payload : *rest) EXPECT_EQ(payload.find("bo@x"), std::string::npos) << payload;
}

TEST_F(ChatStream, RefusesWhatIsNoChunk) {
  EXPECT_EQ(guard_.feed("{\"choices\":[{\"delta\":{\"content\":\"x").error().code, Errc::upstream_invalid);
  EXPECT_TRUE(guard_.feed(content_chunk("x ")).value().empty()) << "nothing passes after an error";
}

TEST(ChatStreamBlock, NothingComesAfterIt) {
  const auto policy = test::load("{name: b, version: 1, rules: [{types: [EMAIL], action: block}]}");
  TokenVault vault;
  auto context = test::context_for(vault, Direction::outbound);
  ChatStreamGuard guard(*policy, context);
  EXPECT_EQ(guard.feed(content_chunk("to a@b.org ")).value().size(), 1U);
  EXPECT_EQ(guard.verdict(), Verdict::block);
  EXPECT_TRUE(guard.feed(content_chunk("more ")).value().empty());
}

}  // namespace
}  // namespace sb::policy
