#include <gtest/gtest.h>

#include <algorithm>

#include "policy/detect/builtin.h"
#include "policy/detect/identifier_rules.h"
#include "policy/scanner.h"

namespace sb::policy {
namespace {

// 0 where `value` is not found as `type`.
float score_of(std::string_view text, std::string_view type, std::string_view value) {
  static const Scanner scanner(make_builtin_detectors(), {}, Scanner::Overlaps::keep);
  ScanResult result;
  scanner.scan(text, {}, result);
  float score = 0;
  for (const auto& f : result.findings) {
    if (f.type == type && text.substr(f.span.begin, f.span.size()) == value) score = std::max(score, f.score);
  }
  return score;
}

bool found(std::string_view text, std::string_view type, std::string_view value) {
  return score_of(text, type, value) > 0;
}

struct Example {
  std::string_view words;  // that name the value
  std::string_view type;
  std::string_view value;
  std::string_view wrong = {};  // the same with a check digit, date or area that cannot be
};

// Values that the issuers, or those who describe their schemes, publish as examples.
constexpr Example kExamples[] = {
    {"social security number", "US_SSN", "219-09-9998", "666-09-9998"},
    {"ITIN", "US_ITIN", "912-70-1234", "912-49-1234"},
    {"NPI", "US_NPI", "1234567893", "1234567894"},
    {"DEA", "MEDICAL_LICENSE", "AB1234563", "AB1234564"},
    {"Medicare", "US_MBI", "1EG4-TE5-MK72", "1EG4-TE5-MS72"},
    {"passport", "US_PASSPORT", "Z12345678"},
    {"driver's license", "US_DRIVER_LICENSE", "D1234567"},
    {"routing number", "ABA_ROUTING_NUMBER", "021000021", "021000022"},
    {"account number", "US_BANK_NUMBER", "000123456789"},
    {"NHS number", "UK_NHS", "943 476 5919", "943 476 5918"},
    {"national insurance number", "UK_NINO", "AB 12 34 56 C", "QQ 12 34 56 C"},
    {"passport of the UK, NHS,", "UK_PASSPORT", "AB1234567"},
    {"driving licence", "UK_DRIVING_LICENCE", "MORGA657054SM9IJ", "MORGA667054SM9IJ"},
    {"driving licence", "UK_DRIVING_LICENCE", "FOX99 657054 SM9IJ", "F9X99 657054 SM9IJ"},
    {"car", "UK_VEHICLE_REGISTRATION", "AB51 DVL", "AB35 DVL"},
    {"postcode", "UK_POSTCODE", "SW1A 2AA", "SW1A 2AI"},
    {"Personalausweis", "DE_ID_CARD", "L01X00T471", "L01X00T472"},
    {"Reisepass", "DE_PASSPORT", "C01X00T478", "C01X00T479"},
    {"Steuer-ID", "DE_TAX_ID", "86095742719", "86095742718"},
    {"Rentenversicherung", "DE_SOCIAL_SECURITY", "15070649C103", "15070649C104"},
    {"Krankenkasse", "DE_HEALTH_INSURANCE", "A123456780", "A123456781"},
    {"LANR", "DE_LANR", "123456601", "123456701"},
    {"DNI", "ES_NIF", "12345678Z", "12345678A"},
    {"NIE", "ES_NIE", "X1234567L", "X1234567M"},
    {"pasaporte", "ES_PASSPORT", "XDD123456"},
    {"sécurité sociale", "FR_NIR", "2 55 08 14 168 025 38", "2 55 08 14 168 025 39"},
    {"burgerservicenummer", "NL_BSN", "111222333", "111222334"},
    {"PESEL", "PL_PESEL", "44051401359", "44051401358"},
    {"codice fiscale", "IT_FISCAL_CODE", "RSSMRA85T10A562S", "RSSMRA85G10A562S"},
    {"partita IVA", "IT_VAT_CODE", "00743110157", "00743110158"},
    {"hetu", "FI_PERSONAL_IDENTITY_CODE", "131052-308T", "131052-308U"},
    {"personnummer", "SE_PERSONNUMMER", "811228-9874", "811228-9873"},
    {"orgnummer", "SE_ORGANISATIONSNUMMER", "556016-0680", "556016-0681"},
    {"SIN", "CA_SIN", "130 692 544", "130 692 545"},
    {"CPF", "BR_CPF", "529.982.247-25", "529.982.247-26"},
    {"CNPJ", "BR_CNPJ", "11.222.333/0001-81", "11.222.333/0001-82"},
    {"ABN", "AU_ABN", "83 914 571 673", "83 914 571 674"},
    {"ACN", "AU_ACN", "004 085 616", "004 085 617"},
    {"TFN", "AU_TFN", "123 456 782", "123 456 783"},
    {"Medicare card", "AU_MEDICARE", "2123 45670 1", "2123 45671 1"},
    {"PAN", "IN_PAN", "AAPFU0939F"},
    {"GSTIN", "IN_GSTIN", "27AAPFU0939F1ZV", "45AAPFU0939F1ZV"},
    {"voter", "IN_VOTER", "WKH1186253"},
    {"vehicle", "IN_VEHICLE_REGISTRATION", "MH12DE1433", "QX12DE1433"},
    {"RRN", "KR_RRN", "840921-1034567", "841321-1034567"},
    {"BRN", "KR_BRN", "116-82-00276", "116-82-00277"},
    {"TIN", "PH_TIN", "239-123-456"},
    {"NRIC", "SG_NRIC_FIN", "S1234567D", "S1234567E"},
    {"UEN", "SG_UEN", "197401143C", "197401143D"},
    {"plaka", "TR_LICENSE_PLATE", "34 AB 1234", "95 AB 1234"},
    {"kimlik", "TR_NATIONAL_ID", "17291716060", "17291716061"},
    {"SA ID", "ZA_ID_NUMBER", "7503305044089", "7503305044088"},
    {"wallet", "CRYPTO", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"},
    {"wallet", "CRYPTO", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"},
    {"ip", "IP_ADDRESS", "2001:db8:85a3::8a2e:370:7334", "2001:db8:85a3:8a2e:370:7334"},
    {"mac", "MAC_ADDRESS", "00:00:5e:00:53:af", "00:00:00:00:00:00"},
    {"patient id", "PATIENT_ID", "PHX-839221"},
    {"policy number", "INSURANCE_ID", "88291-77"},
};

class Identifier : public testing::TestWithParam<Example> {};

TEST_P(Identifier, IsFoundWhereAWordNamesItAndItsDigitsHold) {
  const auto& example = GetParam();
  const auto text = [&](std::string_view value) {
    return std::string("The ") + std::string(example.words) + " is " + std::string(value) + ", as they said.";
  };
  EXPECT_TRUE(found(text(example.value), example.type, example.value)) << text(example.value);
  if (!example.wrong.empty())
    EXPECT_FALSE(found(text(example.wrong), example.type, example.wrong)) << text(example.wrong);
}

INSTANTIATE_TEST_SUITE_P(Published, Identifier, testing::ValuesIn(kExamples));

// What a value is taken for at the usual threshold where nothing but it stands in a field, and no longer in a sentence.
struct FieldValue {
  std::string_view type;
  std::string_view value;
  std::string_view wrong = {};
};
constexpr FieldValue kFieldValues[] = {
    {"DE_TAX_ID", "86095742719", "86095742718"},
    {"AU_ABN", "83914571673", "83914571674"},
    {"US_NPI", "1234567893", "1234567894"},
    {"US_ITIN", "912701234", "912491234"},
    {"ABA_ROUTING_NUMBER", "0210-0002-1", "0210-0002-2"},
    {"DE_PASSPORT", "CF4R7K1T7", "CF4R7K1T6"},
    {"UK_POSTCODE", "EC1A1BB", "EC1A1BO"},
    {"UK_VEHICLE_REGISTRATION", "B123 CDE", "I123 CDE"},
    {"NG_VEHICLE_REGISTRATION", "KJA-432DC"},
    {"IT_DRIVER_LICENSE", "RM7654321K"},
    {"TR_PHONE_NUMBER", "0 544 321 67 89", "0 644 321 67 89"},
};

class InAField : public testing::TestWithParam<FieldValue> {};

TEST_P(InAField, IsTakenForWhatItLooksLike) {
  const auto& [type, value, wrong] = GetParam();
  EXPECT_GE(score_of(value, type, value), 0.5F);
  if (!wrong.empty()) EXPECT_LT(score_of(wrong, type, wrong), 0.5F);
  const auto sentence = std::string("We put the box with ") + std::string(value) + " on it back on its shelf.";
  EXPECT_LT(score_of(sentence, type, value), 0.5F);
}

INSTANTIATE_TEST_SUITE_P(Values, InAField, testing::ValuesIn(kFieldValues));

TEST(IdentifierRules, EachShapeAndGroupingSayTheSameLength) {
  for (const auto& rule : identifier_rules()) {
    EXPECT_LE(rule.shape.size(), 44U) << rule.type;
    EXPECT_GT(rule.named, 0) << rule.type;
    EXPECT_GE(rule.named, rule.alone) << rule.type;
  }
}

}  // namespace
}  // namespace sb::policy
