// Every type, every cut: a stream finds what the whole text holds, and holds back no more than a window.
#include <gtest/gtest.h>

#include <algorithm>

#include "policy/stream_guard.h"
#include "policy/test_policies.h"

namespace sb::policy {
namespace {

constexpr std::string_view kLookOnly = "{name: look, version: 1, rules: [{types: ['*'], action: allow, min_score: 0}]}";

const std::string_view kTexts[] = {
    "The social security number is 219-09-9998, NPI 1234567893; DEA AB1234563. Medicare 1EG4-TE5-MK72",
    "passport Z12345678, driver's license D1234567, routing number 021000021, account number 000123456789",
    "NHS 943 476 5919, NI AB 12 34 56 C, licence MORGA657054SM9IJ, plate AB51 DVL, London SW1A 2AA",
    "Personalausweis L01X00T471, Steuer-ID 86095742719, 15070649C103, Krankenkasse A123456780",
    "DNI 12345678Z, X1234567L, 2 55 08 14 168 025 38, BSN 111222333, 44051401359, RSSMRA85T10A562S",
    "131052-308T, 811228-9874, SIN 130 692 544, 529.982.247-25, 11.222.333/0001-81, ABN 83 914 571 673",
    "AAPFU0939F, 27AAPFU0939F1ZV, 840921-1034567, S1234567D, 34 AB 1234, 17291716060, 7503305044089",
    "XDD123456 es mi pasaporte",
    "XDD123456",
    "123456789",
    "34 AB 12",
    "A12803456 123456789 1234567",
    "send to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa or bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4, src=:: dst=::1",
    "host 2001:db8::1. and ::ffff:10.0.0.1/96, mac 00:1A:2B:3C:4D:5E, 0012.3456.789a, 10.1.2.3.4",
    "born April 12, 2010 or 5. M\xc3\xa4rz 1981, 2024-03-15T14:30:00+02:00, 21-May, 05/2021, on Sunday",
    "see https://www.example.org/a/b?id=7&mail=ann%40example.org and www.example.net:8080/x, node.js, example.com.",
    "https://pages.org/in/john-smith-1234567/details?card=4012888888881881&mail=ann@pages.org&b=1,2; "
    "x https://pages.org/a-long-path-to-the-records-of-the-ward/patients/123456789/john-smith?x=1,2 y",
    "jane.doe [at] example [dot] org, k.meier AT firma DOT de, j o h n @ e x a m p l e . c o m, \"odd\"@example.com",
    "to greta.maria.lindqvist-von-sternberg+newsletter2024.spring.issue1@pages.org, again "
    "x.greta.maria.lindqvist-von-sternberg+newsletter2024.spring.issue1@pages.org now",
    "greta.maria.lindqvist-von-sternberg+newsletter2024.spring.issue1\"@pages.org, or "
    "x.greta.maria.lindqvist-von-sternberg+newsletter2024.spring.issue1**@pages.org, DE 89 3704 0044 0532 0130 00, "
    "an\U000e006e\U000e0040\U000e0070ages.org, bob&amp;#64;example.com &amp; xQ7vT9 10.24.34.17",
    "bounces+123-abcd-greta.lindqvist=company-mail.com@em1234.example.net, SRS0=aB3d=TT=pages.org=ann@x.example.net; "
    "a=b=c, wrapped ann@\r\npages.org **ann**@pages.org; **ann.lee** and k.meier [at] pages [dot] org, "
    "greta.maria.lindqvist-von-sternberg+newsletter2024.spring.i (at) pages (dot) org",
    "DB_PASS=Zx81kkQ2 | password | Sommer2024! | pw Sommer2024! password -> Sommer2024!, mot de passe : Azerty!2345",
    "bot 1234567890:AAxK7mPq2LrT9vWz4YbN6cD8fG1hJ3kLmNq, a1B8Q~xK7mPq2LrT9vWz4YbN6cD8fG1hJ3kLmNq, "
    "3f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c-us12; curl -u admin:S3cretPw12 x; mysql -u root -pS3cretPw12 db",
    "Set-Cookie: session=xK7mPq2LrT9vWz4YbN6c; Path=/\nCookie: lang=de; sid=xK7mPq2LrT9vWz4YbN6c, client_secret: |\n   "
    "Q1w2E3r4T5y6U7i8O9p0, {\"password\": \"correct horse battery staple\"}, the api key you need is "
    "Q1w2E3r4T5y6U7i8O9p0",
    "seed phrase: legal winner thank year wave sausage worth useful legal winner thank yellow",
    "ann[at]pages[dot]org or ann(at)pages(dot)org, mat[at a(at b{at, 192[.]0[.]2[.]17, hxxps[:]//pages[.]org/x, a[dot",
    "born 1984年3月12日生, 생년월일: 1984년 3월 12일, 4899·6141·5790·0725 · 1, родился 12 марта 1984 года, "
    "她出生于1984年3月12日。",
    "mysql://iam:Zx81kkQ2Zx82kkQ3Zx83kkQ4Zx84kkQ5Zx85kkQ6Zx86kkQ7Zx87kkQ8Zx88kkQ9@db:3306/x, "
    "mysql://iam:Zx81kkQ2Zx82kkQ3Zx83kkQ4Zx84kkQ5Zx85kkQ6Zx86kkQ7Zx87kkQ8@db - name: DB_PASSWORD\n  value: Sommer2024!",
    "| 4012 | 8888 | 8888 | 1881 | 4012 8888\n8888 1881, **4012** 8888 8888 1881, 4012/8888/8888/1881",
    "⁴⁰¹² ⁸⁸⁸⁸ ⁸⁸⁸⁸ ¹⁸⁸¹, 4\ufe0f0\ufe0f12\u2800888\u20e38\u2800\u3328888\u28001881, ann%2540pages.org, "
    "ann\\x40pages.org ann\ufe6bpages.org",
    "\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89"
    "\x89\x89"
    "\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89\x89wvvz\x89\x89\x89\x89\x89\x89\x89\x89x.org",
    "my number is four one five five five five zero one three two, or 1 800 FLOWERS today",
    "\xef\xbc\x94\xef\xbc\x91\xef\xbc\x91\xef\xbc\x91 1111 1111 1111, 4111<wbr>1111<wbr>1111<wbr>1111, "
    "[\"4111\",\"1111\",\"1111\",\"1111\"]",
    R"({\"card\":\"5553 3314 7893 2881\",\"m\":\"bob\u0040example.org\"} C:\new\temp \\\\n x)",
    "pw: hunter2Hunter!, password 'Wint3r!2026', Basic dXNlcjpwYXNzd29yZDEyMw==, token=abcDEF123456ghiJKL7890",
    "card=4111+1111+1111+1111&ssn=536+22+8726&tel=%2B49+30+901820&iban=DE89+3704+0044+0532+0130+00&a_1_2_3",
    "0 544 321 67 89",
    "Call 06 12 34 56 78 01 39 98 12 47 07 45 22 13 98, 212 555 0187 212 555 0188 646 555 0139 9018 2012 9018 2013",
    "連絡はjane.doe@example.orgまで、詳細はhttps://example.org/"
    "pageをご覧ください。用户@例子.广告：我们公司的邮箱地址@pages.org",
    "请看pages.com的说明 redis://用户:p4ssw0rdQQ@cache:6379/0 密码: hunter2Hunter! 안녕 홍길동@example.org으로 "
    "ครับann@pages.orgครับ",
    "MRT MTT 25D09 F205Z, MRTMTT 25 D09 F205Z, MORGA 657054 SM9IJ, SSN536-22-8726, Card4012888888881881, AN",
    "B123 CDE",
    "patient id PHX-839221, insurance policy #88291-77, +63 917 123 4567, 0 (532) 123 45 67, ext 5 1-800-356-9377",
};

struct Seen {
  std::string_view type;
  Span span;
  float score;
  friend bool operator==(const Seen&, const Seen&) = default;
  friend void PrintTo(const Seen& s, std::ostream* out) {
    *out << s.type << " [" << s.span.begin << ", " << s.span.end << ") " << s.score;
  }
};

std::vector<Seen> seen(const std::vector<GuardedFinding>& findings) {
  std::vector<Seen> all;
  for (const auto& f : findings) all.push_back({f.finding.type, f.finding.span, f.finding.score});
  return all;
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

TEST(EveryType, IsFoundInAStreamHoweverItIsCut) {
  const auto policy = test::load(kLookOnly);
  ASSERT_TRUE(policy);
  for (const auto text : kTexts) {
    TokenVault vault;
    auto context = test::context_for(vault);
    const auto whole = seen(guard_text(*policy, context, text)->findings);
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
      StreamGuard stream(*policy, context);
      std::string out = stream.feed(text.substr(0, cut)).value();
      const std::size_t held = stream.held_bytes();
      EXPECT_LE(characters(test::without_cut(text.substr(cut - held, held))), kWindowBytes)
          << "cut at " << cut << " of: " << text;
      out += stream.feed(text.substr(cut)).value();
      out += stream.finish().value();
      ASSERT_EQ(out, text);
      ASSERT_EQ(seen(stream.findings()), whole) << "cut at " << cut << " of: " << text;
    }
    StreamGuard bytes(*policy, context);
    for (const char c : text) ASSERT_TRUE(bytes.feed({&c, 1}));
    ASSERT_TRUE(bytes.finish());
    ASSERT_EQ(seen(bytes.findings()), whole) << "byte by byte: " << text;
  }
}

}  // namespace
}  // namespace sb::policy
