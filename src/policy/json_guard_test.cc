#include "policy/json_guard.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/json.h"

#include "policy/json_guard_testing.h"
#include "policy/stand_ins.h"
#include "policy/test_policies.h"

namespace sb::policy {
namespace {

using test::JsonGuard;

TEST_F(JsonGuard, OnlyTheLeavesThatHoldSomethingChange) {
  const auto result = guard(R"( {"model" : "bob-4:free", "x":[1, 2.50,"\u00e9 \/"],
  "messages":[{"role":"user","content":"I am \"Ann\" ann@x.org\n"} ] , "unknown":null})",
                            JsonProfile::chat_request);
  EXPECT_EQ(result.verdict, Verdict::changed);
  EXPECT_EQ(result.json, R"( {"model" : "bob-4:free", "x":[1, 2.50,"\u00e9 \/"],
  "messages":[{"role":"user","content":"I am \"Ann\" [EMAIL_1]\n"} ] , "unknown":null})");
  EXPECT_EQ(result.last_user_text, "I am \"Ann\" [EMAIL_1]\n");
}

TEST_F(JsonGuard, ACleanDocumentIsNotCopied) {
  const auto result = guard(R"({"messages":[{"role":"user","content":"hello"}]})", JsonProfile::chat_request);
  EXPECT_FALSE(result.changed);
  EXPECT_TRUE(result.json.empty());
  EXPECT_EQ(result.verdict, Verdict::allow);
}

TEST_F(JsonGuard, ToolArgumentsAreJsonInAString) {
  const auto result = guard(
      R"({"choices":[{"message":{"tool_calls":[{"id":"call_4111111111111111","function":{"name":"mail",)"
      R"("arguments":"{\"to\":\"ann@x.org\",\"card\":4012888888881881,\"q\":\"{\\\"m\\\":\\\"bo@x.org\\\"}\"}"}}]}}]})",
      JsonProfile::chat_response);
  EXPECT_EQ(
      result.json,
      R"({"choices":[{"message":{"tool_calls":[{"id":"call_4111111111111111","function":{"name":"mail",)"
      R"("arguments":"{\"to\":\"[EMAIL_1]\",\"card\":\"[CREDIT_CARD_1]\",\"q\":\"{\\\"m\\\":\\\"[EMAIL_2]\\\"}\"}"}}]}}]})");
}

TEST_F(JsonGuard, ASecretIsKnownByTheNameOfItsMember) {
  const std::string_view secrets[] = {"hunter2hunter", "abcDEF123456ghiJKL", "8f3a9b2c1d4e5f60718293a4b5c6d7e8",
                                      "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "Kq82nfTz01LmVv9cRwYs"};
  const std::string long_name = std::string(100, 'x') + "_of_the_payment_service_for_invoices_client_secret";
  const std::string members =
      R"({")" + long_name +
      R"(":"Kq82nfTz01LmVv9cRwYs","db":{"user":"root","password":"hunter2hunter"},"client_secret":"abcDEF123456ghiJKL",)"
      R"("x-api-key":"8f3a9b2c1d4e5f60718293a4b5c6d7e8","AWS_SECRET_ACCESS_KEY":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"})";
  std::string content;
  append_json_escaped(content, members);
  const std::string documents[] = {
      R"({"messages":[{"role":"tool","tool_call_id":"c","content":")" + content + R"("}]})",
      R"({"messages":[],"metadata":)" + members + "}"};
  for (const auto& document : documents) {
    const auto result = guard(document, JsonProfile::chat_request);
    for (const auto secret : secrets) EXPECT_EQ(result.json.find(secret), std::string::npos) << secret << result.json;
    EXPECT_NE(result.json.find("root"), std::string::npos) << document;
    EXPECT_TRUE(parse_json(result.json));
  }
  const auto plain = guard(R"({"password":"none","token":"next page","secret":"${SECRET}"})", JsonProfile::any);
  EXPECT_FALSE(plain.changed) << plain.json;
}

