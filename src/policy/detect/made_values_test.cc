// Precision and recall over a corpus made anew from one seed: valid values of every type with check digits and of every
// kind of secret, named as people name them, among numbers that look like them and are none. It goes on where the
// published examples (identifiers_test.cc) end: every grouping of every rule, any value.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "policy/detect/builtin.h"
#include "policy/detect/check_digits.h"
#include "policy/detect/identifier_rules.h"
#include "policy/detect/secret_rules.h"
#include "policy/scanner.h"

namespace sb::policy {
namespace {

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kCapitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::string_view kAlnum = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view kHex = "0123456789abcdef";

// What people call the types whose rules have check digits.
struct Called {
  std::string_view type;
  std::string_view words;
};
constexpr Called kCalled[] = {
    {"US_SSN", "social security number"},
    {"US_ITIN", "ITIN"},
    {"US_NPI", "NPI of the physician"},
    {"MEDICAL_LICENSE", "DEA number"},
    {"US_MBI", "Medicare beneficiary number"},
    {"ABA_ROUTING_NUMBER", "routing number"},
    {"UK_NHS", "NHS number"},
    {"UK_NINO", "national insurance number"},
    {"UK_DRIVING_LICENCE", "driving licence"},
    {"DE_TAX_ID", "Steuer-ID"},
    {"DE_SOCIAL_SECURITY", "Rentenversicherungsnummer"},
    {"DE_HEALTH_INSURANCE", "Krankenversichertennummer"},
    {"DE_LANR", "LANR"},
    {"ES_NIF", "DNI"},
    {"ES_NIE", "NIE"},
    {"FR_NIR", "numéro de sécurité sociale"},
    {"FI_PERSONAL_IDENTITY_CODE", "henkilötunnus"},
    {"NL_BSN", "burgerservicenummer"},
    {"PL_PESEL", "PESEL"},
    {"IT_FISCAL_CODE", "codice fiscale"},
    {"IT_VAT_CODE", "partita IVA"},
    {"SE_PERSONNUMMER", "personnummer"},
    {"SE_ORGANISATIONSNUMMER", "organisationsnummer"},
    {"CA_SIN", "Canadian SIN"},
    {"BR_CPF", "CPF"},
    {"BR_CNPJ", "CNPJ"},
    {"AU_ABN", "ABN"},
    {"AU_ACN", "ACN"},
    {"AU_TFN", "TFN"},
    {"AU_MEDICARE", "Australian Medicare card"},
    {"IN_AADHAAR", "Aadhaar"},
    {"IN_GSTIN", "GSTIN"},
    {"KR_BRN", "Korean business registration number"},
    {"NG_NIN", "Nigerian NIN"},
    {"SG_NRIC_FIN", "NRIC"},
    {"SG_UEN", "UEN"},
    {"TH_TNIN", "Thai national ID"},
    {"TR_NATIONAL_ID", "TC kimlik no"},
    {"ZA_ID_NUMBER", "South African ID number"},
};

constexpr std::size_t kValuesPerType = 200;

class Corpus {
 public:
  struct Line {
    std::string text;
    std::string type;  // empty: nothing to find
    std::string value;
  };

  Corpus() {
    for (const auto& called : kCalled) add_identifiers(called);
    for (std::size_t i = 0; i < kValuesPerType; ++i) {
      add_named("card number", "CREDIT_CARD", card());
      add_named("IBAN", "IBAN", iban());
      add_secret(kPrefixRules[i % std::size(kPrefixRules)]);
      add_look_alikes();
    }
  }

  const std::vector<Line>& lines() const { return lines_; }

 private:
  std::size_t below(std::size_t n) { return random_() % n; }
  char pick(std::string_view from) { return from[below(from.size())]; }
  std::string pick(std::string_view from, std::size_t count) {
    std::string out;
    while (out.size() < count) out += pick(from);
    return out;
  }

