#include "policy/detect/identifier_rules.h"

#include "policy/detect/bytes_class.h"
#include "policy/detect/context.h"

namespace sb::policy {
namespace {

using namespace topic;

bool contains(std::string_view set, char c) {
  return set.find(c) != std::string_view::npos;
}

// CMS: 1-9, letters without S L O I B Z, in the order C A AN N A AN N A A N N.
bool us_mbi(std::string_view v) {
  constexpr std::string_view kNever = "SLOIBZ";
  for (const std::size_t i : {1U, 2U, 4U, 5U, 7U, 8U}) {
    if (contains(kNever, v[i])) return false;
  }
  return v[0] != '0' && is_letter(v[1]) && is_letter(v[4]);
}

bool de_document_letters(std::string_view v) {
  for (const char c : v.substr(0, 9)) {
    if (is_letter(c) && !contains("CFGHJKLMNPRTVWXYZ", c)) return false;
  }
  return is_letter(v[0]) && contains("CFGHJKLMNPRTVWXYZ", v[0]);
}

bool de_document(std::string_view v) {
  return de_document_letters(v) && check::de_document(v);
}

bool in_pan(std::string_view v) {
  return contains("ABCFGHJLNPT", v[3]);
}

bool in_passport(std::string_view v) {
  return v[1] != '0' && !contains("QXZ", v[0]);
}

bool in_vehicle(std::string_view v) {
  constexpr std::string_view kStates =
      "AN AP AR AS BH BR CG CH DD DL DN GA GJ HP HR JH JK KA KL LA LD MH ML MN MP MZ NL OD OR PB PY RJ SK TN TR TS UA "
      "UK "
      "UP WB";
  for (std::size_t i = 0; i < kStates.size(); i += 3) {
    if (kStates.substr(i, 2) == v.substr(0, 2)) return true;
  }
  return false;
}

bool kr_resident(std::string_view v) {
  return check::kr_birth(v) && v[6] >= '1' && v[6] <= '4';
}
bool kr_foreigner(std::string_view v) {
  return check::kr_birth(v) && (v[6] >= '5' && v[6] <= '8');
}
bool kr_passport(std::string_view v) {
  return contains("MSROD", v[0]);
}

bool ph_mobile(std::string_view v) {
  return v.starts_with("63") ? v[2] == '9' : v.starts_with("09");
}

bool tr_phone(std::string_view v) {
  if (v.size() == 11) v.remove_prefix(1);
  return v[0] >= '2' && v[0] <= '5' && v[1] != '0' + 9;
}

bool tr_plate(std::string_view v) {
  const int province = (v[0] - '0') * 10 + v[1] - '0';
  if (province < 1 || province > 81) return false;
  for (const char c : v) {
    if (contains("QWX", c)) return false;
  }
  return true;
}

// Royal Mail: area, district, sector, unit; units lack C I K M O V.
bool uk_postcode(std::string_view v) {
  if (v == "GIR0AA") return true;
  const auto inward = v.substr(v.size() - 3);
  const auto outward = v.substr(0, v.size() - 3);
  if (!is_digit(inward[0]) || contains("CIKMOV", inward[1]) || contains("CIKMOV", inward[2]) || is_digit(inward[1]) ||
      is_digit(inward[2])) {
    return false;
  }
  if (!is_letter(outward[0]) || contains("QVX", outward[0])) return false;
  if (is_letter(outward[1]) && contains("IJZ", outward[1])) return false;
  const std::size_t letters = is_letter(outward[1]) ? 2 : 1;
  const auto district = outward.substr(letters);
  if (district.empty() || !is_digit(district[0])) return false;
  return district.size() == 1 || district.size() == 2;
}

// DVLA: since 2001 area, age identifier (02-29, 51-79), three letters.
bool uk_plate_current(std::string_view v) {
  const int age = (v[2] - '0') * 10 + v[3] - '0';
  if (!((age >= 2 && age <= 29) || (age >= 51 && age <= 79))) return false;
  return !contains("IQZ", v[0]) && !contains("IQZ", v[1]) && v.substr(4).find_first_of("IQ") == std::string_view::npos;
}
bool uk_plate_prefix(std::string_view v) {
  return !contains("IOQUZ", v[0]) && v.find_first_of("IQ") == std::string_view::npos;
}
bool uk_plate_suffix(std::string_view v) {
  return v.find_first_of("IQ") == std::string_view::npos && !contains("IOQUZ", v.back());
}

bool us_driver(std::string_view v) {
  return v.find_first_not_of('0') != std::string_view::npos;
}

bool us_account(std::string_view v) {
  return v.find_first_not_of(v[0]) != std::string_view::npos;
}

bool ng_nin(std::string_view v) {
  return check::verhoeff(v) && v[0] != '0';
}

constexpr std::uint64_t kPerson = national | tax;

// Scores: 0.9 and more: check digits and a telling shape or word; 0.5: could well be; below: only a shape.
constexpr IdentifierRule kRules[] = {
    // United States
    {"US_SSN", "999999999", "3-2-4", check::us_ssn, national | us, 0.85F, 0, 0.98F},
    {"US_SSN", "999999999", "3_2_4 3.2.4", check::us_ssn, national | us, 0.72F, 0, 0.98F},
    {"US_SSN", "999999999", "9 3-6 5-4", check::us_ssn, national | us, 0, 0.45F, 0.95F},
    {"US_ITIN", "999999999", "3-2-4 3_2_4", check::us_itin, kPerson | us, 0.8F, 0, 0.95F},
    {"US_ITIN", "999999999", "9 3-6 5-4", check::us_itin, kPerson | us, 0, 0.5F, 0.9F},
    {"US_NPI", "9999999999", "10 4_3_3 4-3-3", check::us_npi, provider | us, 0, 0.5F, 0.97F},
    {"MEDICAL_LICENSE", "@@9999999", "9", check::us_dea, provider | us, 0.5F, 0.6F, 0.98F},
    {"MEDICAL_LICENSE", "@99999999", "9", check::us_dea, provider | us, 0, 0.4F, 0.98F},
    {"US_MBI", "9@*9@*9@@99", "11 4-3-4 4_3_4", us_mbi, health | us, 0.9F, 0, 0.99F},
    {"US_PASSPORT", "@99999999", "9", nullptr, passport | us, 0, 0.4F, 0.8F},
    {"US_PASSPORT", "999999999", "9", us_account, passport | us, 0, 0.2F, 0.75F},
    {"ABA_ROUTING_NUMBER", "999999999", "9", check::aba_routing, routing | us, 0, 0.44F, 0.95F},
    {"ABA_ROUTING_NUMBER", "999999999", "4-4-1", check::aba_routing, routing | us, 0, 0.6F, 0.95F},
    {"US_BANK_NUMBER", "99999999", "8", us_account, bank, 0, 0.15F, 0.7F},
    {"US_BANK_NUMBER", "999999999", "9", us_account, bank, 0, 0.15F, 0.75F},
    {"US_BANK_NUMBER", "9999999999", "10", us_account, bank, 0, 0.15F, 0.75F},
    {"US_BANK_NUMBER", "99999999999", "11", us_account, bank, 0, 0.15F, 0.75F},
    {"US_BANK_NUMBER", "999999999999", "12", us_account, bank, 0, 0.2F, 0.75F},
    {"US_BANK_NUMBER", "9999999999999", "13", us_account, bank, 0, 0.2F, 0.75F},
    {"US_BANK_NUMBER", "99999999999999", "14", us_account, bank, 0, 0.2F, 0.75F},
    {"US_BANK_NUMBER", "999999999999999", "15", us_account, bank, 0, 0.2F, 0.75F},
    {"US_BANK_NUMBER", "9999999999999999", "16", us_account, bank, 0, 0.2F, 0.75F},
    {"US_BANK_NUMBER", "99999999999999999", "17", us_account, bank, 0, 0.2F, 0.75F},
    // State licences: what AAMVA's list of formats has in common.
    {"US_DRIVER_LICENSE", "9999999", "7", us_driver, driver | us, 0, 0, 0.65F},
    {"US_DRIVER_LICENSE", "99999999", "8", us_driver, driver | us, 0, 0.12F, 0.7F},
    {"US_DRIVER_LICENSE", "999999999", "9 3-2-4 3-6", us_driver, driver | us, 0, 0.12F, 0.72F},
    {"US_DRIVER_LICENSE", "9999999999", "10", us_driver, driver | us, 0, 0.12F, 0.7F},
    {"US_DRIVER_LICENSE", "99999999999", "11", us_driver, driver | us, 0, 0.12F, 0.7F},
    {"US_DRIVER_LICENSE", "999999999999", "12", us_driver, driver | us, 0, 0.12F, 0.7F},
    {"US_DRIVER_LICENSE", "9999999999999", "13", us_driver, driver | us, 0, 0.12F, 0.65F},
    {"US_DRIVER_LICENSE", "99999999999999", "14", us_driver, driver | us, 0, 0.12F, 0.65F},
    {"US_DRIVER_LICENSE", "@999999", "7", us_driver, driver | us, 0, 0.3F, 0.75F},
    {"US_DRIVER_LICENSE", "@9999999", "8", us_driver, driver | us, 0, 0.3F, 0.8F},
    {"US_DRIVER_LICENSE", "@99999999", "9", us_driver, driver | us, 0, 0.3F, 0.8F},
    {"US_DRIVER_LICENSE", "@999999999", "10", us_driver, driver | us, 0, 0.3F, 0.75F},
    {"US_DRIVER_LICENSE", "@9999999999", "11", us_driver, driver | us, 0, 0.3F, 0.75F},
    {"US_DRIVER_LICENSE", "@99999999999", "12 4-4-4", us_driver, driver | us, 0, 0.3F, 0.75F},
    {"US_DRIVER_LICENSE", "@999999999999", "13 4-3-2-3-1", us_driver, driver | us, 0, 0.3F, 0.75F},
    {"US_DRIVER_LICENSE", "@9999999999999", "14", us_driver, driver | us, 0, 0.3F, 0.75F},
    {"US_DRIVER_LICENSE", "@99999999999999", "15", us_driver, driver | us, 0, 0.3F, 0.75F},
    {"US_DRIVER_LICENSE", "@@99999", "7", us_driver, driver | us, 0, 0, 0.7F},
    {"US_DRIVER_LICENSE", "@@999999", "8", us_driver, driver | us, 0, 0.25F, 0.75F},
    {"US_DRIVER_LICENSE", "@@9999999", "9", us_driver, driver | us, 0, 0.2F, 0.7F},
    {"US_DRIVER_LICENSE", "@@@999999", "9", us_driver, driver | us, 0, 0.2F, 0.7F},
    {"US_DRIVER_LICENSE", "@9@9@9@9@9@9@9", "14", us_driver, driver | us, 0, 0, 0.7F},
    {"US_DRIVER_LICENSE", "99@@@99999", "10", us_driver, driver | us, 0, 0.25F, 0.7F},

    // Europe
    {"UK_NHS", "9999999999", "3_3_4 3-3-4", check::uk_nhs, health | uk, 0.5F, 0.55F, 0.98F},
    {"UK_NHS", "9999999999", "10", check::uk_nhs, health | uk, 0, 0.4F, 0.98F},
    {"UK_NINO", "@@999999@", "9 2_2_2_2_1 2-2-2-2-1", check::uk_nino, national | insurance | uk, 0.8F, 0.85F, 0.97F},
    {"UK_PASSPORT", "@@9999999", "9", nullptr, passport | uk, 0, 0.4F, 0.75F},
    {"UK_PASSPORT", "999999999", "9", us_account, passport | uk, 0, 0, 0.8F, true},
    {"UK_DRIVING_LICENCE", "@****999999**9@@", "16 5_6_5", check::uk_driving_licence, driver | uk, 0.9F, 0, 0.98F},
    {"UK_VEHICLE_REGISTRATION", "@@99@@@", "7 4_3", uk_plate_current, vehicle | uk, 0.5F, 0.6F, 0.9F},
    {"UK_VEHICLE_REGISTRATION", "@999@@@", "7 4_3", uk_plate_prefix, vehicle | uk, 0.3F, 0.5F, 0.85F},
    {"UK_VEHICLE_REGISTRATION", "@99@@@", "6 3_3", uk_plate_prefix, vehicle | uk, 0.3F, 0.5F, 0.85F},
    {"UK_VEHICLE_REGISTRATION", "@9@@@", "5 2_3", uk_plate_prefix, vehicle | uk, 0.3F, 0.5F, 0.85F},
    {"UK_VEHICLE_REGISTRATION", "@@@999@", "7 3_4", uk_plate_suffix, vehicle | uk, 0.3F, 0.5F, 0.85F},
    {"UK_VEHICLE_REGISTRATION", "@@@99@", "6 3_3", uk_plate_suffix, vehicle | uk, 0.3F, 0.5F, 0.85F},
    {"UK_VEHICLE_REGISTRATION", "@@@9@", "5 3_2", uk_plate_suffix, vehicle | uk, 0.3F, 0.5F, 0.85F},
    {"UK_POSTCODE", "@99@@", "2_3", uk_postcode, postcode | uk, 0.6F, 0.65F, 0.9F},
    {"UK_POSTCODE", "@999@@", "3_3", uk_postcode, postcode | uk, 0.7F, 0.7F, 0.9F},
    {"UK_POSTCODE", "@@99@@", "3_3", uk_postcode, postcode | uk, 0.7F, 0.7F, 0.9F},
    {"UK_POSTCODE", "@9@9@@", "3_3", uk_postcode, postcode | uk, 0.7F, 0.7F, 0.9F},
    {"UK_POSTCODE", "@@999@@", "4_3", uk_postcode, postcode | uk, 0.7F, 0.7F, 0.9F},
    {"UK_POSTCODE", "@@9@9@@", "4_3", uk_postcode, postcode | uk, 0.7F, 0.7F, 0.9F},
    {"UK_POSTCODE", "@99@@", "5", uk_postcode, postcode | uk, 0, 0.4F, 0.8F},
    {"UK_POSTCODE", "@999@@", "6", uk_postcode, postcode | uk, 0, 0.4F, 0.8F},
    {"UK_POSTCODE", "@@99@@", "6", uk_postcode, postcode | uk, 0, 0.4F, 0.8F},
    {"UK_POSTCODE", "@9@9@@", "6", uk_postcode, postcode | uk, 0, 0.5F, 0.8F},
    {"UK_POSTCODE", "@@999@@", "7", uk_postcode, postcode | uk, 0, 0.5F, 0.8F},
    {"UK_POSTCODE", "@@9@9@@", "7", uk_postcode, postcode | uk, 0, 0.5F, 0.8F},
    {"UK_POSTCODE", "GIR9AA", "3_3 6", uk_postcode, postcode | uk, 0.7F, 0.7F, 0.9F},

    {"DE_ID_CARD", "@********9", "10", de_document, id_card | de, 0.75F, 0.8F, 0.98F},
    {"DE_ID_CARD", "@********", "9", de_document, id_card | de, 0, 0.5F, 0.95F},
    {"DE_ID_CARD", "T99999999", "9", nullptr, id_card | de, 0, 0.45F, 0.9F},
    {"DE_ID_CARD", "@********", "9", de_document_letters, id_card | de, 0, 0, 0.7F},
    {"DE_PASSPORT", "@********", "9", de_document, passport | de, 0, 0.5F, 0.93F},
    {"DE_PASSPORT", "@********9", "10", de_document, passport | de, 0, 0.5F, 0.95F},
    {"DE_TAX_ID", "99999999999", "11 2_3_3_3", check::de_tax_id, tax | de, 0, 0.6F, 0.97F},
    {"DE_SOCIAL_SECURITY", "99999999@999", "12 2_6_1_3 8_1_3", check::de_social_security, national | insurance | de,
     0.9F, 0, 0.98F},
    {"DE_HEALTH_INSURANCE", "@999999999", "10", check::de_health_insurance, health | insurance | de, 0.6F, 0.65F,
     0.98F},
    {"DE_BSNR", "999999999", "9", check::de_bsnr, provider | de, 0, 0.2F, 0.85F},
    {"DE_LANR", "999999999", "9", check::de_lanr, provider | de, 0, 0.4F, 0.95F},

    {"ES_NIF", "99999999@", "9 8-1 8_1", check::es_nif, national | tax | es, 0.85F, 0, 0.98F},
    {"ES_NIF", "9999999@", "8 7-1 7_1", check::es_nif, national | tax | es, 0.5F, 0.7F, 0.95F},
    {"ES_NIE", "X9999999@", "9 8-1 1-7-1", check::es_nie, national | es, 0.9F, 0, 0.98F},
    {"ES_NIE", "Y9999999@", "9 8-1 1-7-1", check::es_nie, national | es, 0.9F, 0, 0.98F},
    {"ES_NIE", "Z9999999@", "9 8-1 1-7-1", check::es_nie, national | es, 0.9F, 0, 0.98F},
    {"ES_PASSPORT", "@@@999999", "9", nullptr, passport | es, 0, 0.4F, 0.85F},

    {"FR_NIR", "99999**99999999", "15 1_2_2_2_3_3_2 13_2", check::fr_nir, national | fr, 0.9F, 0, 0.99F},
    {"FI_PERSONAL_IDENTITY_CODE", "999999@999*", "11", check::fi_personal_code, national | fi, 0.9F, 0, 0.98F},
    {"FI_PERSONAL_IDENTITY_CODE", "999999999*", "6-4 6+4", check::fi_personal_code, national | fi, 0.85F, 0, 0.98F},
    {"NL_BSN", "999999999", "9 4_2_3 3_3_3 4.2.3", check::nl_bsn, national | tax | nl, 0, 0.3F, 0.95F},
    {"PL_PESEL", "99999999999", "11", check::pl_pesel, national | pl, 0.6F, 0.7F, 0.98F},
    {"IT_FISCAL_CODE", "@@@@@@99@99@999@", "16 3_3_5_5 6_2_3_5", check::it_fiscal_code, kPerson | it, 0.95F, 0, 0.99F},
    {"IT_VAT_CODE", "99999999999", "11", check::it_vat, tax | it, 0.3F, 0.4F, 0.95F},
    {"IT_PASSPORT", "@@9999999", "9", nullptr, passport | it, 0, 0.35F, 0.8F},
    {"IT_DRIVER_LICENSE", "@@9999999@", "10", nullptr, driver | it, 0.4F, 0.5F, 0.9F},
    {"IT_DRIVER_LICENSE", "U1*******@", "10", nullptr, driver | it, 0.5F, 0.5F, 0.9F},
    {"IT_IDENTITY_CARD", "@@99999@@", "9", nullptr, id_card | it, 0.3F, 0.45F, 0.9F},
    {"IT_IDENTITY_CARD", "@@9999999", "9", nullptr, id_card | it, 0, 0.25F, 0.8F},
    {"IT_IDENTITY_CARD", "9999999@@", "9", nullptr, id_card | it, 0, 0.4F, 0.85F},
    {"SE_PERSONNUMMER", "9999999999", "6-4", check::se_personal, national | se, 0.75F, 0, 0.98F},
    {"SE_PERSONNUMMER", "9999999999", "10", check::se_personal, national | se, 0, 0.5F, 0.97F},
    {"SE_PERSONNUMMER", "999999999999", "12 8-4", check::se_personal, national | se, 0.75F, 0, 0.98F},
    {"SE_ORGANISATIONSNUMMER", "9999999999", "6-4", check::se_organisation, company | se, 0.6F, 0, 0.97F},
    {"SE_ORGANISATIONSNUMMER", "9999999999", "10", check::se_organisation, company | se, 0, 0.35F, 0.95F},

    // Americas, Asia, Africa, Oceania
    {"CA_SIN", "999999999", "3-3-3 3_3_3", check::ca_sin, national | ca, 0.5F, 0.6F, 0.97F},
    {"CA_SIN", "999999999", "9", check::ca_sin, national | ca, 0, 0.43F, 0.96F},
    {"BR_CPF", "99999999999", "3.3.3-2 3-3-3-2", check::br_cpf, kPerson | br, 0.95F, 0, 0.99F},
    {"BR_CPF", "99999999999", "11 9-2", check::br_cpf, kPerson | br, 0, 0.5F, 0.98F},
    {"BR_CNPJ", "99999999999999", "2.3.3/4-2", check::br_cnpj, tax | company | br, 0.95F, 0, 0.99F},
    {"BR_CNPJ", "99999999999999", "14", check::br_cnpj, tax | company | br, 0, 0.5F, 0.98F},
    {"AU_ABN", "99999999999", "2_3_3_3", check::au_abn, tax | company | au, 0.6F, 0, 0.98F},
    {"AU_ABN", "99999999999", "11", check::au_abn, tax | company | au, 0, 0.6F, 0.98F},
    {"AU_ACN", "999999999", "3_3_3", check::au_acn, company | au, 0.3F, 0.5F, 0.96F},
    {"AU_ACN", "999999999", "9", check::au_acn, company | au, 0, 0.38F, 0.95F},
    {"AU_TFN", "999999999", "3_3_3", check::au_tfn, tax | au, 0.3F, 0.5F, 0.97F},
    {"AU_TFN", "999999999", "9", check::au_tfn, tax | au, 0, 0.39F, 0.96F},
    {"AU_TFN", "99999999", "8 2_3_3", check::au_tfn, tax | au, 0, 0, 0.9F},
    {"AU_MEDICARE", "9999999999", "4_5_1 4-5-1", check::au_medicare, health | au, 0.7F, 0.75F, 0.98F},
    {"AU_MEDICARE", "9999999999", "10", check::au_medicare, health | au, 0, 0.44F, 0.97F},
    {"AU_MEDICARE", "99999999999", "4_5_1_1 4_5_2", check::au_medicare, health | au, 0.7F, 0.75F, 0.98F},
    {"IN_AADHAAR", "999999999999", "4_4_4 4-4-4 4:4:4", check::in_aadhaar, national | in, 0.7F, 0.8F, 0.98F},
    {"IN_AADHAAR", "999999999999", "12", check::in_aadhaar, national | in, 0, 0.5F, 0.98F},
    {"IN_PAN", "@@@@@9999@", "10", in_pan, tax | in, 0.75F, 0.8F, 0.97F},
    {"IN_PAN", "@@@@@9999@", "10", nullptr, tax | in, 0, 0.3F, 0.9F},
    {"IN_GSTIN", "99@@@@@9999@*Z*", "15", check::in_gstin, tax | in, 0.95F, 0, 0.99F},
    {"IN_PASSPORT", "@9999999", "8", in_passport, passport | in, 0, 0.4F, 0.75F},
    {"IN_VOTER", "@@@9999999", "10", nullptr, voter | in, 0.25F, 0.4F, 0.9F},
    {"IN_VEHICLE_REGISTRATION", "@@99@@9999", "10 2-2-2-4 2_2_2_4", in_vehicle, vehicle | in, 0.5F, 0.6F, 0.9F},
    {"IN_VEHICLE_REGISTRATION", "@@99@9999", "9 2_2_1_4 2-2-1-4", in_vehicle, vehicle | in, 0.5F, 0.6F, 0.9F},
    {"IN_VEHICLE_REGISTRATION", "@@9@@@9999", "10", in_vehicle, vehicle | in, 0.5F, 0.6F, 0.9F},
    {"IN_VEHICLE_REGISTRATION", "@@9@@9999", "9", in_vehicle, vehicle | in, 0.4F, 0.5F, 0.9F},
    {"IN_VEHICLE_REGISTRATION", "@@9@9999", "8", in_vehicle, vehicle | in, 0, 0.4F, 0.85F},
    {"IN_VEHICLE_REGISTRATION", "@@999999", "8", in_vehicle, vehicle | in, 0, 0.35F, 0.85F},
    {"IN_VEHICLE_REGISTRATION", "@@9999", "6", in_vehicle, vehicle | in, 0, 0.3F, 0.8F},
    {"IN_VEHICLE_REGISTRATION", "@@99@@@9999", "11", in_vehicle, vehicle | in, 0.5F, 0.6F, 0.9F},
    {"KR_RRN", "9999999999999", "6-7", kr_resident, national | kr, 0.85F, 0, 0.97F},
    {"KR_RRN", "9999999999999", "13", kr_resident, national | kr, 0, 0.6F, 0.95F},
    {"KR_FRN", "9999999999999", "6-7", kr_foreigner, national | kr, 0.8F, 0, 0.97F},
    {"KR_FRN", "9999999999999", "13", kr_foreigner, national | kr, 0, 0.58F, 0.95F},
    {"KR_BRN", "9999999999", "3-2-5", check::kr_brn, company | tax | kr, 0.6F, 0.7F, 0.97F},
    {"KR_BRN", "9999999999", "10", check::kr_brn, company | tax | kr, 0, 0.41F, 0.95F},
    {"KR_DRIVER_LICENSE", "999999999999", "2-2-6-2 2_2_6_2", check::kr_driver_license, driver | kr, 0.7F, 0.75F, 0.95F},
    {"KR_DRIVER_LICENSE", "999999999999", "12", check::kr_driver_license, driver | kr, 0, 0.4F, 0.8F},
    {"KR_PASSPORT", "@999@9999", "9", kr_passport, passport | kr, 0.5F, 0.6F, 0.95F},
    {"KR_PASSPORT", "@99999999", "9", kr_passport, passport | kr, 0, 0.42F, 0.85F},
    {"NG_NIN", "99999999999", "11", ng_nin, national | ng, 0, 0.4F, 0.95F},
    {"NG_VEHICLE_REGISTRATION", "@@@999@@", "3-5 3_5 8", nullptr, vehicle | ng, 0.4F, 0.5F, 0.9F},
    {"PH_TIN", "999999999", "3-3-3", nullptr, tax | ph, 0, 0, 0.85F},
    {"PH_TIN", "999999999999", "3-3-3-3", nullptr, tax | ph, 0, 0.4F, 0.9F},
    {"PH_TIN", "99999999999999", "3-3-3-5", nullptr, tax | ph, 0, 0.4F, 0.9F},
    {"PH_MOBILE_NUMBER", "99999999999", "*", ph_mobile, phone | ph, 0.5F, 0, 0.8F},
    {"PH_MOBILE_NUMBER", "+999999999999", "*", ph_mobile, phone | ph, 0.8F, 0, 0.9F},
    {"SG_NRIC_FIN", "@9999999@", "9", check::sg_nric, national | sg, 0.9F, 0, 0.99F},
    {"SG_UEN", "99999999@", "9", check::sg_uen, company | sg, 0.5F, 0.6F, 0.98F},
    {"SG_UEN", "999999999@", "10", check::sg_uen, company | sg, 0.6F, 0.7F, 0.98F},
    {"SG_UEN", "@99@@9999@", "10", check::sg_uen, company | sg, 0.8F, 0, 0.98F},
    {"TH_TNIN", "9999999999999", "13 1-4-5-2-1 1_4_5_2_1", check::th_tnin, national | th, 0.6F, 0.7F, 0.98F},
    {"TR_NATIONAL_ID", "99999999999", "11", check::tr_national_id, national | tr, 0.6F, 0.7F, 0.98F},
    {"TR_PHONE_NUMBER", "9999999999", "*", tr_phone, phone | tr, 0, 0.4F, 0.7F},
    {"TR_PHONE_NUMBER", "09999999999", "*", tr_phone, phone | tr, 0, 0.45F, 0.75F},
    {"TR_PHONE_NUMBER", "09999999999", "1_3_3_2_2 4_3_2_2", tr_phone, phone | tr, 0, 0.5F, 0.75F},
    {"TR_PHONE_NUMBER", "+909999999999", "*", nullptr, phone | tr, 0.8F, 0, 0.9F},
    {"TR_LICENSE_PLATE", "99@99", "2_1_2", tr_plate, vehicle | tr, 0, 0.5F, 0.9F},
    {"TR_LICENSE_PLATE", "99@999", "2_1_3", tr_plate, vehicle | tr, 0, 0.5F, 0.9F},
    {"TR_LICENSE_PLATE", "99@9999", "2_1_4 7", tr_plate, vehicle | tr, 0, 0.5F, 0.9F},
    {"TR_LICENSE_PLATE", "99@@99", "2_2_2 6", tr_plate, vehicle | tr, 0, 0.5F, 0.9F},
    {"TR_LICENSE_PLATE", "99@@999", "2_2_3 2-2-3 7", tr_plate, vehicle | tr, 0.4F, 0.5F, 0.9F},
    {"TR_LICENSE_PLATE", "99@@9999", "2_2_4 8", tr_plate, vehicle | tr, 0.4F, 0.5F, 0.9F},
    {"TR_LICENSE_PLATE", "99@@@99", "2_3_2 7", tr_plate, vehicle | tr, 0.4F, 0.5F, 0.9F},
    {"TR_LICENSE_PLATE", "99@@@999", "2_3_3 2-3-3 8", tr_plate, vehicle | tr, 0.4F, 0.5F, 0.9F},
    {"TR_LICENSE_PLATE", "99@@@9999", "2_3_4 2-3-4 9", tr_plate, vehicle | tr, 0.4F, 0.5F, 0.9F},
    {"ZA_ID_NUMBER", "9999999999999", "13 6_4_3 6_5_2", check::za_id, national | za, 0.8F, 0, 0.98F},
};

}  // namespace

std::span<const IdentifierRule> identifier_rules() {
  return kRules;
}

}  // namespace sb::policy