TEST_F(JsonGuard, WhatIsCalledBase64IsTextWhereItIsNot) {
  const std::string picture(80, 'A');
  const auto content = [&](std::string_view text) {
    return guard(R"({"messages":[{"role":"user","content":")" + std::string(text) + picture + R"("}]})",
                 JsonProfile::chat_request);
  };
  EXPECT_FALSE(content("data:image/png;base64,").changed);
  EXPECT_FALSE(content("data:application/vnd.ms-excel;base64,").changed);
  for (const char* text : {"data:my card is 5555 5555 5555 4444;base64,", "data:image/5555555555554444;base64,",
                           "data:image/png;name=5555555555554444;base64,", "data:text/plain,ann@pages.org;base64,"})
    EXPECT_TRUE(content(text).changed) << text;
}

TEST_F(JsonGuard, IdentifiersAreTextWhereTheyAreNone) {
  EXPECT_EQ(guard(R"({"id":"ann@x.org","model":"of ann@x.org","tool_calls":[{"id":"ann@x.org"}]})",
                  JsonProfile::chat_response)
                .json,
            R"({"id":"[EMAIL_1]","model":"of [EMAIL_1]","tool_calls":[{"id":"[EMAIL_1]"}]})");
  EXPECT_FALSE(
      guard(R"({"id":"chatcmpl-4111111111111111","model":"a/b@20240620"})", JsonProfile::chat_response).changed);
}

TEST_F(JsonGuard, ChatDocumentsKeepTheProtocolsNumbersAndNoOthers) {
  const std::string request =
      R"({"model":"m-2024-08-06","temperature":0.4,"seed":-41111111,"max_tokens":1000000,"n":1,)"
      R"("logit_bias":{"50256":-100},"messages":[]})";
  EXPECT_FALSE(guard(request, JsonProfile::chat_request).changed);
  const std::string answer = R"({"id":"c","created":4111111111111111,"choices":[{"index":4111111111111111}],)"
                             R"("usage":{"total_tokens":4111111111111111,"details":{"x":4111111111111111}}})";
  EXPECT_FALSE(guard(answer, JsonProfile::chat_response).changed);
  EXPECT_EQ(guard(R"({"tools":[{"type":"function","function":{"name":"f","parameters":{"const":4111111111111111,)"
                  R"("default":-4111111111111111,"enum":[4111111111111111.0],"seed":4111111111111111}}}],)"
                  R"("metadata":{"card":4111111111111111,"ann@x.org":"x"},"ann@x.org":1,"messages":[{"bo@x.org":2}]})",
                  JsonProfile::chat_request)
                .json,
            R"({"tools":[{"type":"function","function":{"name":"f","parameters":{"const":"[CREDIT_CARD_1]",)"
            R"("default":"[CREDIT_CARD_1]","enum":["[CREDIT_CARD_1]"],"seed":"[CREDIT_CARD_1]"}}}],)"
            R"("metadata":{"card":"[CREDIT_CARD_1]","[EMAIL_1]":"x"},"[EMAIL_1]":1,"messages":[{"[EMAIL_2]":2}]})");
  EXPECT_EQ(guard(R"({"choices":[{"message":{"x":4111111111111111,"ann@x.org":1}}]})", JsonProfile::chat_response).json,
            R"({"choices":[{"message":{"x":"[CREDIT_CARD_1]","[EMAIL_1]":1}}]})");
}

TEST_F(JsonGuard, AnIntegerIsOneHoweverItIsWritten) {
  EXPECT_EQ(guard(R"({"a":-4111111111111111,"b":[4111111111111111.0, 4.111111111111111e15 ],"c":4111111111111111.)" +
                      std::string(90, '0') + "}",
                  JsonProfile::any)
                .json,
            R"({"a":"[CREDIT_CARD_1]","b":["[CREDIT_CARD_1]", "[CREDIT_CARD_1]" ],"c":"[CREDIT_CARD_1]"})");
  EXPECT_FALSE(
      guard(R"({"a":[0.4111111111111111,4.111111111111111,1e400,)" + std::string(400, '4') + "]}", JsonProfile::any)
          .changed);
}

