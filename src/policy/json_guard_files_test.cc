// Files in requests: text is treated as text, whatever their head says, and coded again as it was.
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/json.h"

#include "policy/json_guard_testing.h"

namespace sb::policy {
namespace {

class JsonGuardFiles : public test::JsonGuard {};

std::string with_file(std::string_view head, std::string_view text) {
  return R"({"messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.csv","file_data":")" +
         std::string(head) + to_base64(text) + R"("}}]}]})";
}

TEST_F(JsonGuardFiles, TextInFilesIsTreatedAsText) {
  for (const std::string_view head : {"data:text/csv;base64,",
                                      "data:application/json;base64,",
                                      "",
                                      "data:text/plain;charset=utf-8;base64,",
                                      "DATA:Text/Plain;base64,",
                                      "data:text/plain;name=a.txt;base64,",
                                      "data:text/plain;format=flowed;base64,",
                                      "data:text/plain;charset=utf-8;name=notes.txt;base64,",
                                      "data:;base64,",
                                      "data:base64,",
                                      "data:;charset=utf-8;base64,",
                                      "data:text/plain; base64,",
                                      "data:text/plain;base64, ",
                                      " data:text/plain;base64,",
                                      " ",
                                      "data:application/octet-stream;base64,",
                                      "data:message/rfc822;base64,",
                                      "data:application/rtf;base64,",
                                      "data:application/csv;base64,",
                                      "data:application/typescript;base64,",
                                      "data:image/png;base64,"}) {
    const auto guarded = guard(with_file(head, "name,mail\nAnn,ann@x.org\n"), JsonProfile::chat_request);
    EXPECT_EQ(guarded.json, with_file(head, "name,mail\nAnn,[EMAIL_1]\n")) << head;
    EXPECT_EQ(guarded.verdict, Verdict::changed);
    EXPECT_EQ(guarded.findings.size(), 1U);
  }
}

// As `base64 FILE` and mail programs print it.
TEST_F(JsonGuardFiles, TextInFilesIsReadOverLineEndsAndKeepsThem) {
  std::string end;
  const auto in_lines = [&end](std::string_view text) {
    constexpr std::size_t kWidth = 76;
    const auto base64 = to_base64(text);
    std::string out;
    for (std::size_t at = 0; at < base64.size(); at += kWidth) out += base64.substr(at, kWidth) + end;
    return out;
  };
  const auto file = [&](std::string_view head, std::string_view mail) {
    const auto lines = in_lines("name,mail\nAnn," + std::string(mail) + "\n" + std::string(200, 'y'));
    return R"({"messages":[{"role":"user","content":[{"type":"file","file":{"file_data":")" + std::string(head) +
           lines + R"("}}]}]})";
  };
  for (const char* one : {R"(\n)", R"(\r\n)"}) {
    end = one;
    for (const std::string_view head : {"", "data:text/plain;base64,", "data:application/octet-stream;base64,"}) {
      const auto guarded = guard(file(head, "ann@x.org"), JsonProfile::chat_request);
      EXPECT_EQ(guarded.json, file(head, "[EMAIL_1]")) << head << end;
      EXPECT_FALSE(guard(file(head, "none"), JsonProfile::chat_request).changed) << head << end;
    }
  }
}

TEST_F(JsonGuardFiles, WhatAFilesHeadSaysIsText) {
  const auto guarded = guard(with_file("data:text/plain;name=4111111111111111;base64,", "to ann@x.org, who asked"),
                             JsonProfile::chat_request);
  EXPECT_EQ(guarded.json, with_file("data:text/plain;name=[CREDIT_CARD_1];base64,", "to [EMAIL_1], who asked"));
}

TEST_F(JsonGuardFiles, PicturesAreNoText) {
  const std::string picture =
      "\x89PNG\r\n\x1a\n" + std::string("\0\0\0\rIHDR", 8) + " ann@x.org " + std::string(80, '\x01');
  for (const std::string_view head : {"data:image/png;base64,", "data:application/octet-stream;base64,", ""})
    EXPECT_FALSE(guard(with_file(head, picture), JsonProfile::chat_request).changed) << head;
}

