/// Which recorded run has answered a request before, so that the same request need not go to a model again.
///
/// It holds no text: the answer lies with its run in the store, sealed under that run's key, and is gone when the run
/// is erased. In memory only: a restart forgets. Thread-safe; a lock is held for a look-up alone.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "model/price.h"

namespace sb::flow {

/// What the caller of one request wants of it (Cache-Control in a request, RFC 9111 section 5.2.1).
struct CacheWishes {
  bool no_cache = false;  ///< the answer is not to come from the record
  bool no_store = false;  ///< the answer is not to be used for others
  Micros max_age_us = std::numeric_limits<Micros>::max();
};

/// What became of a request that could have been answered before.
enum class CacheOutcome : std::uint8_t { hit, miss, bypass };

struct AnswerCacheOptions {
  Micros keep_us = 0;
  std::size_t entries_max = 100'000;  ///< the oldest go
};

class AnswerCache {
 public:
  struct Answer {
    RunId run;
    std::string model;  ///< the deployment that answered
    model::Usage usage;
  };

  explicit AnswerCache(AnswerCacheOptions options) : options_(options) {}

  /// `request`: hash of all that the answer depends on. Nothing: nobody asked it, or too long ago: for the cache, or
  /// for who asks (`max_age_us`).
  std::optional<Answer> find(const Digest& request, Micros now_us,
                             Micros max_age_us = std::numeric_limits<Micros>::max());
  /// In place of what there was.
  void put(const Digest& request, Answer answer, Micros now_us);
  /// The answer is not to be had any more.
  void forget(const Digest& request);
  std::size_t size() const;

 private:
  struct Entry {
    Digest request;
    Answer answer;
    Micros since_us = 0;
  };
  struct Hash {  // the digests are evenly spread already
    std::size_t operator()(const Digest& digest) const {
      std::size_t hash = 0;
      std::memcpy(&hash, digest.data(), sizeof hash);
      return hash;
    }
  };
  using Entries = std::list<Entry>;
  void erase(Entries::iterator entry);

  const AnswerCacheOptions options_;
  mutable std::mutex mutex_;
  Entries entries_;  ///< oldest first
  std::unordered_map<Digest, Entries::iterator, Hash> by_request_;
};

}  // namespace sb::flow