TEST_F(JsonGuard, MembersAreIdentifiersWhereTheProtocolHasThemAlone) {
  const std::string base64 = "4111111111111111" + std::string(80, 'A');
  EXPECT_EQ(guard(R"({"metadata":{"id":"4111111111111111","type":"4111111111111111","data":")" + base64 + R"("},)" +
                      R"("tools":[{"type":"function","function":{"parameters":{"id":"4111111111111111"}}}],)" +
                      R"("messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":")" +
                      base64 + R"(","format":"wav"}},{"type":"file","file":{"file_data":")" + base64 + R"("}}]},)" +
                      R"({"role":"assistant","tool_calls":[{"id":"call_4111","type":"function"}]},)" +
                      R"({"role":"tool","tool_call_id":"call_4111","content":"{\"id\":\"4111111111111111\"}"}]})",
                  JsonProfile::chat_request)
                .json,
            R"({"metadata":{"id":"[CREDIT_CARD_1]","type":"[CREDIT_CARD_1]","data":")" + base64 + R"("},)" +
                R"("tools":[{"type":"function","function":{"parameters":{"id":"[CREDIT_CARD_1]"}}}],)" +
                R"("messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":")" + base64 +
                R"(","format":"wav"}},{"type":"file","file":{"file_data":")" + base64 + R"("}}]},)" +
                R"({"role":"assistant","tool_calls":[{"id":"call_4111","type":"function"}]},)" +
                R"({"role":"tool","tool_call_id":"call_4111","content":"{\"id\":\"[CREDIT_CARD_1]\"}"}]})");
  const std::string key = "sk-proj-aB3xaB3xaB3xaB3xaB3xaB3xaB3xaB3xaB3xaB3xaB3xaB3xaB3xaB3xaB3xaB3xaB3x";
  EXPECT_TRUE(guard(R"({"data":")" + key + "\"}", JsonProfile::any).changed);
  EXPECT_TRUE(guard(R"({"metadata":{"data":")" + key + "\"}}", JsonProfile::chat_request).changed);
  EXPECT_FALSE(guard(R"({"picture":"iVBORw0KGgo)" + base64 + "\"}", JsonProfile::any).changed);
}

TEST_F(JsonGuard, AReferenceGetsAStandInThatIsTheSameWhereverItStands) {
  const auto calls = [](std::string_view id) {
    const std::string text(id);
    return R"({"messages":[{"role":"assistant","tool_calls":[{"id":")" + text + R"(","type":"function"}]},)" +
           R"({"role":"tool","tool_call_id":")" + text + R"(","content":"x"}]})";
  };
  for (const char* id : {"call_4111111111111111", "DE89370400440532013000", "of ann@x.org"}) {
    for (const char* action : {"tokenise", "redact", "mask"}) {
      policy_ = test::load(
          "{name: p, version: 1, rules: [{types: [CREDIT_CARD, IBAN, EMAIL], action: " + std::string(action) + "}]}");
      const auto guarded = guard(calls(id), JsonProfile::chat_request);
      EXPECT_EQ(guarded.verdict, Verdict::changed);
      const auto document = parse_json(guarded.json);
      ASSERT_TRUE(document);
      const auto& messages = document->at("messages");
      const std::string_view made = messages.at(0).at("tool_calls").at(0).at("id").as_string();
      EXPECT_EQ(made, std::string_view(messages.at(1).at("tool_call_id").as_string()));
      EXPECT_EQ(made.size(), std::string_view(id).size());
      EXPECT_EQ(made.find_first_of("0123456789"), std::string_view::npos) << made;
      EXPECT_NE(made, stand_in_for(test::kKey, "call_4111111111111112"));
      EXPECT_EQ(made, stand_in_for(test::kKey, id));
    }
  }
  EXPECT_FALSE(guard(calls("call_1"), JsonProfile::chat_request).changed);
}

