/// A map by key id that many threads change: the data lives inside its locks.
#pragma once

#include <array>
#include <mutex>
#include <unordered_map>

#include "base/ids.h"

namespace sb {

/// `State` is default-constructed at the first use of an id. At most one entry a known key, and their number is limited
/// (KeyRing::kMaxKeys); `forget` what was deleted. A lock is held for the time of the function only; it must not wait.
template <class State>
class ShardedByKey {
 public:
  template <class Function>
  auto with(KeyId id, Function&& function) {
    auto& shard = shards_[std::hash<KeyId>{}(id) % kShards];
    const std::lock_guard lock(shard.mutex);
    return function(shard.states[id]);
  }

  void forget(KeyId id) {
    auto& shard = shards_[std::hash<KeyId>{}(id) % kShards];
    const std::lock_guard lock(shard.mutex);
    shard.states.erase(id);
  }

 private:
  static constexpr std::size_t kShards = 16;
  struct alignas(64) Shard {
    std::mutex mutex;
    std::unordered_map<KeyId, State> states;
  };
  std::array<Shard, kShards> shards_;
};

}  // namespace sb