  void add_identifiers(const Called& called) {
    std::vector<std::pair<const IdentifierRule*, std::string>> ways;  // a rule in one of its groupings
    for (const auto& rule : identifier_rules()) {
      if (rule.type != called.type || rule.check == nullptr || rule.groups == "*") continue;
      for (std::size_t at = 0; at < rule.groups.size();) {
        const auto end = std::min(rule.groups.find(' ', at), rule.groups.size());
        ways.emplace_back(&rule, rule.groups.substr(at, end - at));
        at = end + 1;
      }
    }
    ASSERT_FALSE(ways.empty()) << called.type;
    for (std::size_t i = 0; i < kValuesPerType; ++i) {
      const auto& [rule, groups] = ways[i % ways.size()];
      add_named(called.words, called.type, grouped(valid(*rule), groups));
    }
  }

  std::string valid(const IdentifierRule& rule) {
    for (;;) {
      std::string value;
      for (const char c : rule.shape)
        value += c == '9' ? pick(kDigits) : c == '@' ? pick(kCapitals) : c == '*' ? pick("0123456789ABCDEFGHJKLMN") : c;
      if (rule.check(value)) return value;
    }
  }

  static std::string grouped(std::string_view value, std::string_view groups) {
    std::string out;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      std::size_t count = 0;
      for (; i < groups.size() && groups[i] >= '0' && groups[i] <= '9'; ++i) count = count * 10 + groups[i] - '0';
      out += value.substr(0, count);
      value.remove_prefix(count);
      if (i < groups.size()) out += groups[i] == '_' ? ' ' : groups[i];
    }
    return out;
  }

  std::string card() {
    static constexpr std::pair<std::string_view, std::size_t> kIssued[] = {
        {"4", 16}, {"51", 16}, {"2720", 16}, {"34", 15}, {"6011", 16}, {"36", 14}, {"3530", 16}, {"62", 19}};
    const auto& [prefix, digits] = kIssued[below(std::size(kIssued))];
    std::string number;
    do number = std::string(prefix) + pick(kDigits, digits - prefix.size());
    while (!check::luhn(number));
    if (digits == 15) return below(2) == 0 ? number : grouped(number, "4-6-5");
    if (digits == 16 && below(2) == 0) return grouped(number, below(2) == 0 ? "4_4_4_4" : "4-4-4-4");
    return number;
  }

  std::string iban() {
    static constexpr std::pair<std::string_view, std::string_view> kAccounts[] = {{"DE", "999999999999999999"},
                                                                                  {"GB", "@@@@99999999999999"},
                                                                                  {"FR", "99999999999@@9999@@9999"},
                                                                                  {"NL", "@@@@9999999999"},
                                                                                  {"ES", "99999999999999999999"}};
    const auto& [country, shape] = kAccounts[below(std::size(kAccounts))];
    for (;;) {
      std::string account;
      for (const char c : shape) account += pick(c == '9' ? kDigits : kCapitals);
      const std::string digits = pick(kDigits, 2);
      if (!check::iso7064_97(account + std::string(country) + digits)) continue;
      const std::string whole = std::string(country) + digits + account;
      if (below(2) == 0) return whole;
      std::string spaced;
      for (std::size_t i = 0; i < whole.size(); ++i) spaced += (i > 0 && i % 4 == 0 ? " " : "") + whole.substr(i, 1);
      return spaced;
    }
  }

  void add_named(std::string_view words, std::string_view type, const std::string& value) {
    static constexpr std::string_view kSentences[] = {"The {} is {}, as they said.", "{}: {}",
                                                      "Please change the {} to {} and write back.",
                                                      "<td>{}</td><td>{}</td>", R"({{"{}": "{}"}})"};
    const auto sentence = kSentences[below(std::size(kSentences))];
    lines_.push_back({fmt::format(fmt::runtime(sentence), words, value), std::string(type), value});
  }