// A file's part of a request with this text in it.
// A request of messages with these contents; "assistant: ..." is another role's.
std::string conversation(const std::vector<std::string>& contents) {
  std::string json = R"({"model":"m","messages":[)";
  for (const auto& content : contents) {
    constexpr std::string_view kOther = "assistant: ";
    const bool other = content.starts_with(kOther);
    if (!json.ends_with('[')) json += ',';
    const auto said = other ? content.substr(kOther.size()) : content;
    json += std::string(R"({"role":")") + (other ? "assistant" : "user") + R"(","content":)";
    json += said.starts_with("[{") ? said : '"' + said + '"';
    json += '}';
  }
  return json + "]}";
}

TEST_F(JsonGuard, ANumberCutOverMessagesOfOneRoleIsFound) {
  struct Case {
    std::vector<std::string> said, goes_on;
  };
  for (const auto& [said, goes_on] : {
           Case{{"my card is 4111 1111", "1111 1111 it is"}, {"my card is [CREDIT_CARD_1]", " it is"}},
           Case{{"my card is 4111 1111", "assistant: go on", "1111 1111"},
                {"my card is [CREDIT_CARD_1]", "assistant: go on", ""}},
           Case{{"my card is 4111 11", "11 1111 1111, thanks"}, {"my card is [CREDIT_CARD_1]", ", thanks"}},
           Case{{"card 4111", "assistant: and?", "1111", "1111", "1111 ok"},
                {"card [CREDIT_CARD_1]", "assistant: and?", "", "", " ok"}},
           Case{{"pay to DE89 3704 0044", "0532 0130 00"}, {"pay to [IBAN_1]", ""}},
           Case{{R"([{"type":"text","text":"so:"},{"type":"text","text":"4111 1111"}])", "1111 1111, ann@x.org"},
                {R"([{"type":"text","text":"so:"},{"type":"text","text":"[CREDIT_CARD_1]"}])", ", [EMAIL_1]"}},
           Case{{"ann@x.org 4111 1111", std::string("1111 1111 ") + std::string(600, 'x') + " 5500 0000", "0000 0004"},
                {"[EMAIL_1] [CREDIT_CARD_1]", " " + std::string(600, 'x') + " [CREDIT_CARD_2]", ""}},
       }) {
    const auto guarded = guard(conversation(said), JsonProfile::chat_request);
    EXPECT_EQ(guarded.json, conversation(goes_on)) << conversation(said);
    EXPECT_EQ(guarded.verdict, Verdict::changed);
  }
}

TEST_F(JsonGuard, MessagesThatHappenToEndAndBeginWithNumbersStayApart) {
  for (const auto& said : std::vector<std::vector<std::string>>{
           {"I need 4111", "1111 of them"},
           {"assistant: the code is 4111 1111", "1111 1111"},
           {"it was in 2024", "03 18 at 10 15"},
           {"order 48213377", "12 pieces"},
           {"ask for ann", "at 12"},
           {"1. 4111 1111 2024", "2. 1111 1111"},
       })
    EXPECT_FALSE(guard(conversation(said), JsonProfile::chat_request).changed) << conversation(said);
}

TEST_F(JsonGuard, ABrokenRequestIsRefusedAsBefore) {
  const auto whole = conversation({"my card is 4111 1111", "1111 1111"});
  for (std::size_t size = 1; size < whole.size(); ++size) {
    GuardContext context = test::context_for(vault_);
    EXPECT_FALSE(guard_json(*policy_, context, whole.substr(0, size), JsonProfile::chat_request)) << size;
  }
}

TEST_F(JsonGuard, ASeedWithAValueIsAnotherSeed) {
  const auto guarded = guard(R"({"model":"m","seed":4111111111111111,"messages":[]})", JsonProfile::chat_request);
  EXPECT_EQ(guarded.json, R"({"model":"m","seed":)" + std::to_string(stand_in_number(test::kKey, "4111111111111111")) +
                              R"(,"messages":[]})");
  EXPECT_LT(stand_in_number(test::kKey, "4111111111111111"), 1U << 20);
}

TEST_F(JsonGuard, WhatCannotBeChangedIsRefusedByItsName) {
  for (const auto& [field, request] : std::vector<std::pair<std::string, std::string>>{
           {"max_tokens", R"({"max_tokens":4111111111111111,"messages":[]})"},
           {"service_tier", R"({"service_tier":"4111111111111111","messages":[]})"},
           {"model", R"({"model":"of ann@x.org","messages":[]})"},
           {"url", R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":)"
                   R"("https://x.org/a.png?for=ann@x.org"}}]}]})"},
           {"file_id", R"({"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":)"
                       R"("4111111111111111"}}]}]})"}}) {
    const auto guarded = guard(request, JsonProfile::chat_request);
    EXPECT_EQ(guarded.verdict, Verdict::block) << request;
    EXPECT_EQ(guarded.fixed, field);
    EXPECT_EQ(guarded.json.find("4111111111111111"), std::string::npos) << guarded.json;
    EXPECT_EQ(guarded.json.find("ann@x.org"), std::string::npos) << guarded.json;
  }
  const std::string picture = "https://x.org/a.png";
  EXPECT_FALSE(guard(R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":")" + picture +
                         R"("}}]}]})",
                     JsonProfile::chat_request)
                   .changed);
}

