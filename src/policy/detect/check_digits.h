/// The published check digit schemes of identifiers. Each takes a compact value (digits and upper-case letters, without
/// separators) whose shape was checked before, and says whether its check digits, dates and area codes hold.
#pragma once

#include <string_view>

namespace sb::policy {

using CheckFunction = bool (*)(std::string_view compact);

namespace check {

// Schemes that several countries share.
bool luhn(std::string_view v);           ///< ISO/IEC 7812 annex B
bool iso7064_97(std::string_view v);     ///< ISO 7064 MOD 97-10; letters count from A = 10
bool iso7064_11_10(std::string_view v);  ///< ISO 7064 MOD 11,10
bool verhoeff(std::string_view v);
bool mod11_weighted(std::string_view v);  ///< weights 1, 2, 3, ... from the right; a final X is 10

// Banks, health care, tax.
bool aba_routing(std::string_view v);
bool us_ssn(std::string_view v);
bool us_itin(std::string_view v);
bool us_npi(std::string_view v);
bool us_dea(std::string_view v);
bool au_abn(std::string_view v);
bool au_acn(std::string_view v);
bool au_medicare(std::string_view v);
bool au_tfn(std::string_view v);
bool br_cpf(std::string_view v);
bool br_cnpj(std::string_view v);
bool ca_sin(std::string_view v);
bool de_bsnr(std::string_view v);
bool de_health_insurance(std::string_view v);
bool de_document(std::string_view v);  ///< identity card and passport: ICAO 9303 weights 7, 3, 1; the last is the check
bool de_lanr(std::string_view v);
bool de_social_security(std::string_view v);
bool de_tax_id(std::string_view v);
bool es_nif(std::string_view v);
bool es_nie(std::string_view v);
bool fi_personal_code(std::string_view v);  ///< 11 characters with a letter as century sign, 10 with a '-'
bool fr_nir(std::string_view v);
bool in_aadhaar(std::string_view v);
bool in_gstin(std::string_view v);
bool it_fiscal_code(std::string_view v);
bool it_vat(std::string_view v);
bool kr_brn(std::string_view v);
bool kr_driver_license(std::string_view v);
bool kr_birth(std::string_view v);  ///< resident and foreigner numbers: a date begins them
bool nl_bsn(std::string_view v);
bool pl_pesel(std::string_view v);
bool se_organisation(std::string_view v);
bool se_personal(std::string_view v);  ///< 10 or 12 digits
bool sg_nric(std::string_view v);
bool sg_uen(std::string_view v);
bool th_tnin(std::string_view v);
bool tr_national_id(std::string_view v);
bool uk_driving_licence(std::string_view v);
bool uk_nhs(std::string_view v);
bool uk_nino(std::string_view v);
bool za_id(std::string_view v);

// Wallets.
bool base58check(std::string_view v);  ///< Bitcoin and its kin: 25 bytes, the last four from SHA-256 twice
bool bech32(std::string_view v);       ///< BIP 173 and 350; lower case

}  // namespace check
}  // namespace sb::policy
