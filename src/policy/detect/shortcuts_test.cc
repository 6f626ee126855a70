// What is decided by a table, a mask or a number where it could be decided byte by byte: the same comes out.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "policy/detect/builtin.h"
#include "policy/detect/byte_masks.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/numbers.h"
#include "policy/detect/packed_words.h"

namespace sb::policy {
namespace {

// Wake bytes of all kinds with everything beside them.
const std::string_view kBesideTexts[] = {
    "mail ann@pages.org, \"odd\"@pages.org, **ann**@pages.org, ann [at] pages [dot] org, ann(at)pages(dot)org, @ann, x "
    "@y",
    "root@[192.0.2.1] (ann {at} pages {dot} org) [x] ({[ (a [A { at ann.lee (AT) pages (DOT) org, a.b ( at ) c ( dot ) "
    "de",
    "10.1.2.3 and 10.20.30.40/24. v1.2.3.4.5 0012.3456.789a .5 5. a.b c.1 1.c ... www.pages.org www.example.net:8080/x",
    "2001:db8::1 ::1 fe80::1ff:fe23:4567:890a%eth0 ::ffff:192.0.2.128 1:2:3:4:5:6:7:8 1:2:3:4:5:6:10.0.0.1 12:30:45 "
    "a:b",
    "00:1A:2B:3C:4D:5E 00-1a-2b-3c-4d-5e 2024-03-18 a-b - -- 020-7946-0958 ff-ff-ff-ff-ff-fe. http://pages.org/x "
    "ftp://a.de",
    "https://pages.org:8080/a?b=c#d, mailto:ann@pages.org x: y z:/ ws://a.b.org git://x.io HTTPS://PAGES.ORG file:///x",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY----- --password Sommer2024! mysql -u root "
    "-pS3cretPw12",
    "curl -u admin:S3cretPw12 x; 3f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c-us12 a1B8Q~xK7mPq2LrT9vWz4YbN6cD8fG1hJ3kLmNq ~ x~y",
    "DB_PASS=Zx81kkQ2 pw = 'Sommer2024!' password -> Sommer2024! \"pwd\": \"Zx81kkQ2x\", "
    "token=>\"abcDEF123456ghiJKL7890\"",
    "redis://:Zx81kkQ2@db postgres://iam:Zx81kkQ2@db/x passwort:Sommer2024! "
    "\xd0\xbf\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c"
    "=Sommer2024! bot 1234567890:AAxK7mPq2LrT9vWz4YbN6cD8fG1hJ3kLmNq",
    "m\xc3\xbcller@b\xc3\xbc"
    "cher.example \xe3\x80\x82.org \xc3\xbc.de b\xc3\xbc"
    "cher.de (\xc3\xbc) \xc3\xbc= \xc3\xbc@x.de \xc3\xbc: 1\xc3\xbc-2"};

class WakesBeside : public testing::TestWithParam<bool> {};  // whether the text is complete

TEST_P(WakesBeside, WhatItsNeighboursRuleOutADetectorWouldNotHaveFound) {
  std::size_t ruled_out = 0;
  for (const auto& detector : make_builtin_detectors()) {
    for (const auto& [byte, before, behind] : detector->wakes_beside()) {
      ASSERT_NE(detector->wake_bytes().find(byte), std::string_view::npos) << detector->name() << " " << byte;
      for (const auto text : kBesideTexts) {
        Fold fold;
        fold.assign(text, GetParam());
        ContextIndex context;
        context.reset(fold.text(), {});
        ScanWindow window(fold, GetParam(), context);
        for (std::size_t at = 0; at < fold.text().size(); ++at) {
          if (fold.text()[at] != byte) continue;
          const bool may = (at == 0 || before.has(byte_of(fold.text(), at - 1))) &&
                           (at + 1 == fold.text().size() || behind.has(byte_of(fold.text(), at + 1)));
          if (may) continue;
          ++ruled_out;
          Findings found;
          window.reset(at);
          detector->verify(window, at, found);
          EXPECT_TRUE(found.empty()) << detector->name() << " at " << fold.text().substr(0, at + 1);
        }
      }
    }
  }
  EXPECT_GT(ruled_out, 100U);
}
INSTANTIATE_TEST_SUITE_P(Texts, WakesBeside, testing::Bool(),
                         [](const auto& info) { return info.param ? "complete" : "open"; });

// The texts in every way of writing, so that windows begin and end at each.
TEST(Window, EndsWhereItsCharactersDo) {
  const std::string_view texts[] = {
      "plain ASCII alone, a line that is longer than a window has characters, and then some more of it: "
      "4012888888881881.",
      "4012<wbr>8888<wbr>8888<wbr>1881 and then plain words for a while, longer than a window, so that there are some, "
      "m\xc3\xbcller \xef\xbc\x94\xef\xbc\x91 and again words, words, words, words, words, words, words, words, words",
      "&#x34;&#x30;&#x31;&#x32;&shy;\xe2\x80\x8b 8888 %34%30%31%32 and then plain words for a while, longer than a "
      "window, "
      "\\u0034\\u0030 x \xe2\x80\x8b\xe2\x80\x8b y z, and one more: \xf0\x9f\x98\x80\xf0\x9f\x98\x80 the end."};
  for (const auto text : texts) {
    for (const bool complete : {true, false}) {
      Fold fold;
      fold.assign(text, complete);
      ContextIndex context;
      context.reset(fold.text(), {});
      ScanWindow window(fold, complete, context);
      const std::size_t size = fold.text().size();
      for (std::size_t n = 0; n < 2 * size; ++n) {
        const std::size_t start = n < size ? n : (n * 37) % size;  // from left to right, then not
        window.reset(start);
        ASSERT_EQ(window.limit(), fold.skip_characters(start, kWindowBytes)) << start << " of " << text;
        ASSERT_EQ(window.behind(start, 65), fold.skip_characters(start, 65)) << start << " of " << text;
      }
    }
  }
}

TEST(NumberAt, ReadsFiveDigitsAtMostWhateverStandsBehind) {
  const std::string text = "7 42x365.1981,12345-123456 1234567890123/9:;<=\xb9 0007 99999";
  Fold fold;
  fold.assign(text, true);
  ContextIndex context;
  context.reset(fold.text(), {});
  ScanWindow window(fold, true, context);
  for (std::size_t at = 0; at < text.size(); ++at) {
    window.reset(at);
    std::size_t end = at;
    int value = 0;
    for (; end < text.size() && end - at < 5 && is_digit(byte_of(text, end)); ++end)
      value = value * 10 + text[end] - '0';
    const Number number = number_at(window, at);
    EXPECT_EQ(number.value, value) << text.substr(at);
    EXPECT_EQ(number.digits, end - at) << text.substr(at);
    EXPECT_EQ(number.end, end) << text.substr(at);
  }
}

TEST(PackedWords, AreFoundWholeAndInTheirLettersCase) {
  static constexpr PackedWords kWords({"a", "in", "ftp", "zero", "seven", "during", "example", "twelve12"});
  for (const std::string_view word : {"a", "in", "ftp", "zero", "seven", "during", "example", "twelve12"}) {
    EXPECT_TRUE(kWords.has(word)) << word;
    std::string capitals(word);
    for (char& c : capitals) c = static_cast<char>(to_upper(c));
    EXPECT_FALSE(kWords.has(capitals)) << word;
    EXPECT_TRUE(kWords.has_label(capitals)) << word;
    EXPECT_FALSE(kWords.has(std::string(word) + "x")) << word;
    EXPECT_FALSE(kWords.has_label(std::string(word) + "x")) << word;
    EXPECT_FALSE(kWords.has("x" + std::string(word.substr(1)))) << word;
  }
  EXPECT_FALSE(kWords.has(""));
  EXPECT_FALSE(kWords.has_label(""));
  EXPECT_FALSE(kWords.has_label("twelve121"));
}

TEST(NextWide, IsTheFirstByteThatIsNotAscii) {
  for (std::size_t size = 0; size < 100; ++size) {
    for (std::size_t wide = 0; wide <= size; ++wide) {
      std::string text(size, 'a');
      if (wide < size) text[wide] = '\xc3';
      for (const std::size_t at : {std::size_t{0}, size / 3}) {
        for (const std::size_t end : {size / 3, size / 2, size}) {
          const std::size_t expected = wide >= at && wide < end ? wide : end;
          EXPECT_EQ(next_wide(text, at, end), expected) << size << " " << wide << " " << at << " " << end;
        }
      }
    }
  }
}

}  // namespace
}  // namespace sb::policy