  void add_secret(const PrefixRule& rule) {
    if (rule.rule == "jwt")
      return add_secret("eyJ" + pick(kAlnum, 20) + ".eyJ" + pick(kAlnum, 60) + "." + pick(kAlnum, 43));
    const bool hexadecimal = rule.prefix == "SK" || rule.prefix == "key-" || rule.prefix == "dapi";
    const std::size_t size = rule.most > 0 ? rule.most : rule.least + below(20);
    add_secret(std::string(rule.prefix) + pick(hexadecimal ? kHex : kAlnum, size));
  }

  void add_secret(const std::string& key) {
    static constexpr std::string_view kSentences[] = {"export KEY={}", "the key {} does not work",
                                                      "curl -H 'X-Key: {}' /v1", R"({{"token": "{}"}})", "key: {}\n"};
    lines_.push_back({fmt::format(fmt::runtime(kSentences[below(std::size(kSentences))]), key), "SECRET", key});
  }

  // What people write where nothing is to be found.
  void add_look_alikes() {
    static constexpr std::string_view kSentences[] = {"order {} was cancelled", "commit {}", "invoice no {} is paid",
                                                      "GET /items/{} 200", "version {}"};
    // Longer numbers may be cards: what check digits accept by chance cannot be told from what is meant.
    const std::string values[] = {
        pick(kDigits, 8 + below(5)), pick(kHex, 40),
        pick(kHex, 8) + "-" + pick(kHex, 4) + "-4" + pick(kHex, 3) + "-a" + pick(kHex, 3) + "-" + pick(kHex, 12),
        pick(kCapitals, 2) + pick(kDigits, 6), pick(kDigits, 3) + "-" + pick(kDigits, 7)};
    for (std::size_t i = 0; i < std::size(values); ++i)
      lines_.push_back(
          {fmt::format(fmt::runtime(kSentences[(i + below(2)) % std::size(kSentences)]), values[i]), "", ""});
  }

  std::mt19937 random_{20251126};
  std::vector<Line> lines_;
};

struct Tally {
  int right = 0, wrong = 0, missed = 0;

  double precision() const { return right / std::max(1.0, static_cast<double>(right + wrong)); }
  double recall() const { return right / std::max(1.0, static_cast<double>(right + missed)); }
};

bool counts(const std::map<std::string, Tally>& tallies, std::string_view type) {
  return tallies.contains(std::string(type));
}

TEST(MadeValues, AreFoundAndToldApartNinetyNineTimesInAHundred) {
  const Scanner scanner(make_builtin_detectors());
  const Corpus corpus;
  std::map<std::string, Tally> tallies;
  for (const auto& line : corpus.lines()) {
    if (!line.type.empty()) tallies[line.type];
  }
  std::map<std::string, std::string> example;  // of what goes wrong
  for (const auto& line : corpus.lines()) {
    ScanResult result;
    scanner.scan(line.text, {}, result);
    bool right = false;
    for (const auto& f : result.findings) {
      const auto value = std::string_view(line.text).substr(f.span.begin, f.span.size());
      if (f.score < 0.5F || !counts(tallies, f.type)) continue;
      if (f.type == line.type && value.find(line.value) != std::string_view::npos) {
        right = true;
        continue;
      }
      ++tallies[std::string(f.type)].wrong;
      example[std::string(f.type)] = "found in: " + line.text;
    }
    if (line.type.empty()) continue;
    ++(right ? tallies[line.type].right : tallies[line.type].missed);
    if (!right) example[line.type] = "missed in: " + line.text;
  }
  for (const auto& [type, tally] : tallies) {
    fmt::print("{:<26} precision {:.3f} recall {:.3f}\n", type, tally.precision(), tally.recall());
    EXPECT_GE(tally.precision(), 0.99) << type << ' ' << example[type];
    EXPECT_GE(tally.recall(), 0.99) << type << ' ' << example[type];
  }
}

}  // namespace
}  // namespace sb::policy
