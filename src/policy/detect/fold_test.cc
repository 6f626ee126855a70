#include "policy/detect/fold.h"

#include <gtest/gtest.h>

namespace sb::policy {
namespace {

struct FoldCase {
  std::string_view raw, folded;
};

class Folding : public testing::TestWithParam<FoldCase> {};

TEST_P(Folding, BecomesTheOneWayOfWritingIt) {
  Fold fold;
  fold.assign(GetParam().raw, true);
  EXPECT_EQ(fold.text(), GetParam().folded);
  EXPECT_EQ(fold.folded_bytes(), GetParam().raw.size());
}

INSTANTIATE_TEST_SUITE_P(
    Cases, Folding,
    testing::Values(FoldCase{"plain text, 100% of it & more", "plain text, 100% of it & more"},
                    FoldCase{"\xef\xbc\x94\xef\xbc\x91-\xd9\xa1\xdb\xb2\xe0\xa5\xa9\xe0\xb9\x94", "41-1234"},
                    FoldCase{"\xf0\x9d\x9f\x8f\xf0\x9d\x9f\xaf", "13"}, FoldCase{"⁴¹²³⁰ ₀₄₁ ①⑨⓪", "41230 041 190"},
                    FoldCase{"4\u0332\u0336 1\ufe0f\u20e3\U000e007f.", "4 1."},
                    FoldCase{"a\U000e0062\U000e0040\U000e0063\U000e0001.", "ab@c."}, FoldCase{"4\U000e0101.", "4."},
                    FoldCase{"a\u2800b\u205fc\ufe6bd\ufe52e&ensp;f", "a b c@d.e f"},
                    FoldCase{"a%2540b%25zz %2525 5%25 off", "a@b%zz % 5% off"},
                    FoldCase{R"(a\x40b \xff \x4)", R"(a@b \xff \x4)"},
                    FoldCase{"4\xe2\x80\x93"
                             "1\xe2\x88\x92"
                             "2",
                             "4-1-2"},
                    FoldCase{"a\xe2\x80\x8b\xc2\xad\xe2\x80\xae"
                             "b<wbr>c",
                             "abc"},
                    FoldCase{"a%40b%2ec 5%zz", "a@b.c 5%zz"},
                    FoldCase{"a[.]b[dot]c[@]d[:]/ [.] x[.", "a.b.c@d:/ [.] x[."},
                    FoldCase{"41·11•11 col·lega · 1", "41-11-11 col·lega · 1"},
                    FoldCase{"a&#64;b&#x2E;c&nbsp;d&unknown;", "a@b.c d&unknown;"},
                    FoldCase{"a&amp;#64;b&amp;#x2e;c &amp; &amp;#zz;", "a@b.c & &#zz;"},
                    FoldCase{R"(a\u0040b\n\"c\" \_ \x)", "a@b\n\"c\" \\_ \\x"},
                    FoldCase{"m\xc3\xbcller \xff\xfe", "m\xc3\xbcller \xff\xfe"},
                    FoldCase{"\xe2\x80\x9cx\xe2\x80\x99s\xe2\x80\x9d\xc2\xa0y", "\"x's\" y"}));

TEST(Fold, OffsetsGoBackToWhatStandsThere) {
  const std::string_view raw =
      "x \xef\xbc\x94\xe2\x80\x8b"
      "1%40z";
  Fold fold;
  fold.assign(raw, true);
  ASSERT_EQ(fold.text(), "x 41@z");
  const std::size_t begins[] = {0, 1, 2, 8, 9, 12, 13};
  for (std::size_t i = 0; i <= fold.text().size(); ++i) EXPECT_EQ(fold.raw_begin(i), begins[i]) << i;
  EXPECT_EQ(fold.raw_end(3), 5U) << "the invisible character behind is not part of it";
  EXPECT_EQ(fold.raw_end(5), 12U);
  for (std::size_t i = 0; i <= fold.text().size(); ++i) EXPECT_EQ(fold.from_raw(fold.raw_begin(i)), i) << i;
}

TEST(Fold, WhatTheEndCutsIsLeftOutUntilItIsWhole) {
  for (const std::string_view whole : {"ab%40", "ab&#64;", "ab\\u0040", "ab\xef\xbc\xa0", "ab<wbr>", "ab&commat;",
                                       "ab[dot]", "ab&amp;#64;", "ab%2540", "ab\\x40"}) {
    for (std::size_t size = 3; size < whole.size(); ++size) {
      Fold fold;
      fold.assign(whole.substr(0, size), false);
      EXPECT_EQ(fold.text(), "ab") << whole.substr(0, size);
      EXPECT_EQ(fold.folded_bytes(), 2U);
      fold.assign(whole.substr(0, size), true);
      EXPECT_EQ(fold.text(), whole.substr(0, size)) << "nothing follows: it is what it is";
    }
  }
}

TEST(Fold, TheWindowCountsCharactersNotBytes) {
  std::string raw;
  for (int i = 0; i < 100; ++i) raw += "\xef\xbc\x91";
  Fold fold;
  fold.assign(raw, true);
  EXPECT_EQ(fold.skip_characters(10, 64), 74U);
  fold.assign("ascii", true);
  EXPECT_EQ(fold.skip_characters(1, 64), 65U);
}

}  // namespace
}  // namespace sb::policy
