#include "keys/key_ring.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "base/bytes.h"

namespace sb {
namespace {

// The hash is keyed, so nobody outside can choose where a key falls: its first bytes index well.
std::uint64_t index_of(const Digest& hash) {
  std::uint64_t index;
  std::memcpy(&index, hash.data(), sizeof index);
  return index;
}

std::string_view as_text(const Digest& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

}  // namespace

struct KeyRing::Snapshot {
  std::vector<KeyRecord> records;                               ///< oldest first
  std::unordered_multimap<std::uint64_t, std::size_t> by_hash;  ///< index_of(hash) -> position in records
  std::unordered_map<KeyId, std::size_t> by_id;                 ///< likewise
  std::size_t usable = 0;
};

KeyRing::KeyRing(Pepper pepper) : pepper_(std::move(pepper)), snapshot_(std::make_shared<Snapshot>()) {}
KeyRing::~KeyRing() = default;

Result<> KeyRing::replace(std::vector<KeyRecord> records) {
  if (records.size() > kMaxKeys) {
    return fail(Errc::too_large, fmt::format("{} API keys, at most {}; delete revoked ones", records.size(), kMaxKeys));
  }
  auto next = std::make_shared<Snapshot>();
  next->records = std::move(records);
  std::ranges::sort(next->records, {}, [](const KeyRecord& record) { return std::tie(record.created_us, record.id); });
  std::unordered_set<std::string_view> hashes;
  for (std::size_t i = 0; i < next->records.size(); ++i) {
    const auto& record = next->records[i];
    if (!next->by_id.emplace(record.id, i).second || !hashes.insert(as_text(record.hash)).second) {
      return fail(Errc::already_exists, fmt::format("API key {} is there twice", record.id.to_string()));
    }
    next->by_hash.emplace(index_of(record.hash), i);
    if (!record.revoked_us) ++next->usable;
  }
  const std::lock_guard lock(mutex_);
  snapshot_ = std::move(next);
  generation_.fetch_add(1, std::memory_order_release);
  return {};
}

std::shared_ptr<const KeyRing::Snapshot> KeyRing::current() const {
  const std::lock_guard lock(mutex_);
  return snapshot_;
}

Result<Principal> KeyRing::find(const std::shared_ptr<const Snapshot>& snapshot, std::string_view api_key) const {
  if (!is_api_key(api_key)) {
    return fail(Errc::unauthenticated,
                api_key.empty()
                    ? "an API key is needed: send the header Authorization: Bearer sbk_..."
                    : "this is not a Signalbox API key (sbk_ and 32 characters); was it cut off or mistyped?");
  }
  const Digest hash = pepper_.hash(api_key);
  const auto [first, last] = snapshot->by_hash.equal_range(index_of(hash));
  for (auto it = first; it != last; ++it) {
    const auto& record = snapshot->records[it->second];
    if (!constant_time_equal(as_text(record.hash), as_text(hash))) continue;
    if (record.revoked_us) break;
    return Principal(snapshot, &record);
  }
  return fail(Errc::unauthenticated, "this API key is unknown or revoked; ask for a new one (signalbox keys create)");
}

Result<Principal> KeyRing::authenticate(std::string_view api_key) const {
  return find(current(), api_key);
}

Principal KeyRing::find(const KeyId& id) const {
  const auto snapshot = current();
  const auto at = snapshot->by_id.find(id);
  return at == snapshot->by_id.end() ? nullptr : Principal(snapshot, &snapshot->records[at->second]);
}

std::size_t KeyRing::usable_count() const {
  return current()->usable;
}

std::vector<KeyRecord> KeyRing::records() const {
  return current()->records;
}

// The generation is read first: if the snapshot is newer than it, the next call merely copies it once more.
KeyReader::KeyReader(const KeyRing& ring)
    : ring_(ring), generation_(ring.generation_.load(std::memory_order_acquire)), snapshot_(ring.current()) {}
KeyReader::~KeyReader() = default;

Result<Principal> KeyReader::authenticate(std::string_view api_key) {
  const auto now = ring_.generation_.load(std::memory_order_acquire);
  if (now != generation_) {
    snapshot_ = ring_.current();
    generation_ = now;
  }
  return ring_.find(snapshot_, api_key);
}

std::string_view presented_key(std::string_view authorization, std::string_view x_api_key) {
  // RFC 9110 section 11.1: the scheme is case-insensitive.
  if (authorization.size() > 7 && iequals(authorization.substr(0, 7), "Bearer ")) return trim(authorization.substr(7));
  return trim(x_api_key);
}

}  // namespace sb
