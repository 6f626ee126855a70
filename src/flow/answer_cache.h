/// Answers of recorded runs, so that what was asked before need not go to a model again.
///
/// No text in clear: an answer is held as it lies in the store, sealed under its run's key, and that key as the
/// tenant's wrapped it. A tenant's key that is destroyed takes the answers with it: they do not open any more. What is
/// erased is forgotten here before it is erased on disk (SqliteOptions::before_erase). In memory only: a restart
/// forgets. Thread-safe; a lock is held for a look-up alone.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "flow/likeness_index.h"
#include "model/price.h"

namespace sb::flow {

/// What the caller of one request wants of it (Cache-Control in a request, RFC 9111 section 5.2.1).
struct CacheWishes {
  bool no_cache = false;  ///< the answer is not to come from the record
  bool no_store = false;  ///< the answer is not to be used for others
  Micros max_age_us = std::numeric_limits<Micros>::max();
};

/// What became of a request that could have been answered before. `semantic`: by the answer to a question like it.
enum class CacheOutcome : std::uint8_t { hit, semantic, miss, bypass };

struct AnswerCacheOptions {
  Micros keep_us = 0;
  std::size_t entries_max = 100'000;  ///< the oldest go
  std::size_t bytes_max = 64 << 20;   ///< likewise
  std::size_t alike_max = 1'000;      ///< questions that one is compared with, at most
};

class AnswerCache {
 public:
  struct Answer {
    RunId run;
    std::string model;  ///< the deployment that answered
    model::Usage usage;
    std::string data_key;  ///< RunRow::data_key: wrapped
    std::string output;    ///< RunRow::output: sealed
  };
  struct Alike {
    std::shared_ptr<const Answer> answer;
    float similarity = 0;
  };

  /// A run whose answer may be kept once it is on disk. Made before that, so that no erasure of the run is missed: one
  /// that comes before `put` ends the claim.
  class Claim {
   public:
    Claim(AnswerCache& cache, const RunId& run);
    ~Claim();
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;

   private:
    friend class AnswerCache;
    AnswerCache& cache_;
    const RunId run_;
  };

  explicit AnswerCache(AnswerCacheOptions options) : options_(options), alike_(options.alike_max) {}

  /// `request`: hash of all that the answer depends on. Null: nobody asked it, or too long ago: for the cache, or for
  /// who asks (`max_age_us`).
  std::shared_ptr<const Answer> find(const Digest& request, Micros now_us,
                                     Micros max_age_us = std::numeric_limits<Micros>::max());
  /// The answer to the question that is most like this one, and at least so much.
  std::optional<Alike> find_alike(const Question& question, float at_least, Micros now_us,
                                  Micros max_age_us = std::numeric_limits<Micros>::max());
  /// In place of what there was. REQUIRES that the claim is the run's.
  void put(const Claim& claim, const Digest& request, std::optional<Question> question, Answer answer, Micros now_us);
  /// Their answers are not to be had any more once this returns, nor ever again.
  void forget(std::span<const RunId> runs);
  std::size_t size() const;
  std::size_t size_bytes() const;

 private:
  struct Entry {
    Digest request;
    std::optional<Digest> scope;  ///< where it stands in `alike_`
    std::shared_ptr<const Answer> answer;
    Micros since_us = 0;
    std::size_t bytes = 0;
  };
  using Entries = std::list<Entry>;
  void erase(Entries::iterator entry);

  const AnswerCacheOptions options_;
  mutable std::mutex mutex_;
  Entries entries_;  ///< oldest first
  std::size_t bytes_ = 0;
  std::unordered_map<Digest, Entries::iterator, DigestHash> by_request_;
  std::unordered_map<RunId, Entries::iterator> by_run_;
  std::unordered_set<RunId> claimed_;
  LikenessIndex alike_;
};

}  // namespace sb::flow
