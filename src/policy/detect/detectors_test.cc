#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "policy/detect/builtin.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/check_digits.h"
#include "policy/scanner.h"

namespace sb::policy {
namespace {

struct SeenIn {
  std::string type, value;
  friend bool operator==(const SeenIn&, const SeenIn&) = default;
  friend void PrintTo(const SeenIn& seen, std::ostream* out) { *out << seen.type << " \"" << seen.value << '"'; }
};

std::vector<SeenIn> scan(std::string_view text, std::string_view label = {}) {
  static const Scanner scanner(make_builtin_detectors());
  ScanResult result;
  scanner.scan(text, label, result);
  std::vector<SeenIn> seen;
  for (const auto& f : result.findings) {
    if (f.score >= 0.5F) seen.push_back({std::string(f.type), std::string(text.substr(f.span.begin, f.span.size()))});
  }
  return seen;
}

struct Case {
  std::string_view text;
  std::string_view type;
  std::string_view value;
};

class Found : public testing::TestWithParam<Case> {};

TEST_P(Found, AsOneFindingWithItsWholeValue) {
  const std::vector<SeenIn> expected{{std::string(GetParam().type), std::string(GetParam().value)}};
  EXPECT_EQ(scan(GetParam().text), expected) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(Email, Found,
                         testing::Values(Case{"write to jane.doe+x@mail.example.co.uk.", "EMAIL",
                                              "jane.doe+x@mail.example.co.uk"},
                                         Case{"<bob_1@example.org>", "EMAIL", "bob_1@example.org"},
                                         Case{"mailto:o'brien@example.ie?subject=hi", "EMAIL", "o'brien@example.ie"},
                                         Case{"**bold@example.com**", "EMAIL", "bold@example.com"},
                                         Case{"m\xc3\xbcller@b\xc3\xbc"
                                              "cher.example",
                                              "EMAIL",
                                              "m\xc3\xbcller@b\xc3\xbc"
                                              "cher.example"},
                                         Case{"VALUES ('x','ann@pages.org')", "EMAIL", "ann@pages.org"},
                                         Case{"a\\nbob@example.com", "EMAIL", "bob@example.com"},
                                         Case{"a.b@c.museum...", "EMAIL", "a.b@c.museum"},
                                         Case{"email=ann.lee@pages.org", "EMAIL", "ann.lee@pages.org"},
                                         Case{"wrapped ann@\npages.org", "EMAIL", "ann@\npages.org"},
                                         Case{"**ann**@pages.org", "EMAIL", "ann**@pages.org"},
                                         Case{"to ann[at]pages[dot]org now", "EMAIL", "ann[at]pages[dot]org"},
                                         Case{"to ann(at)pages(dot)org now", "EMAIL", "ann(at)pages(dot)org"},
                                         Case{"to ann[@]pages[.]org now", "EMAIL", "ann[@]pages[.]org"}));

INSTANTIATE_TEST_SUITE_P(BirthInManyLanguages, Found,
                         testing::Values(Case{"Родился 12 марта 1984 года в Казани", "DATE_OF_BIRTH", "12 марта 1984"},
                                         Case{"дата рождения: 12.03.1984", "DATE_OF_BIRTH", "12.03.1984"},
                                         Case{"народилася 5 червня 1990", "DATE_OF_BIRTH", "5 червня 1990"},
                                         Case{"出生日期：1984-03-12", "DATE_OF_BIRTH", "1984-03-12"},
                                         Case{"她出生于1984年3月12日，在北京", "DATE_OF_BIRTH", "1984年3月12日"},
                                         Case{"1984年3月12日生まれ、東京", "DATE_OF_BIRTH", "1984年3月12日"},
                                         Case{"생년월일: 1984년 3월 12일", "DATE_OF_BIRTH", "1984년 3월 12일"},
                                         Case{"doğum tarihi 12.03.1984", "DATE_OF_BIRTH", "12.03.1984"},
                                         Case{"doğumlu 3 mayıs 1991", "DATE_OF_BIRTH", "3 mayıs 1991"},
                                         Case{"född 1984-03-12 i Lund", "DATE_OF_BIRTH", "1984-03-12"},
                                         Case{"narozena 7. listopadu 1975", "DATE_OF_BIRTH", "7. listopadu 1975"},
                                         Case{"会議は2024年5月1日です", "DATE_TIME", "2024年5月1日"},
                                         Case{"встреча 1 мая 2024", "DATE_TIME", "1 мая 2024"}));

INSTANTIATE_TEST_SUITE_P(Unlinked, Found,
                         testing::Values(Case{"from 192[.]0[.]2[.]17 again", "IP_ADDRESS", "192[.]0[.]2[.]17"},
                                         Case{"at hxxps[:]//pages[.]org/x, see", "URL", "hxxps[:]//pages[.]org/x"},
                                         Case{"of pages[.]org/reports now", "URL", "pages[.]org/reports"}));

constexpr std::string_view kLongLocal = "greta.maria.lindqvist-von-sternberg+newsletter2024.spring.issue1";
static_assert(kLongLocal.size() == kMaxWordBytes);

// Words that speak of other numbers, and pieces of ids that look like words, say nothing of addresses.
INSTANTIATE_TEST_SUITE_P(AddressesNearOtherWords, Found,
                         testing::Values(Case{"user xQ7vT9 logged in from 10.24.34.17", "IP_ADDRESS", "10.24.34.17"},
                                         Case{"Order placed from 203.0.113.7", "IP_ADDRESS", "203.0.113.7"},
                                         Case{"Error: connection refused by 203.0.113.7", "IP_ADDRESS", "203.0.113.7"},
                                         Case{"the page loads from 203.0.113.7", "IP_ADDRESS", "203.0.113.7"}));

// RFC 5321 section 4.5.3.1.1: 64 bytes, which is all of a window.
// No blank tells where an address begins and ends.
INSTANTIATE_TEST_SUITE_P(
    InTextWithoutBlanks, Found,
    testing::Values(Case{"連絡はjane.doe@example.orgまでお願いします。", "EMAIL", "jane.doe@example.org"},
                    Case{"我的邮箱是ann.lee@qq.com谢谢", "EMAIL", "ann.lee@qq.com"},
                    Case{"อีเมลann.lee@pages.orgครับ", "EMAIL", "ann.lee@pages.org"},
                    Case{"ann.lee@pages.org으로 보내세요", "EMAIL", "ann.lee@pages.org"},
                    Case{"请写给：用户@例子.广告。", "EMAIL", "用户@例子.广告"},
                    Case{"我们公司的邮箱地址@pages.org", "EMAIL", "@pages.org"},
                    Case{"詳細はhttps://example.org/pageをご覧ください。", "URL", "https://example.org/page"},
                    Case{"見https://example.org/日本語?q=1。次", "URL", "https://example.org/日本語?q=1"},
                    Case{"请看pages.com的说明", "URL", "pages.com"},
                    // Letters of several scripts in one label.
                    Case{"taro@nttドコモ.jp", "EMAIL", "taro@nttドコモ.jp"},
                    Case{"メールはinfo@abc株式会社.jpへ", "EMAIL", "info@abc株式会社.jp"},
                    Case{"x.y@mail.j総研.jp", "EMAIL", "x.y@mail.j総研.jp"},
                    Case{"https://nttドコモ.jp/u?id=7", "URL", "https://nttドコモ.jp/u?id=7"}));

TEST(Email, HasALocalPartOfAnyLegalLength) {
  for (std::size_t size = 1; size <= kLongLocal.size(); ++size) {
    const auto local = kLongLocal.substr(kLongLocal.size() - size);
    if (local.find_first_of(".-+") == 0) continue;
    const auto address = std::string(local) + "@pages.org";
    EXPECT_EQ(scan("to " + address + " now"), (std::vector<SeenIn>{{"EMAIL", address}}));
  }
}

INSTANTIATE_TEST_SUITE_P(TaggedSender, Found,
                         testing::Values(Case{"bounces+123-abcd-greta.lee=company.com@em1234.mail.example.net", "EMAIL",
                                              "bounces+123-abcd-greta.lee=company.com@em1234.mail.example.net"},
                                         Case{"SRS0=aB3d=TT=pages.org=ann@relay.example.net", "EMAIL",
                                              "SRS0=aB3d=TT=pages.org=ann@relay.example.net"},
                                         Case{"prvs=0123456789=ann@pages.org", "EMAIL",
                                              "prvs=0123456789=ann@pages.org"}));

INSTANTIATE_TEST_SUITE_P(
    Age, Found,
    testing::Values(Case{"This 79 year old female complains", "AGE", "79"}, Case{"a 38-year-old male", "AGE", "38"},
                    Case{"She is 102 years old.", "AGE", "102"}, Case{"pt 67 y/o, stable", "AGE", "67"},
                    Case{"Aged: 45", "AGE", "45"}, Case{"retired at the age of 61 and left", "AGE", "61"},
                    Case{"My brother just turned 60.", "AGE", "60"}, Case{"written when he was 78", "AGE", "78"},
                    Case{"Der Kunde ist 45 Jahre alt", "AGE", "45"}));

INSTANTIATE_TEST_SUITE_P(
    Card, Found,
    testing::Values(Case{"Card: 5553 3314 7893 2881 please.", "CREDIT_CARD", "5553 3314 7893 2881"},
                    Case{"CC=2221733311387984;exp=12/29", "CREDIT_CARD", "2221733311387984"},
                    Case{"amex 3782 822463 10005", "CREDIT_CARD", "3782 822463 10005"},
                    Case{"dots 3480.699833.97627", "CREDIT_CARD", "3480.699833.97627"},
                    Case{"en dash 4899\xe2\x80\x93"
                         "6141\xe2\x80\x93"
                         "5790\xe2\x80\x93"
                         "0725",
                         "CREDIT_CARD",
                         "4899\xe2\x80\x93"
                         "6141\xe2\x80\x93"
                         "5790\xe2\x80\x93"
                         "0725"},
                    Case{"raised dots 4899·6141·5790·0725", "CREDIT_CARD", "4899·6141·5790·0725"},
                    Case{"zero width 4111\xe2\x80\x8b"
                         "1111\xe2\x80\x8b"
                         "1111\xe2\x80\x8b"
                         "1111",
                         "CREDIT_CARD",
                         "4111\xe2\x80\x8b"
                         "1111\xe2\x80\x8b"
                         "1111\xe2\x80\x8b"
                         "1111"},
                    Case{"const c=\"4012888888881881\";", "CREDIT_CARD", "4012888888881881"},
                    Case{"holder=Al&card=4111+1111+1111+1111&cvc=9", "CREDIT_CARD", "4111+1111+1111+1111"},
                    Case{"card%3D4111%2B1111%2B1111%2B1111", "CREDIT_CARD", "4111%2B1111%2B1111%2B1111"},
                    Case{"scan_4111_1111_1111_1111_front.png", "CREDIT_CARD", "4111_1111_1111_1111"},
                    Case{"issuer and number 411111 1111111111.", "CREDIT_CARD", "411111 1111111111"},
                    Case{"in columns 4111  1111   1111    1111 now", "CREDIT_CARD", "4111  1111   1111    1111"},
                    Case{"amex=3782+822463+10005", "CREDIT_CARD", "3782+822463+10005"},
                    Case{"wrapped 4012 8888\n8888 1881 now", "CREDIT_CARD", "4012 8888\n8888 1881"},
                    Case{"**4012** 8888 8888 1881", "CREDIT_CARD", "4012** 8888 8888 1881"},
                    Case{"| 4012 | 8888 | 8888 | 1881 |", "CREDIT_CARD", "4012 | 8888 | 8888 | 1881"},
                    Case{"4012/8888/8888/1881", "CREDIT_CARD", "4012/8888/8888/1881"},
                    Case{"Card4012888888881881, thanks", "CREDIT_CARD", "4012888888881881"},
                    Case{"the card is4012 8888 8888 1881", "CREDIT_CARD", "4012 8888 8888 1881"}));

INSTANTIATE_TEST_SUITE_P(
    Bank, Found,
    testing::Values(Case{"IBAN DE89 3704 0044 0532 0130 00 thanks", "IBAN", "DE89 3704 0044 0532 0130 00"},
                    Case{"to IBANDE89370400440532013000, please", "IBAN", "DE89370400440532013000"},
                    Case{"ibanDE89 3704 0044 0532 0130 00", "IBAN", "DE89 3704 0044 0532 0130 00"},
                    Case{"iban lower lt088534532524874473", "IBAN", "lt088534532524874473"},
                    Case{"IE23-PMFM-6869-4094-4787-90", "IBAN", "IE23-PMFM-6869-4094-4787-90"},
                    Case{"<td>GB29 NWBK 6016 1331 9268 19</td>", "IBAN", "GB29 NWBK 6016 1331 9268 19"},
                    Case{"wrapped DK12\n0791\n8633\n9071 96", "IBAN", "DK12\n0791\n8633\n9071 96"},
                    Case{"iban=DE89+3704+0044+0532+0130+00&n=1", "IBAN", "DE89+3704+0044+0532+0130+00"},
                    Case{"DE89.3704.0044.0532.0130.00", "IBAN", "DE89.3704.0044.0532.0130.00"},
                    Case{"an DE 89 3704 0044 0532 0130 00", "IBAN", "DE 89 3704 0044 0532 0130 00"},
                    Case{"DE89_3704_0044_0532_0130_00", "IBAN", "DE89_3704_0044_0532_0130_00"}));

struct Address {
  std::string_view text;
  std::string_view whole;
  std::string_view inside;  ///< of a type of its own; empty: nothing
};
class Addresses : public testing::TestWithParam<Address> {};

TEST_P(Addresses, AreFoundToTheirEnd) {
  const auto text = GetParam().text;
  ScanResult result;
  Scanner(make_builtin_detectors()).scan(text, {}, result);
  std::string covered;
  for (const auto& finding : result.findings) {
    const auto value = text.substr(finding.span.begin, finding.span.size());
    EXPECT_EQ(finding.type == "URL", value != GetParam().inside) << value;
    covered += value;
  }
  EXPECT_EQ(covered, GetParam().whole) << text;
}

INSTANTIATE_TEST_SUITE_P(
    Cases, Addresses,
    testing::Values(
        Address{"https://pages.org/in/john-smith-1234567/details, he says",
                "https://pages.org/in/john-smith-1234567/details", ""},
        Address{"see https://x.org/patients/123456789/john-smith.", "https://x.org/patients/123456789/john-smith", ""},
        Address{"(https://x.org/AbCdEf1234567890Xy12/john?id=1,2;3)",
                "https://x.org/AbCdEf1234567890Xy12/john?id=1,2;3", ""},
        Address{"https://x.org/1234567", "https://x.org/1234567", ""},
        Address{"https://x.org/a,b", "https://x.org/a", ""},
        Address{"https://x.org/?mail=ann@pages.org&n=1 end", "https://x.org/?mail=ann@pages.org&n=1", "ann@pages.org"},
        Address{"https://x.org/card/4012888888881881/john", "https://x.org/card/4012888888881881/john",
                "4012888888881881"},
        Address{"https://pages.org/a-long-path-to-the-records-of-the-ward/patients/123456789/john-smith?x=1 end",
                "https://pages.org/a-long-path-to-the-records-of-the-ward/patients/123456789/john-smith?x=1", ""}));

INSTANTIATE_TEST_SUITE_P(Phone, Found,
                         testing::Values(Case{"call +1 (212) 555-0187", "PHONE", "+1 (212) 555-0187"},
                                         Case{"tel +44 20 7946 0123", "PHONE", "+44 20 7946 0123"},
                                         Case{"+1.646.555.0139", "PHONE", "+1.646.555.0139"},
                                         Case{"Telefon 030/901820-12", "PHONE", "030/901820-12"},
                                         Case{"t\xc3\xa9l 06 12 34 56 78", "PHONE", "06 12 34 56 78"},
                                         Case{"mobile 98765 43210 Mumbai", "PHONE", "98765 43210"},
                                         Case{"fax 0044 161 496 0753", "PHONE", "0044 161 496 0753"},
                                         Case{"ext: (415) 555-0111 x 2234", "PHONE", "(415) 555-0111 x 2234"},
                                         Case{"call me 2125550142 after six", "PHONE", "2125550142"},
                                         Case{"phone=%2B49+30+901820&n=1", "PHONE", "%2B49+30+901820"},
                                         Case{"tel=030+901820+12", "PHONE", "030+901820+12"},
                                         Case{"mobile_no: 0917_123_4567", "PHONE", "0917_123_4567"}));

INSTANTIATE_TEST_SUITE_P(
    Secret, Found,
    testing::Values(Case{"aws_access_key_id=AKIA5GXKH7OSUQV6XUOB", "SECRET", "AKIA5GXKH7OSUQV6XUOB"},
                    Case{"aws_secret_access_key: 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", "SECRET",
                         "/+xZ90txdegvcU/G7lJ2m7erV7xnuILoVGbuLI4C"},
                    Case{"git clone https://ghp_FX8ERQUD5gsUlhgQjUpfL8F4jVpaYslIrsei@github.com/a/b", "SECRET",
                         "ghp_FX8ERQUD5gsUlhgQjUpfL8F4jVpaYslIrsei"},
                    Case{"postgres://app:s3cr3t-Pa55@db.internal:5432/app", "SECRET", "s3cr3t-Pa55"},
                    Case{"redis://:p4ssw0rdQQ@cache:6379/0", "SECRET", "p4ssw0rdQQ"},
                    Case{"\"password\": \"Wint3r!2026x\"", "SECRET", "Wint3r!2026x"},
                    Case{"--password bLu3-Moon-44", "SECRET", "bLu3-Moon-44"},
                    Case{"credential: Qx7rT92bLm4pQ88sT1", "SECRET", "Qx7rT92bLm4pQ88sT1"},
                    Case{"and the password is S3cr-fp2kqgj, it does", "SECRET", "S3cr-fp2kqgj"},
                    Case{"my old password was Wintergarten!27 and", "SECRET", "Wintergarten!27"},
                    Case{"the password was correct-horse-battery", "SECRET", "correct-horse-battery"},
                    Case{"Authorization: Bearer abCD1234efGH5678ijKL", "SECRET", "abCD1234efGH5678ijKL"},
                    Case{"k=AIzayZzlcYLJg1WZ7GLUBiYWSnLJ2ki8zhPjGbS&q=x", "SECRET",
                         "AIzayZzlcYLJg1WZ7GLUBiYWSnLJ2ki8zhPjGbS"},
                    Case{"-----BEGIN RSA PRIVATE KEY-----\nMIIB+x/9\nabc=\n-----END RSA PRIVATE KEY-----\nend",
                         "SECRET", "-----BEGIN RSA PRIVATE KEY-----\nMIIB+x/9\nabc=\n-----END RSA PRIVATE KEY-----"}));

constexpr std::string_view kLongPassword = "Zx81kkQ2Zx82kkQ3Zx83kkQ4Zx84kkQ5Zx85kkQ6Zx86kkQ7Zx87kkQ8Zx88kkQ9Zx89kkQ0";
static_assert(kLongPassword.size() > kWindowBytes);

TEST(Url, HasAPasswordOfAnyLength) {
  for (std::size_t size = 12; size <= kLongPassword.size(); ++size) {
    const auto password = kLongPassword.substr(0, size);
    EXPECT_EQ(scan("mysql://iam:" + std::string(password) + "@db:3306/x"),
              (std::vector<SeenIn>{{"SECRET", std::string(password)}}));
  }
}

INSTANTIATE_TEST_SUITE_P(
    NamedSecret, Found,
    testing::Values(
        Case{"DB_PASS=Zx81kkQ2", "SECRET", "Zx81kkQ2"}, Case{"$env:DB_PW=\"Sommer2024!\"", "SECRET", "Sommer2024!"},
        Case{"creds: admin:Sommer2024!", "SECRET", "admin:Sommer2024!"},
        Case{"user admin, pw Sommer2024!", "SECRET", "Sommer2024!"},
        Case{"PASSWORD Sommer2024!", "SECRET", "Sommer2024!"}, Case{"password -> Sommer2024!", "SECRET", "Sommer2024!"},
        Case{"| password | Sommer2024! |", "SECRET", "Sommer2024!"},
        Case{"Passwort lautet Sommer2024!", "SECRET", "Sommer2024!"},
        Case{"mot de passe : Azerty!2345", "SECRET", "Azerty!2345"},
        Case{"contraseña: Gato#Azul92", "SECRET", "Gato#Azul92"},
        Case{"client_secret: |\n  Q1w2E3r4T5y6U7i8O9p0", "SECRET", "Q1w2E3r4T5y6U7i8O9p0"},
        Case{"secret_key_base: 3f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c", "SECRET", "3f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c"},
        Case{"The API key you need is Q1w2E3r4T5y6U7i8O9p0", "SECRET", "Q1w2E3r4T5y6U7i8O9p0"},
        Case{"- name: DB_PASSWORD\n  value: Sommer2024!", "SECRET", "Sommer2024!"},
        Case{R"({"password": "correct horse battery staple"})", "SECRET", "correct horse battery staple"},
        Case{R"(password="Tr0ub4dor; more, and more")", "SECRET", "Tr0ub4dor; more, and more"},
        Case{R"({"auths":{"registry":{"auth":"dXNlcjpwYXNzdzByZDEy"}}})", "SECRET", "dXNlcjpwYXNzdzByZDEy"}));

// By what stands before the key alone; `key` is as long as the shortest of its kind.
TEST(Secret, IsKnownByItsPrefix) {
  constexpr std::string_view kKey = "a9f3c2e8b1d47065a9f3c2e8b1d47065a9f3c2e8b1d47065a9f3c2e8b1d47065";
  const std::pair<std::string_view, std::size_t> prefixes[] = {
      {"glptt-", 40}, {"pscale_pw_", 43}, {"EAAA", 60},  {"ATATT3", 64}, {"HRKU-", 36},
      {"dp.pt.", 43}, {"dp.st.", 43},     {"pul-", 40},  {"fo1_", 43},   {"v1.0-", 64},
      {"cfut_", 48},  {"sl.", 64},        {"tvly-", 32}, {"tskey-", 30}, {"AGE-SECRET-KEY-1", 58}};
  for (const auto& [prefix, size] : prefixes) {
    const auto key = std::string(prefix) + std::string(kKey.substr(0, size));
    EXPECT_EQ(scan("use " + key + " now"), (std::vector<SeenIn>{{"SECRET", key}}));
  }
  const auto airtable = "pat" + std::string(kKey.substr(0, 14)) + "." + std::string(kKey);
  EXPECT_EQ(scan("use " + airtable + " now"), (std::vector<SeenIn>{{"SECRET", airtable}}));
}

INSTANTIATE_TEST_SUITE_P(
    ShapedSecret, Found,
    testing::Values(Case{"bot 1234567890:AAxK7mPq2LrT9vWz4YbN6cD8fG1hJ3kLmNq", "SECRET",
                         "1234567890:AAxK7mPq2LrT9vWz4YbN6cD8fG1hJ3kLmNq"},
                    Case{"id a1B8Q~xK7mPq2LrT9vWz4YbN6cD8fG1hJ3kLmNq", "SECRET",
                         "a1B8Q~xK7mPq2LrT9vWz4YbN6cD8fG1hJ3kLmNq"},
                    Case{"?sv=2&sp=r&sig=xK7mPq2LrT9vWz4YbN6cD8fG1hJ3kLmNqAb9Cd2Ef5G%3D", "SECRET",
                         "xK7mPq2LrT9vWz4YbN6cD8fG1hJ3kLmNqAb9Cd2Ef5G%3D"},
                    Case{"3f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c-us12", "SECRET", "3f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c-us12"},
                    Case{"curl -u admin:S3cretPw12 ftp:", "SECRET", "S3cretPw12"},
                    Case{"mysql -u root -pS3cretPw12 db", "SECRET", "S3cretPw12"},
                    Case{"sshpass -p 'Abc123!x' ssh h", "SECRET", "Abc123!x"},
                    Case{"Set-Cookie: session=xK7mPq2LrT9vWz4YbN6c; Path=/", "SECRET", "xK7mPq2LrT9vWz4YbN6c"},
                    Case{"Cookie: lang=de; sid=xK7mPq2LrT9vWz4YbN6c", "SECRET", "xK7mPq2LrT9vWz4YbN6c"},
                    Case{"seed phrase: legal winner thank year wave sausage worth useful legal winner thank yellow",
                         "SECRET", "legal winner thank year wave sausage worth useful legal winner thank yellow"}));

TEST(Secret, ALeafUnderItsNameIsOneAsAWhole) {
  const auto whole = [](std::string_view text, std::string_view label) {
    return scan(text, label) == std::vector<SeenIn>{{"SECRET", std::string(text)}};
  };
  EXPECT_TRUE(whole("correct horse battery staple", "password"));
  EXPECT_TRUE(whole("12345678", "password"));
  EXPECT_TRUE(whole("Sommer2024!", "db_pass"));
  EXPECT_TRUE(whole("Sommer2024!", "userPass"));
  EXPECT_TRUE(whole("Xk29fPqLm3Zz", "api_key"));
  EXPECT_TRUE(whole("3f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c", "secretKeyBase"));
  EXPECT_FALSE(whole("Please enter your new password", "password"));
  EXPECT_FALSE(whole("string", "password"));
  EXPECT_FALSE(whole("Sommer2024!", "compass"));
}

class LooksAlike : public testing::TestWithParam<std::string_view> {};

TEST_P(LooksAlike, IsLeftAlone) {
  EXPECT_EQ(scan(GetParam()), std::vector<SeenIn>{}) << GetParam();
}

INSTANTIATE_TEST_SUITE_P(
    Cases, LooksAlike,
    testing::Values("order number 4111 1111 1111 1112 was cancelled", "tracking 9400 1000 0000 0000 0000 00",
                    "card-like id 4556737586899854 fails Luhn", "ISBN 978-0-306-40615-7", "EAN 4006381333931",
                    "version 1.2.3.4 of the driver", "upgrade from 2.6.32.71 to 4.19.0.12",
                    "epoch 1700000000 and 1700003600", "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
                    "3.14159265358979 is pi", "$ 212,555,0187.00", "part no 123-45-678",
                    "SSN-like 666-12-3456 is never issued", "code 123-00-4567 has group 00",
                    "IBAN DE00 3704 0044 0532 0130 00 has a wrong checksum", "user@ is incomplete and @example too",
                    "12:34:56 is a time", "scores 6-4 7-6 6-3", "CVE-2024-3094 in xz 5.6.1",
                    "password policy: at least 12 characters", "api_key = os.environ[\"API_KEY\"]",
                    "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx is a placeholder", "Bearer $TOKEN",
                    "page 212-555 of the index", "npm i pkg@1.0.2 and @scope/pkg", "4111+1111+1111+1112 = 7445",
                    "x = 212+555+9187 + 3", "sha4012888888881881af", "build4012888888881882",
                    "IMG_20240101_123456_0042.jpg", "const v_1234_5678_9012_3456 = 7"));

INSTANTIATE_TEST_SUITE_P(
    WhereASecretIs, LooksAlike,
    testing::Values("password = :password", "UPDATE users SET password = :new_pw WHERE id = :id", "pwd = @Password",
                    "password: ${PASSWORD}", "password=%s", "password=%(password)s", "password = ?",
                    "password: <password>", "password: \"{{ db_password }}\"", "password = process.env.DB_PASSWORD",
                    "password = getenv('DB_PASSWORD')", "password=os.environ['DB']", "password = settings.DB_PASSWORD",
                    "password: self.password", "password = req.body.password", "password=&password",
                    "password = import.meta.env.VITE_PASSWORD", "client_secret: secrets.CLIENT_SECRET",
                    "password: __PASSWORD__", "password: \"YOUR_PASSWORD\"", "postgres://u:%s@h/db"));

INSTANTIATE_TEST_SUITE_P(NotASecret, LooksAlike,
                         testing::Values("--- PASS: TestLogin2 (0.00s)", "PASS: test_login_01", "pass: test/login_01.c",
                                         "bypass=Route66Cafe", "3 pass, 1 fail",
                                         "password: \"enter your new password here\"", "docker run -p 8080:80 nginx",
                                         "curl -u $USER:$PASS x", "1234567890:AB is no token",
                                         "3f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c-uk", "patient-record.with.many.dots",
                                         "the API key you need is on the page", "Cookie: lang=de",
                                         "The password is case-sensitive.", "the password was re-entered by her",
                                         "seed phrase: keep it safe", "value: Sommer2024!", "4012/8888/8888/1882",
                                         "{\"auth\":\"required-for-all-users1\"}"));

INSTANTIATE_TEST_SUITE_P(WeakPasswords, Found,
                         testing::Values(Case{"password = correct.horse.battery", "SECRET", "correct.horse.battery"},
                                         Case{"password: :Hunter22", "SECRET", ":Hunter22"},
                                         Case{"password: \"my_password\"", "SECRET", "my_password"},
                                         Case{"postgres://u:%73ecret@h/db", "SECRET", "%73ecret"}));

struct SideBySide {
  std::string_view before;
  std::vector<std::string_view> values;
};

class SideBySideNumbers : public testing::TestWithParam<SideBySide> {};

TEST_P(SideBySideNumbers, AreFoundApart) {
  std::string text(GetParam().before);
  std::vector<SeenIn> expected;
  for (const auto value : GetParam().values) {
    text.append(value).append(" ");
    expected.push_back({"PHONE", std::string(value)});
  }
  EXPECT_EQ(scan(text), expected) << text;
}

INSTANTIATE_TEST_SUITE_P(Phones, SideBySideNumbers,
                         testing::Values(SideBySide{"", {"06 12 34 56 78", "06 39 98 12 47"}},
                                         SideBySide{"Call ", {"06 12 34 56 78", "01 39 98 12 47", "07 45 22 13 98"}},
                                         SideBySide{"", {"06.12.34.56.78", "06 39 98 12 47"}},
                                         SideBySide{"", {"0612345678", "0639981247"}},
                                         SideBySide{"", {"+33 6 12 34 56 78", "06 39 98 12 47"}},
                                         SideBySide{"", {"06 12 34 56 78", "+33 6 39 98 12 47"}},
                                         SideBySide{"", {"0033 6 12 34 56 78", "06 39 98 12 47"}},
                                         SideBySide{"Tel. ", {"030 901820", "0171 2345678"}},
                                         SideBySide{"", {"020 7946 0123", "030 901820 17"}},
                                         SideBySide{"phone: ", {"212-555-0187", "212-555-0188"}},
                                         SideBySide{"phone ", {"212 555 0187", "212 555 0188", "646 555 0139"}},
                                         SideBySide{"phone ", {"9018 2012", "9018 2013"}},
                                         SideBySide{"", {"06 12 34 56 78", "212 555 0187"}}));

TEST(Context, AJsonKeySaysWhatItsNumberIs) {
  EXPECT_EQ(scan("2722352416"), std::vector<SeenIn>{});
  EXPECT_EQ(scan("2722352416", "phone"), (std::vector<SeenIn>{{"PHONE", "2722352416"}}));
  EXPECT_EQ(scan("536228727", "ssn"), (std::vector<SeenIn>{{"US_SSN", "536228727"}}));
}

TEST(Luhn, EverySingleDigitErrorIsNoticed) {
  const std::string good = "4012888888881881";
  ASSERT_TRUE(check::luhn(good));
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (char c = '0'; c <= '9'; ++c) {
      auto changed = good;
      changed[i] = c;
      EXPECT_EQ(check::luhn(changed), c == good[i]);
    }
  }
}

TEST(Scanner, ALongKeyIsOneFindingToItsEnd) {
  std::string key = "sk-proj-";
  for (int i = 0; i < 40; ++i) key += "aB3x";
  EXPECT_EQ(scan("key " + key + " end"), (std::vector<SeenIn>{{"SECRET", key}}));
}

}  // namespace
}  // namespace sb::policy
