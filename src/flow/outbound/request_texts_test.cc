#include "flow/outbound/request_texts.h"

#include <gtest/gtest.h>

namespace sb::flow {
namespace {

HttpQuestion question(std::string url, json::object headers = {}) {
  HttpQuestion made;
  made.url = std::move(url);
  if (!headers.empty()) made.headers = std::move(headers);
  return made;
}

TEST(RequestTexts, ADocumentHasPathQueryAndHeadersAsTheOtherSideReadsThem) {
  const auto asked =
      question("https://h.example:8443/a%40b/c?q=4000%200566&x+y=1+2&bare#f", {{"x-note", "hi"}, {"n", 7}});
  EXPECT_EQ(RequestTexts(asked, {}).document(),
            R"([{"path":["a@b"]},{"path":["c"]},{"q":["4000 0566"]},{"x y":["1 2"]},{"bare":[""]},)"
            R"({"x-note":["hi"]},{"n":["7"]}])");
  EXPECT_EQ(RequestTexts(question("https://h.example"), {}).document(), "[]");
  EXPECT_EQ(RequestTexts(question("no url"), {}).document(), "[]");
  EXPECT_EQ(RequestTexts(question("http://h/%ff"), {}).document(), R"([{"path":["%ff"]}])") << "no text: as it stands";
}

TEST(RequestTexts, WhatThePolicyLeftAloneKeepsItsBytes) {
  auto asked = question("https://h.example/%7euser/?a=1&b=%2f", {{"x-note", "hi"}});
  const auto before = asked.url;
  const RequestTexts texts(asked, {});
  texts.put_back(*parse_json(texts.document()), asked);
  EXPECT_EQ(asked.url, before);
  EXPECT_EQ(to_text(asked.headers), R"({"x-note":"hi"})");
}

TEST(RequestTexts, WhatThePolicyChangedIsEncodedAnew) {
  auto asked =
      question("https://h.example/to/ann%40pages.org?mail=ann%40pages.org&k=%2f", {{"x-from", "ann@pages.org"}});
  const RequestTexts texts(asked, {});
  std::string document = texts.document();
  for (std::size_t at; (at = document.find("ann@pages.org")) != std::string::npos;)
    document.replace(at, 13, "[EMAIL_1]");
  texts.put_back(*parse_json(document), asked);
  EXPECT_EQ(asked.url, "https://h.example/to/%5BEMAIL_1%5D?mail=%5BEMAIL_1%5D&k=%2f");
  EXPECT_EQ(to_text(asked.headers), R"({"x-from":"[EMAIL_1]"})");
}

TEST(RequestTexts, ASecretIsNotLookedAtAndWhatStandsAroundItIs) {
  const json::object secrets{
      {"key", "0123456789abcdef"}, {"more", json::object{{"token", "0123456789abcdefgh"}}}, {"short", "a"}};
  auto asked = question("https://h.example/0123456789abcdef", {{"x-key", "Bearer 0123456789abcdefgh for ann"}});
  const RequestTexts texts(asked, secrets);
  EXPECT_EQ(texts.document(), R"([{"path":["",""]},{"x-key":["Bearer "," for ann"]}])");
  texts.put_back(*parse_json(R"([{"path":["",""]},{"x-key":["Bearer "," for [NAME]"]}])"), asked);
  EXPECT_EQ(asked.url, "https://h.example/0123456789abcdef");
  EXPECT_EQ(to_text(asked.headers), R"({"x-key":"Bearer 0123456789abcdefgh for [NAME]"})");
}

}  // namespace
}  // namespace sb::flow