TEST_F(JsonGuard, NamesOfProgramsAreNoNamesOfPersons) {
  policy_ = test::load(
      "{name: g, version: 1, rules: [{types: [PERSON, LOCATION, ORGANIZATION, SECRET, CREDIT_CARD], min_score: 0.3, "
      "action: redact}]}");
  const std::string schema =
      R"({"type":"object","properties":{"uri":{"type":"string","enum":["jenkins","Marta"]},"Anna":{"const":"Peter"}},)"
      R"("required":["uri","Anna"]})";
  const std::string request =
      R"({"messages":[{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"Charlotte","arguments":"{}"}}]}],)"
      R"("functions":[{"name":"jenkins","parameters":)" +
      schema + R"(}],"tools":[{"type":"function","function":{"name":"Marta_Weber","parameters":)" + schema +
      R"(}}],"response_format":{"type":"json_schema","json_schema":{"name":"Anna","schema":)" + schema + "}}}";
  EXPECT_FALSE(guard(request, JsonProfile::chat_request).changed) << guard(request, JsonProfile::chat_request).json;
  // Prose is prose, and other values are found in names, too.
  const auto other =
      guard(R"({"messages":[],"tools":[{"type":"function","function":{"name":"pay_4111111111111111",)"
            R"("description":"Asks Marta Weber of Hamburg.","parameters":{"properties":{"4111111111111111":)"
            R"({"description":"Say hello to Marta Weber."}}}}}],"metadata":{"by":"Marta Weber"}})",
            JsonProfile::chat_request)
          .json;
  EXPECT_EQ(other.find("4111111111111111"), std::string::npos) << other;
  EXPECT_EQ(other.find("Marta"), std::string::npos) << other;
}

TEST_F(JsonGuard, NamesThatBecameAlikeAreToldApart) {
  policy_ = test::load("{name: p, version: 1, rules: [{types: [EMAIL], action: redact}]}");
  EXPECT_EQ(guard(R"({"a@x.org":1,"b@x.org":{"c@x.org":2}})", JsonProfile::any).json,
            R"({"[EMAIL]":1,"[EMAIL]_2":{"[EMAIL]":2}})");
}

TEST_F(JsonGuard, ArgumentsForAPersonAreStillJson) {
  policy_ = test::load("{name: p, version: 1, rules: [{types: [EMAIL], action: route_to_human}]}");
  const auto result =
      guard(R"({"m":[{"arguments":"{\"to\":\"ann@x.org\",\"body\":\"Dear Ann\"}"}]})", JsonProfile::any);
  EXPECT_EQ(result.verdict, Verdict::human);
  EXPECT_EQ(result.json, R"({"m":[{"arguments":"{\"to\":\"[EMAIL]\",\"body\":\"Dear Ann\"}"}]})");
}

TEST_F(JsonGuard, AnAnswerOfVectorsIsLookedAtToo) {
  EXPECT_EQ(
      guard(R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.0123456789012345,-4.1e-05]}],)"
            R"("model":"text-embedding 3 of ann@x.org","usage":{"prompt_tokens":5},"note":"bo@x.org"})",
            JsonProfile::chat_response)
          .json,
      R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.0123456789012345,-4.1e-05]}],)"
      R"("model":"text-embedding 3 of [EMAIL_1]","usage":{"prompt_tokens":5},"note":"[EMAIL_2]"})");
  EXPECT_EQ(
      guard(R"({"data":[{"embedding":[0.5,"ann@x.org",1]},{"embedding":[1,2]}]})", JsonProfile::chat_response).json,
      R"({"data":[{"embedding":[0.5,"[EMAIL_1]",1]},{"embedding":[1,2]}]})");
  EXPECT_EQ(guard(R"({"input":[[1,15339,4111111111111111],"ann@x.org"]})", JsonProfile::any).json,
            R"({"input":[[1,15339,"[CREDIT_CARD_1]"],"[EMAIL_1]"]})");
}

TEST_F(JsonGuard, BrokenArgumentsAreLookedAtAsText) {
  const auto result = guard(R"({"m":[{"arguments":"{\"to\": ann@x.org"}]})", JsonProfile::chat_response);
  EXPECT_EQ(result.json, R"({"m":[{"arguments":"{\"to\": [EMAIL_1]"}]})");
  EXPECT_EQ(result.findings.size(), 1U);
}

