#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "policy/detect/byte_masks.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/context.h"

namespace sb::policy {
namespace {

using namespace topic;

struct Words {
  std::uint64_t topics;
  std::string_view words;
};

// English, German, French, Spanish, Italian, Dutch, Polish, Portuguese, Turkish, Swedish, Finnish; a few others.
constexpr Words kWords[] = {
    {phone,
     "phone phones phonenumber telephone tel mobile mob cell cellphone call called calling callback fax sms whatsapp "
     "dial "
     "ring hotline desk answering landline msisdn telefon handy mobil rufnummer anrufen anruf "
     "tél téléphone portable teléfono telefono tlf móvil movil celular cellulare cel telefoon mobiel komórka telefone "
     "telemóvel appelez llámame chiama bel reach registered messages message 連絡先 電話 手机 电话 text office home "
     "gsm cep telefonu numero"},
    {card,
     "card cards cc visa mastercard amex kreditkarte carte tarjeta carta kaart debit credit kartennummer karta "
     "cardnumber creditcard discover diners kartı"},
    {bank,
     "account acct accounts acc konto rekening rekeningnummer compte cuenta conto bank bankkonto savings "
     "checking beneficiary iban hesap rachunek"},
    {routing | us, "routing aba rtn transit"},
    {address,
     "src dst source destination ip ipv host server subnet addr address ipv4 ipv6 hostname gateway dns peer client"},
    {wallet, "btc bitcoin wallet eth ethereum segwit crypto litecoin ltc"},
    {birth,
     "dob birth born birthday birthdate geburtsdatum geboren geburtstag né née naissance nacimiento nacido "
     "nacida nato nata nascita geboortedatum urodzenia urodzony nascimento geb "
     "urodzona nascido nascida född födelsedatum født fødselsdato syntynyt syntymäaika doğum doğumlu narozen narozena "
     "narození született születési născut născută nașterii rođen rođena lahir sinh "
     "рождения родился родилась Родился Родилась рождён рождена народження народився народилася роден родена "
     "γέννησης γεννήθηκε לידה נולד נולדה الميلاد ميلاد مواليد जन्म जन्मतिथि "
     "出生日期 出生 出生于 生于 生日 出生年月日 生年月日 誕生日 생년월일 출생 생일"},
    {time, "date when since until before on datum fecha dato dated expires expiry exp valid"},
    {passport, "passport passports travel"},
    {passport | us, "usa"},
    {passport | de, "reisepass pass passnummer reisepassnummer"},
    {passport | es, "pasaporte"},
    {passport | it, "passaporto"},
    {passport | kr, "여권번호 여권번호는 여권"},
    {passport | fr, "passeport"},
    {passport | nl, "paspoort"},
    {passport | pl, "paszport"},
    {driver, "driver drivers driving license licenses dl dln permit"},
    {driver | uk | au | ca | in | za, "licence licences"},
    {driver | uk, "dvla"},
    {driver | it, "patente"},
    {driver | kr, "운전면허 운전면허번호"},
    {driver | de, "führerschein führerscheinnummer"},
    {tax, "tax taxpayer tin taxid taxes fiscal vat"},
    {tax | us, "itin ein irs"},
    {tax | au, "tfn"},
    {tax | in, "pan gstin gst"},
    {tax | de, "steuer steueridentifikations idnr steuerid steuernummer steueridnr"},
    {tax | es | national, "nif"},
    {tax | it | national, "codice fiscale cf"},
    {tax | it | company, "partita iva piva"},
    {tax | br | national, "cpf cnpj"},
    {tax | ph, "bir"},
    {national, "identity identification social ssns sozialversicherung citizen"},
    {national | us, "ssn socialsecurity security"},
    {national | ca, "sin"},
    {national | in, "aadhaar aadhar uidai adhaar"},
    {national | pl, "pesel"},
    {national | nl, "bsn burgerservice burgerservicenummer sofinummer"},
    {national | fr, "sécurité securite nir insee sociale"},
    {national | es, "dni"},
    {national | es | foreigner, "nie extranjero"},
    {national | se, "personnummer personnumret pnr samordningsnummer"},
    {national | fi, "hetu henkilötunnus henkilotunnus finnish"},
    {national | sg, "nric fin singapore"},
    {national | th, "tnin thai เลขประจำตัวประชาชน"},
    {national | tr, "tckn tc kimlik türk"},
    {national | uk, "nino ni national"},
    {national | za, "rsa sa resident african"},
    {national | kr, "rrn 주민등록번호"},
    {national | kr | foreigner, "frn 외국인등록번호"},
    {national | ng, "nin nigeria"},
    {national | de, "rentenversicherungs rentenversicherung rvnr sozialversicherungs svnr rv"},
    {health | uk, "nhs"},
    {health | au | us, "medicare"},
    {health | us, "mbi"},
    {health | de, "krankenkasse kvnr egk krankenversicherung krankenversicherten krankenversicherungs versicherten"},
    {provider | us, "npi dea provider prescriber registration medical"},
    {provider | de, "lanr arzt arztnummer bsnr betriebsstätten betriebsstättennummer"},
    {vehicle, "vehicle plate registration reg numberplate car"},
    {vehicle | tr, "plaka plakası plakasi"},
    {vehicle | de, "kennzeichen"},
    {voter | in, "voter epic election"},
    {company | au, "abn acn"},
    {company | se, "orgnummer organisationsnummer orgnr company"},
    {company | sg, "uen"},
    {company | kr, "brn korean 사업자등록번호"},
    {id_card | de, "personalausweis ausweis personalausweisnummer ausweisnummer perso"},
    {id_card | it, "identità identita carta"},
    {id_card, "id-card idcard"},
    {postcode, "postcode zip zipcode postal plz"},
    {patient, "patient patients chart"},
    {patient | number, "mrn pid"},
    {insurance, "insurance policy policyholder member versicherung versicherungsnummer assurance"},
    {user, "user userid login username"},
    {customer, "customer client kunde kundennummer klant cliente"},
    {employee, "employee personnel staff personalnummer badge"},
    {number, "number no nr num id ids code nummer numéro número numer identifier #"},
    {other,
     "order orders invoice ref reference ticket case tracking parcel shipment isbn issn ean upc sku part serial "
     "epoch timestamp unix transaction page bestellung "
     "bestellnummer rechnung commande "
     "facture pedido factura ordine coordinates score scores temperature port ports commit error line item room "
     "article floor inv total amount price sum width height size pages step hash md5 sha uuid trace span "
     "pointer boeing airbus"},
    {other | version, "version v release upgrade build driver-version firmware model chapter section paragraph"},
};

constexpr std::uint64_t kSmall = 0x2020202020202020ULL;

// What follows is asked of every word near a number: the usual way is short, the others are functions of their own.
[[gnu::noinline]] std::uint64_t bytes_at_end(std::string_view text, std::size_t at) {
  std::uint64_t bytes = 0;
  std::memcpy(&bytes, text.data() + at, text.size() - at);
  return bytes;
}

// The first `size` bytes, eight at most, of what begins at `at`: letters in lower case, zeros behind them. (Other bytes
// change too, but everywhere in the same way.)
inline std::uint64_t lower_bytes(std::string_view text, std::size_t at, std::size_t size) {
  std::uint64_t bytes = 0;
  if (at + sizeof bytes <= text.size()) [[likely]]
    std::memcpy(&bytes, text.data() + at, sizeof bytes);  // behind a short word too: no branch by its size
  else
    bytes = bytes_at_end(text, at);
  return (bytes | kSmall) & low_bits(8 * size);
}

// Of the first and the last eight bytes at most.
inline std::uint32_t hash_of(std::string_view text, std::size_t begin, std::size_t end) {
  const std::size_t size = end - begin;
  std::uint64_t mixed = lower_bytes(text, begin, size) * 0x9e3779b97f4a7c15ULL ^ size;
  if (size > 8) mixed ^= lower_bytes(text, end - 8, 8) * 0xff51afd7ed558ccdULL;
  return static_cast<std::uint32_t>(mixed * 0xc4ceb9fe1a85ec53ULL >> 32);
}

// What tells words of 16 bytes or less apart without a loop: which one it is, is as good as random.
struct Ends {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::size_t size = 0;

