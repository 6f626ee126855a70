#include "policy/detect/context.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "policy/detect/bytes_class.h"

namespace sb::policy {
namespace {

struct HintWord {
  std::string_view word;
  Hint hint;
};

constexpr auto kWords = std::to_array<HintWord>({
    // English, German, French, Spanish, Italian, Dutch, Polish, Portuguese; sorted by the table below.
    {"phone", Hint::phone},
    {"phones", Hint::phone},
    {"phonenumber", Hint::phone},
    {"telephone", Hint::phone},
    {"tel", Hint::phone},
    {"mobile", Hint::phone},
    {"cell", Hint::phone},
    {"cellphone", Hint::phone},
    {"call", Hint::phone},
    {"called", Hint::phone},
    {"calling", Hint::phone},
    {"callback", Hint::phone},
    {"fax", Hint::phone},
    {"sms", Hint::phone},
    {"whatsapp", Hint::phone},
    {"dial", Hint::phone},
    {"ring", Hint::phone},
    {"hotline", Hint::phone},
    {"desk", Hint::phone},
    {"answering", Hint::phone},
    {"landline", Hint::phone},
    {"msisdn", Hint::phone},
    {"telefon", Hint::phone},
    {"telefonnummer", Hint::phone},
    {"handy", Hint::phone},
    {"handynummer", Hint::phone},
    {"mobil", Hint::phone},
    {"rufnummer", Hint::phone},
    {"anrufen", Hint::phone},
    {"tél", Hint::phone},
    {"téléphone", Hint::phone},
    {"portable", Hint::phone},
    {"teléfono", Hint::phone},
    {"telefono", Hint::phone},
    {"móvil", Hint::phone},
    {"movil", Hint::phone},
    {"celular", Hint::phone},
    {"cellulare", Hint::phone},
    {"cel", Hint::phone},
    {"telefoon", Hint::phone},
    {"mobiel", Hint::phone},
    {"komórka", Hint::phone},
    {"telefone", Hint::phone},
    {"telemóvel", Hint::phone},
    {"appelez", Hint::phone},
    {"llámame", Hint::phone},
    {"chiama", Hint::phone},
    {"bel", Hint::phone},
    {"reach", Hint::phone},
    {"registered", Hint::phone},
    {"messages", Hint::phone},
    {"message", Hint::phone},

    {"連絡先", Hint::phone},
    {"電話", Hint::phone},
    {"手机", Hint::phone},
    {"电话", Hint::phone},
    {"text", Hint::phone},
    {"office", Hint::phone},
    {"home", Hint::phone},
    {"card", Hint::card},
    {"cards", Hint::card},
    {"cc", Hint::card},
    {"visa", Hint::card},
    {"mastercard", Hint::card},
    {"amex", Hint::card},
    {"kreditkarte", Hint::card},
    {"carte", Hint::card},
    {"tarjeta", Hint::card},
    {"carta", Hint::card},
    {"kaart", Hint::card},
    {"pan", Hint::card},
    {"debit", Hint::card},
    {"credit", Hint::card},
    {"kartennummer", Hint::card},
    {"karta", Hint::card},
    {"ssn", Hint::ssn},
    {"ssns", Hint::ssn},
    {"social", Hint::ssn},
    {"socialsecurity", Hint::ssn},
    {"iban", Hint::bank},
    {"account", Hint::bank},
    {"acct", Hint::bank},
    {"routing", Hint::bank},
    {"konto", Hint::bank},
    {"kontonummer", Hint::bank},
    {"rekening", Hint::bank},
    {"compte", Hint::bank},
    {"cuenta", Hint::bank},
    {"aba", Hint::bank},
    {"ip", Hint::address},
    {"host", Hint::address},
    {"server", Hint::address},
    {"subnet", Hint::address},
    {"addr", Hint::address},
    {"order", Hint::other},
    {"orders", Hint::other},
    {"invoice", Hint::other},
    {"ref", Hint::other},
    {"reference", Hint::other},
    {"ticket", Hint::other},
    {"case", Hint::other},
    {"tracking", Hint::other},
    {"parcel", Hint::other},
    {"shipment", Hint::other},
    {"isbn", Hint::other},
    {"issn", Hint::other},
    {"ean", Hint::other},
    {"upc", Hint::other},
    {"sku", Hint::other},
    {"part", Hint::other},
    {"serial", Hint::other},
    {"version", Hint::other},
    {"v", Hint::other},
    {"release", Hint::other},
    {"upgrade", Hint::other},
    {"build", Hint::other},
    {"driver", Hint::other},
    {"firmware", Hint::other},
    {"epoch", Hint::other},
    {"timestamp", Hint::other},
    {"unix", Hint::other},
    {"npi", Hint::other},
    {"nhs", Hint::other},
    {"tfn", Hint::other},
    {"tax", Hint::other},
    {"sin", Hint::other},
    {"aadhaar", Hint::other},
    {"pesel", Hint::other},
    {"passport", Hint::other},
    {"licence", Hint::other},
    {"license", Hint::other},
    {"medicare", Hint::other},
    {"bsn", Hint::other},
    {"burgerservicenummer", Hint::other},
    {"nino", Hint::other},
    {"cpf", Hint::other},
    {"dni", Hint::other},
    {"code", Hint::other},
    {"id", Hint::other},
    {"transaction", Hint::other},
    {"page", Hint::other},
    {"chapter", Hint::other},
    {"sécurité", Hint::other},
    {"bestellung", Hint::other},
    {"bestellnummer", Hint::other},
    {"rechnung", Hint::other},
    {"commande", Hint::other},
    {"facture", Hint::other},
    {"pedido", Hint::other},
    {"factura", Hint::other},
    {"ordine", Hint::other},
    {"policy", Hint::other},
    {"model", Hint::other},
    {"coordinates", Hint::other},
    {"score", Hint::other},
    {"scores", Hint::other},
    {"temperature", Hint::other},
});

constexpr std::uint32_t hash_of(std::string_view word) {
  std::uint32_t hash = 2166136261U;  // FNV-1a
  for (const char c : word) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

// Open addressing, linear probing: one look for most words.
constexpr std::size_t kSlots = 512;
constexpr std::array<std::uint8_t, kSlots> make_slots() {
  std::array<std::uint8_t, kSlots> slots{};
  static_assert(kWords.size() < 250);
  for (std::size_t i = 0; i < kWords.size(); ++i) {
    std::size_t at = hash_of(kWords[i].word) % kSlots;
    while (slots[at] != 0) at = (at + 1) % kSlots;
    slots[at] = static_cast<std::uint8_t>(i + 1);
  }
  return slots;
}
constexpr auto kSlotTable = make_slots();

Hint hint_of(std::string_view word) {
  for (std::size_t at = hash_of(word) % kSlots; kSlotTable[at] != 0; at = (at + 1) % kSlots) {
    const auto& entry = kWords[kSlotTable[at] - 1];
    if (entry.word == word) return entry.hint;
  }
  return Hint::none;
}

constexpr std::size_t kMaxWord = 24;

// Calls `visit(hint, begin)` for each telling word in [low, end), the nearest first, until it returns true.
// "phoneNumber" is two words. A word that `low` may have cut is none, unless the text begins there.
template <class Visit>
bool walk_back(std::string_view text, std::size_t low, std::size_t end, Visit visit) {
  while (end > low) {
    while (end > low && !is_a(byte_of(text, end - 1), kUpper | kLower | kHigh)) --end;
    std::size_t begin = end;
    while (begin > low && is_a(byte_of(text, begin - 1), kUpper | kLower | kHigh)) {
      --begin;
      const bool camel = begin > low && is_a(byte_of(text, begin), kUpper) && is_a(byte_of(text, begin - 1), kLower);
      if (camel) break;
    }
    const std::size_t size = end - begin;
    if (size > 0 && size <= kMaxWord && (begin > low || low == 0)) {
      std::array<char, kMaxWord> lower;
      for (std::size_t i = 0; i < size; ++i) lower[i] = static_cast<char>(to_lower(byte_of(text, begin + i)));
      const Hint hint = hint_of({lower.data(), size});
      if (hint != Hint::none && visit(hint, begin)) return true;
    }
    end = begin;
  }
  return false;
}

std::size_t lowest(std::size_t start) {
  return start > kWindowBytes ? start - kWindowBytes : 0;
}

Hint hint_of_label(std::string_view label) {
  Hint found = Hint::none;
  walk_back(label, 0, label.size(), [&](Hint hint, std::size_t) {
    found = hint;
    return true;
  });
  return found;
}

}  // namespace

Hint hint_before(ScanWindow& window, std::size_t start) {
  auto& memo = window.hint_memo;
  const std::size_t low = lowest(start);
  ScanWindow::HintMemo now{start, 0, 0};
  const auto take = [&](Hint hint, std::size_t begin) {
    now.word = begin;
    now.hint = static_cast<std::uint8_t>(hint);
    return true;
  };
  const bool known = memo.asked <= start && memo.asked > low;  // what lies before `asked` was looked at
  if (!walk_back(window.text(), known ? memo.asked - 1 : low, start, take) && known && memo.hint != 0 &&
      (memo.word > low || low == 0)) {
    now = {start, memo.word, memo.hint};
  }
  memo = now;
  if (now.hint != 0) return static_cast<Hint>(now.hint);
  return start < kWindowBytes ? hint_of_label(window.label()) : Hint::none;
}

bool has_hint_before(const ScanWindow& window, std::size_t start, Hint wanted) {
  const auto same = [&](Hint hint, std::size_t) { return hint == wanted; };
  if (walk_back(window.text(), lowest(start), start, same)) return true;
  const auto label = window.label();
  return start < kWindowBytes && walk_back(label, 0, label.size(), same);
}

}  // namespace sb::policy