TEST_F(JsonGuard, KeysGiveContextAndPayloadsAreSkipped) {
  const std::string image(400, 'A');
  const auto result =
      guard(R"({"phone":"2722352416","order":"2722352416","u":{"url":"data:image/png;base64,)" + image + R"("}})",
            JsonProfile::any);
  EXPECT_EQ(result.json,
            R"({"phone":"[PHONE_1]","order":"2722352416","u":{"url":"data:image/png;base64,)" + image + R"("}})");
  const auto hidden = guard(R"({"url":"data:text/plain;base64,)" + image + R"( ann@x.org"})", JsonProfile::any);
  EXPECT_TRUE(hidden.changed) << "what is not base64 is text";
}

TEST_F(JsonGuard, ReadsTheFeaturesOfARequest) {
  const auto result = guard(R"({"messages":[{"role":"system","content":"be kind"},{"content":"first","role":"user"},
    {"role":"assistant","content":null},{"role":"user","content":[{"type":"text","text":"what is"},
    {"type":"image_url","image_url":{"url":"https://x.example/a.png"}},{"type":"text","text":"this"}]}],
    "tools":[{"type":"function","function":{"name":"f"}}],"response_format":{"type":"json_schema","json_schema":{}}})",
                            JsonProfile::chat_request);
  EXPECT_EQ(result.last_user_text, "what is\nthis");
  EXPECT_EQ(result.features.message_count, 4U);
  EXPECT_EQ(result.features.text_bytes, 7U + 5U + 7U + 4U);
  EXPECT_TRUE(result.features.has_tools);
  EXPECT_TRUE(result.features.has_images);
  EXPECT_TRUE(result.features.wants_json);
  EXPECT_TRUE(result.features.has_json_schema);
  EXPECT_EQ(last_user_text(R"({"messages":[{"role":"user","content":"ann@x.org"}],"tools":[]})"), "ann@x.org");
  EXPECT_EQ(last_user_text("[]"), "");
}

TEST_F(JsonGuard, LogProbabilitiesGoWithTheTextTheyRepeat) {
  const std::string clean = R"({"choices":[{"logprobs":{"content":[{"token":"hi"}]},"message":{"content":"hi"}}]})";
  EXPECT_FALSE(guard(clean, JsonProfile::chat_response).changed);
  EXPECT_EQ(
      guard(
          R"({"choices":[{"logprobs":{"content":[{"token":"ann"},{"token":"@x.org"}]} ,"message":{"content":"ann@x.org"}}]})",
          JsonProfile::chat_response)
          .json,
      R"({"choices":[{"logprobs":null ,"message":{"content":"[EMAIL_1]"}}]})");
}

TEST_F(JsonGuard, LogProbabilitiesThatSpellAValueGo) {
  const auto result = guard(
      R"({"choices":[{"message":{"content":"hi"},"logprobs":{"content":[{"token":"ann@","bytes":[97]},{"token":"x.org"}]}}]})",
      JsonProfile::chat_response);
  EXPECT_EQ(result.json, R"({"choices":[{"message":{"content":"hi"},"logprobs":null}]})");
  EXPECT_EQ(result.findings.size(), 1U);
  EXPECT_TRUE(guard(R"({"choices":[{"logprobs":{"content":[{"token":"a","top_logprobs":[{"token":"ann@x.org"}]}]}}]})",
                    JsonProfile::chat_response)
                  .changed);
  EXPECT_EQ(guard(R"({"logprobs":{"content":"ann@x.org"}})", JsonProfile::chat_response).json,
            R"({"logprobs":{"content":"[EMAIL_1]"}})");
}

TEST_F(JsonGuard, RestoresTextAndArguments) {
  ASSERT_TRUE(vault_.token_for("NAME", "Ann \"A\" B\\"));
  EXPECT_EQ(restore_json(vault_, R"({"c":"Hi [NAME_1]","arguments":"{\"n\":\"[NAME_1]\"}"})").value(),
            R"({"c":"Hi Ann \"A\" B\\","arguments":"{\"n\":\"Ann \\\"A\\\" B\\\\\"}"})");
}

TEST_F(JsonGuard, WhatIsRestoredInAPieceOfJsonIsEscapedThroughout) {
  ASSERT_TRUE(vault_.token_for("NAME", "a \"b\""));
  EXPECT_EQ(restore_json(vault_, R"({"arguments":"{\"n\":\"[NAME_1]\"},{\"n\":\"[NAME_1]\"}"})").value(),
            R"({"arguments":"{\"n\":\"a \\\"b\\\"\"},{\"n\":\"a \\\"b\\\"\"}"})");
}