  static Ends of(std::string_view text, std::size_t begin, std::size_t end) {
    const std::size_t size = end - begin;
    return {lower_bytes(text, begin, size), lower_bytes(text, size > 8 ? end - 8 : begin, size), size};
  }
  friend bool operator==(const Ends& a, const Ends& b) {
    return ((a.first ^ b.first) | (a.last ^ b.last) | (a.size ^ b.size)) == 0;
  }
};

bool same_word(std::string_view lower, std::string_view word) {
  return lower.size() == word.size() && std::ranges::equal(lower, word, [](char a, char b) {
           return static_cast<unsigned char>(a) == static_cast<unsigned char>(to_lower(static_cast<unsigned char>(b)));
         });
}

// A bitmap says no for most words; open addressing, linear probing for the others.
class Table {
 public:
  Table() {
    for (const auto& [topics, words] : kWords) {
      for (std::size_t at = 0; at < words.size();) {
        const std::size_t end = std::min(words.find(' ', at), words.size());
        add(words.substr(at, end - at), topics);
        at = end + 1;
      }
    }
  }

  // Whether it may know a word of this hash; inline, because it is asked of each.
  bool may_know(std::uint32_t hash) const { return (bits_[hash % kBits / 64] >> hash % 64 & 1) != 0; }

  [[gnu::noinline]] std::uint64_t find(std::uint32_t hash, std::string_view text, std::size_t begin,
                                       std::size_t end) const {
    const Ends ends = Ends::of(text, begin, end);
    for (std::size_t at = hash % kSlots; slots_[at] != 0; at = (at + 1) % kSlots) {
      const Known& known = words_[slots_[at]];
      if (known.ends == ends && (known.told_by_ends || same_word(known.word, text.substr(begin, end - begin))))
        return known.topics;
    }
    return 0;
  }