// Of a file that Windows programs write. "\xd8\x3d\xde\x00" is a picture, two units of UTF-16.
TEST_F(JsonGuardFiles, TextInUtf16FilesIsTreatedAsTextAndCodedAgain) {
  const auto units = [](std::string_view ascii, bool little) {
    std::string out;
    for (const char c : ascii) out += little ? std::string{c, '\0'} : std::string{'\0', c};
    return out + (little ? std::string("\x3d\xd8\x00\xde", 4) : std::string("\xd8\x3d\xde\x00", 4));
  };
  struct Case {
    std::string_view head, mark;
    bool little;
    std::string_view rest = "";
  };
  for (const auto& [head, mark, little, rest] : {
           Case{"data:text/csv;base64,", "\xff\xfe", true}, Case{"data:text/csv;base64,", "\xfe\xff", false},
           Case{"", "\xff\xfe", true}, Case{"", "\xfe\xff", false},
           Case{"data:text/plain;charset=UTF-16LE;base64,", "", true},
           Case{"data:text/plain;charset=utf-16;base64,", "", false},  // it says no order: the zeros do
           Case{"data:text/plain;base64,", "", true}, Case{"", "", false},
           Case{"data:text/csv;base64,", "\xff\xfe", true, "x"},  // half a unit
       }) {
    const auto file = [&](std::string_view text) {
      return with_file(head, std::string(mark) + units(text, little) + std::string(rest));
    };
    const auto guarded = guard(file("name,mail\nAnn,ann@x.org\n"), JsonProfile::chat_request);
    EXPECT_EQ(guarded.json, file("name,mail\nAnn,[EMAIL_1]\n")) << head << (little ? " little" : " big");
    EXPECT_FALSE(guard(file("name,mail\nAnn,none\n"), JsonProfile::chat_request).changed) << head;
  }
}

// Half a surrogate pair alone is no character, and stays what it was.
// Who reads the file may not believe what it says of itself.
TEST_F(JsonGuardFiles, AFileThatSaysItIsUtf16AndIsNotIsReadAsItStandsToo) {
  std::string wide;
  for (const char c : std::string_view("this is plain text, of UTF-16 ok")) wide += {c, '\0'};
  const std::string card = "My card is 4012 8888 8888 1881 ok";
  for (const auto& [head, bytes] :
       {std::pair<std::string, std::string>("data:text/plain;charset=utf-16le;base64,", card),
        {"data:text/plain;base64,", "\xff\xfe" + card},
        {"data:text/plain;base64,", wide + card}}) {
    const auto guarded = guard(with_file(head, bytes), JsonProfile::chat_request);
    EXPECT_EQ(guarded.verdict, Verdict::changed) << head;
    EXPECT_EQ(guarded.json.find(to_base64(card).substr(16, 24)), std::string::npos) << head;
  }
}

TEST_F(JsonGuardFiles, BrokenUtf16ComesBackAsItWas) {
  const std::string_view head = "data:text/plain;base64,";
  const auto units = [](std::string_view ascii) {
    std::string out = "\xff\xfe";
    for (const char c : ascii) out += {c, '\0'};
    return out;
  };
  const std::string half("\x00\xd8", 2);
  const auto guarded = guard(with_file(head, units("to ann@x.org ") + half + half), JsonProfile::chat_request);
  EXPECT_EQ(guarded.json, with_file(head, units("to [EMAIL_1] ") + half + half));
}

TEST_F(JsonGuardFiles, JsonInAFileStaysJson) {
  const std::string head = "data:application/json;base64,";
  const auto guarded = guard(with_file(head, R"({"card":4111111111111111,"n":7})"), JsonProfile::chat_request);
  EXPECT_EQ(guarded.json, with_file(head, R"({"card":"[CREDIT_CARD_1]","n":7})"));
}

TEST_F(JsonGuardFiles, FilesWithNothingToTreatStayAsTheyAre) {
  for (const std::string text : {"name,mail\nAnn,none\n", "", "plain words and no more than that"}) {
    for (const std::string_view head : {"data:text/csv;base64,", ""})
      EXPECT_FALSE(guard(with_file(head, text), JsonProfile::chat_request).changed) << text;
  }
  // Not padded and in the other alphabet: a file that nobody changes keeps its spelling.
  EXPECT_FALSE(guard(R"({"messages":[{"role":"user","content":[{"type":"file","file":{"file_data":)"
                     R"("data:text/plain;base64,Pz8-Pz8_IGhlbGxvIHlvdQ"}}]}]})",
                     JsonProfile::chat_request)
                   .changed);
}

TEST_F(JsonGuardFiles, WhatAVendorCallsAFileIsLookedAtToo) {
  const std::string begin = R"({"messages":[{"role":"user","content":[{"type":"input_file","file_data":")";
  const auto guarded = guard(begin + to_base64("write to ann@x.org") + R"("}]}]})", JsonProfile::chat_request);
  EXPECT_EQ(guarded.json, begin + to_base64("write to [EMAIL_1]") + R"("}]}]})");
}

}  // namespace
}  // namespace sb::policy