TEST_F(JsonGuard, RefusesWhatIsNotJson) {
  auto context = test::context_for(vault_);
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  for (const std::string& text : {std::string("{"), std::string("{\"a\":bob@x.org}"), std::string("{} x"),
                                  std::string(), std::string("{\"a\":\"\xff\"}"), std::string("{\"a\":01}"), deep,
                                  std::string("{\"a\" \"b\"}"), std::string("\"x\""), std::string("{\"a\":nul}")}) {
    const auto result = guard_json(*policy_, context, text, JsonProfile::any);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().code, Errc::invalid_argument) << text;
  }
  const auto large = guard_json(*policy_, context, std::string(kMaxJsonBytes + 1, ' '), JsonProfile::any);
  EXPECT_EQ(large.error().code, Errc::too_large);
}

std::string parts_request(const std::vector<std::string>& texts) {
  std::string out = R"({"messages":[{"role":"user","content":[)";
  for (std::size_t i = 0; i < texts.size(); ++i) {
    out += i > 0 ? R"(,{"type":"text","text":)" : R"({"type":"text","text":)";
    append_json_string(out, texts[i]);
    out += '}';
  }
  return out + "]}]}";
}

TEST(JsonGuardParts, AValueCutOverTextPartsIsFound) {
  const auto policy = test::load(test::kTokeniseAll);
  const std::string key = "-----BEGIN PRIVATE KEY-----\nMIIBVAIBADANBgkqhkiG9w0BAQEFAASC",
                    rest = "\nAT4wggE6AgEAAkEA\n-----END PRIVATE KEY-----";
  const std::string filler(20'000, '.');
  using Texts = std::vector<std::string>;
  for (const auto& [texts, expected] :
       std::vector<std::pair<Texts, Texts>>{{{"card 4111 1111", "1111 1111 ok"}, {"card [CREDIT_CARD_1]", " ok"}},
                                            {{"card 4111 1111 ", "1111 1111 ok"}, {"card [CREDIT_CARD_1]", " ok"}},
                                            {{"to bo@x", ".org", ", 1"}, {"to [EMAIL_1]", "", ", 1"}},
                                            {{"b", "o", "@", "x.o", "rg"}, {"[EMAIL_1]", "", "", "", ""}},
                                            {{filler + " bo@x", ".org " + filler + " an@x", ".org"},
                                             {filler + " [EMAIL_1]", " " + filler + " [EMAIL_2]", ""}},
                                            {{key, rest + " bye"}, {"[SECRET_1]", " bye"}},
                                            {{"an@x.org", "bo@x.org"}, {"[EMAIL_1]", "[EMAIL_2]"}},
                                            {{"one", "two"}, {"one", "two"}}}) {
    TokenVault vault;
    auto context = test::context_for(vault);
    std::vector<CheckedText> checked;
    context.texts = &checked;
    const auto guarded = guard_json(*policy, context, parts_request(texts), JsonProfile::chat_request);
    ASSERT_TRUE(guarded);
    EXPECT_EQ(guarded->changed ? guarded->json : parts_request(texts), parts_request(expected));
    ASSERT_EQ(checked.size(), 2U) << "as it stands, and put together";
    std::string lines, together;
    for (const auto& text : expected) {
      lines += (lines.empty() ? "" : "\n") + text;
      together += text;
    }
    EXPECT_EQ(checked[1].text, together);
    EXPECT_FALSE(checked[1].counts);
    if (!expected[0].empty() && !expected[1].empty()) EXPECT_EQ(checked[0].text, lines);
    EXPECT_EQ(guarded->last_user_text, checked[0].text);
  }
}

TEST(JsonGuardParts, ABlockedValueCutOverPartsIsBlocked) {
  const auto policy = test::load("{name: b, version: 1, rules: [{types: [CREDIT_CARD], action: block}]}");
  TokenVault vault;
  auto context = test::context_for(vault);
  const auto guarded =
      guard_json(*policy, context, parts_request({"4111 1111", "1111 1111"}), JsonProfile::chat_request);
  EXPECT_EQ(guarded->verdict, Verdict::block);
  EXPECT_EQ(guarded->findings.size(), 1U);
}

}  // namespace
}  // namespace sb::policy