  // Compounds: "Ausweisnummer", "accountnumber".
  [[gnu::noinline]] std::uint64_t find_stem(std::string_view word) const {
    for (const std::string_view suffix : {"nummer", "number", "nr"}) {
      if (word.size() <= suffix.size() + 1 || !same_word(suffix, word.substr(word.size() - suffix.size()))) continue;
      const auto stem = word.substr(0, word.size() - suffix.size());
      return find(hash_of(stem, 0, stem.size()), stem, 0, stem.size());
    }
    return 0;
  }

 private:
  static constexpr std::size_t kBits = 16384;  // 2 KB that stay near; one word in 25 passes that is none of ours
  static constexpr std::size_t kSlots = 2048;

  void add(std::string_view word, std::uint64_t topics) {
    const std::uint32_t hash = hash_of(word, 0, word.size());
    bits_[hash % kBits / 64] |= std::uint64_t{1} << hash % 64;
    std::size_t at = hash % kSlots;
    while (slots_[at] != 0 && words_[slots_[at]].word != word) at = (at + 1) % kSlots;
    if (slots_[at] == 0) {
      slots_[at] = static_cast<std::uint16_t>(words_.size());
      const bool told_by_ends = word.size() <= 16 && std::ranges::all_of(word, [](char c) { return is_letter(c); });
      words_.push_back({word, 0, Ends::of(word, 0, word.size()), told_by_ends});
    }
    words_[slots_[at]].topics |= topics;
  }

  struct Known {
    std::string_view word;
    std::uint64_t topics = 0;
    Ends ends;
    bool told_by_ends = false;  // it alone has them: short, and of ASCII letters
  };
  std::array<std::uint64_t, kBits / 64> bits_{};
  std::array<std::uint16_t, kSlots> slots_{};  // near each other, as the bits are; the words are not all asked for
  std::vector<Known> words_{1};                // by slot; the first is none
};

}  // namespace

std::uint64_t topics_of(std::string_view text, std::size_t begin, std::size_t end) {
  static const Table table;
  const std::uint32_t hash = hash_of(text, begin, end);
  if (table.may_know(hash)) {
    if (const auto topics = table.find(hash, text, begin, end)) return topics;
  }
  const bool may_have_stem = __builtin_unpredictable((bit(end - begin >= 5) & bit((text[end - 1] | 0x20) == 'r')) != 0);
  return may_have_stem ? table.find_stem(text.substr(begin, end - begin)) : 0;
}

}  // namespace sb::policy
