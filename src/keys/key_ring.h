/// Which key is whose: the lookup at the door of every request.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "keys/key.h"

namespace sb {

/// Who asks. Stays valid, and as it was, while it is held, also after the key was revoked.
using Principal = std::shared_ptr<const KeyRecord>;

/// All keys, as an immutable snapshot that is exchanged whole. Thread-safe. The store keeps the keys; this is their
/// index in memory, `replace`d after each change.
class KeyRing {
 public:
  static constexpr std::size_t kMaxKeys = 100'000;

  explicit KeyRing(Pepper pepper);
  ~KeyRing();

  /// Takes effect for the next lookup on every thread.
  /// Errors: too_large (over kMaxKeys), already_exists (two keys with one id or hash); the old keys then stay.
  Result<> replace(std::vector<KeyRecord> records);

  /// Errors: unauthenticated (no key's form, unknown, revoked): which one is said only in as far as it helps the owner.
  Result<Principal> authenticate(std::string_view api_key) const;

  /// The key of that id, revoked or not. Null: there is none.
  Principal find(const KeyId& id) const;

  /// Keys that can be used, i.e. are not revoked.
  std::size_t usable_count() const;
  /// Copies, revoked ones included, oldest first.
  std::vector<KeyRecord> records() const;
  const Pepper& pepper() const { return pepper_; }

 private:
  friend class KeyReader;
  struct Snapshot;
  std::shared_ptr<const Snapshot> current() const;
  Result<Principal> find(const std::shared_ptr<const Snapshot>& snapshot, std::string_view api_key) const;

  const Pepper pepper_;
  mutable std::mutex mutex_;  ///< guards snapshot_, for the time of a pointer's copy
  std::shared_ptr<const Snapshot> snapshot_;
  std::atomic<std::uint64_t> generation_{0};  ///< grows with each replace
};

/// One thread's view of a ring: takes the ring's lock only after a change. Not thread-safe: one a shard.
class KeyReader {
 public:
  /// `ring` outlives it.
  explicit KeyReader(const KeyRing& ring);
  ~KeyReader();

  Result<Principal> authenticate(std::string_view api_key);

 private:
  const KeyRing& ring_;
  std::uint64_t generation_;
  std::shared_ptr<const KeyRing::Snapshot> snapshot_;
};

/// The key of `Authorization: Bearer KEY`, or of `x-api-key: KEY` (Anthropic clients); empty where neither holds one.
std::string_view presented_key(std::string_view authorization, std::string_view x_api_key);

}  // namespace sb
