#include "keys/key.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"

namespace sb {
namespace {

constexpr std::string_view kPrefix = "sbk_";
constexpr std::string_view kDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::size_t kRandomDigits = 26;
constexpr std::size_t kChecksumDigits = 6;
constexpr std::size_t kKeyBytes = 4 + kRandomDigits + kChecksumDigits;
constexpr std::int64_t kVersion = 1;

// The first 64 bits of SHA-256, written in 6 base-62 digits: a random typo passes once in 5.7e10.
std::array<char, kChecksumDigits> checksum(std::string_view before) {
  const Digest digest = sha256(before);
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < 8; ++i) number = number << 8 | digest[i];
  std::array<char, kChecksumDigits> digits;
  for (char& digit : digits) {
    digit = kDigits[number % 62];
    number /= 62;
  }
  return digits;
}

bool in_range(std::int64_t value) {
  return value >= 0 && value <= 1'000'000'000'000'000;
}

Result<> check_fields(const KeyRecord& record) {
  if (record.name.empty() || record.name.size() > 128 || !is_valid_utf8(record.name)) {
    return fail(Errc::invalid_argument, "a key needs a name of 1 to 128 bytes of UTF-8", "name");
  }
  if (!is_tenant_name(record.tenant)) {
    return fail(Errc::invalid_argument, "a tenant is 1 to 63 of a-z, 0-9 and '-', not starting with '-'", "tenant");
  }
  if (!in_range(record.limits.requests_per_minute) || !in_range(record.limits.spend_micro_per_day) ||
      !in_range(record.limits.max_in_flight)) {
    return fail(Errc::invalid_argument, "a limit is a whole number from 0 (none) to 1e15", "limits");
  }
  return {};
}

std::unexpected<Error> corrupt(std::string_view member) {
  return fail(Errc::corrupt,
              fmt::format("stored API key: member \"{}\" is missing or malformed; restore the store", member));
}

}  // namespace

Secret generate_api_key(Entropy& entropy) {
  std::string key(kPrefix);
  key.reserve(kKeyBytes);
  while (key.size() < kPrefix.size() + kRandomDigits) {
    std::array<std::uint8_t, 32> bytes;
    entropy.fill(bytes);
    for (const std::uint8_t byte : bytes) {
      // 248 = 4 * 62: what is above would make some digits likelier than others.
      if (byte < 248 && key.size() < kPrefix.size() + kRandomDigits) key += kDigits[byte % 62];
    }
  }
  const auto digits = checksum(key);
  key.append(digits.data(), digits.size());
  return Secret(std::move(key));
}

bool is_api_key(std::string_view text) {
  if (text.size() != kKeyBytes || !text.starts_with(kPrefix)) return false;
  if (text.find_first_not_of(kDigits, kPrefix.size()) != std::string_view::npos) return false;
  const auto digits = checksum(text.substr(0, kKeyBytes - kChecksumDigits));
  return text.ends_with(std::string_view(digits.data(), digits.size()));
}

bool is_tenant_name(std::string_view text) {
  return !text.empty() && text.size() <= 63 && text.front() != '-' &&
         std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

Result<NewKey> make_key(std::string name, std::string tenant, Role role, KeyLimits limits, const Pepper& pepper,
                        const Clock& clock, Entropy& entropy) {
  KeyRecord record{.id = KeyId(),
                   .name = std::move(name),
                   .tenant = std::move(tenant),
                   .role = role,
                   .limits = limits,
                   .hash = {},
                   .created_us = clock.now_us(),
                   .revoked_us = {}};
  SB_CHECK(check_fields(record));
  record.id = KeyId::generate(clock, entropy);
  Secret text = generate_api_key(entropy);
  record.hash = pepper.hash(text.reveal());
  return NewKey{std::move(text), std::move(record)};
}

json::value to_json(const KeyRecord& record) {
  json::object out{{"id", record.id.to_string()},
                   {"name", record.name},
                   {"tenant", record.tenant},
                   {"role", to_string(record.role)},
                   {"limits",
                    {{"requests_per_minute", record.limits.requests_per_minute},
                     {"spend_micro_per_day", record.limits.spend_micro_per_day},
                     {"max_in_flight", record.limits.max_in_flight}}},
                   {"hash", to_hex(record.hash)},
                   {"created_us", record.created_us}};
  if (record.revoked_us) out["revoked_us"] = *record.revoked_us;
  if (record.made_by) out["made_by"] = record.made_by->to_string();
  return out;
}

Result<KeyRecord> key_from_json(const json::value& value) {
  KeyRecord record;
  const auto id = KeyId::parse(string_member(value, "id"));
  if (!id) return corrupt("id");
  record.id = *id;
  record.name = string_member(value, "name");
  record.tenant = string_member(value, "tenant");
  const auto role = parse_role(string_member(value, "role"));
  if (!role) return corrupt("role");
  record.role = *role;
  const auto* limits = find_member(value, "limits");
  if (!limits || !limits->is_object()) return corrupt("limits");
  // -1 where a number is missing: out of range, and so refused below.
  record.limits = {int_member(*limits, "requests_per_minute", -1), int_member(*limits, "spend_micro_per_day", -1),
                   int_member(*limits, "max_in_flight", -1)};
  const auto hash = from_hex(string_member(value, "hash"));
  if (!hash || hash->size() != record.hash.size()) return corrupt("hash");
  std::ranges::copy(*hash, reinterpret_cast<char*>(record.hash.data()));
  record.created_us = int_member(value, "created_us", -1);
  if (record.created_us < 0) return corrupt("created_us");
  if (const auto* revoked = find_member(value, "revoked_us")) {
    if (!revoked->is_int64()) return corrupt("revoked_us");
    record.revoked_us = revoked->get_int64();
  }
  if (find_member(value, "made_by")) {
    record.made_by = KeyId::parse(string_member(value, "made_by"));
    if (!record.made_by) return corrupt("made_by");
  }
  if (const auto checked = check_fields(record); !checked) return corrupt(checked.error().param);
  return record;
}

json::value keys_to_json(std::span<const KeyRecord> records) {
  json::array keys;
  for (const auto& record : records) keys.push_back(to_json(record));
  return json::object{{"version", kVersion}, {"keys", std::move(keys)}};
}

Result<std::vector<KeyRecord>> keys_from_json(const json::value& document) {
  const auto version = int_member(document, "version", -1);
  if (version > kVersion) {
    return fail(Errc::unsupported, fmt::format("stored API keys have version {}, known is {}; run the newer Signalbox",
                                               version, kVersion));
  }
  const auto* keys = find_member(document, "keys");
  if (version != kVersion) return corrupt("version");
  if (!keys || !keys->is_array()) return corrupt("keys");
  std::vector<KeyRecord> records;
  records.reserve(keys->get_array().size());
  for (const auto& value : keys->get_array()) {
    SB_TRY(auto record, key_from_json(value));
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace sb
