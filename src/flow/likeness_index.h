/// Which of the questions that were answered is most like another: exact search over vectors of 8-bit numbers.
///
/// Questions are compared within their scope alone. Not thread-safe. A question takes its vector (384 bytes of MiniLM)
/// and 20 bytes beside it.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/crypto.h"
#include "base/ids.h"
#include "triage/meaning.h"

namespace sb::flow {

struct DigestHash {  // the digests are evenly spread already
  std::size_t operator()(const Digest& digest) const {
    std::size_t hash = 0;
    std::memcpy(&hash, digest.data(), sizeof hash);
    return hash;
  }
};

/// A question that may be answered by what was answered to one like it.
struct Question {
  Digest scope{};           ///< hash of all that must be the same
  triage::Meaning meaning;  ///< of one length in one index
};

class LikenessIndex {
 public:
  struct Near {
    RunId run;
    float similarity = 0;
  };

  /// `scope_max`: questions in one scope; of more the oldest goes.
  explicit LikenessIndex(std::size_t scope_max) : scope_max_(scope_max) {}

  std::optional<Near> nearest(const Question& question) const;
  /// The run whose question had to go for it. REQUIRES that the run has no question here.
  std::optional<RunId> add(Question question, const RunId& run);
  /// REQUIRES that it was added there, and not pushed out.
  void remove(const Digest& scope, const RunId& run);

 private:
  struct Scope {
    std::vector<RunId> runs;            ///< oldest first
    std::vector<std::int8_t> matrix;    ///< [runs][dimension]
    std::vector<std::int32_t> squares;  ///< [runs], of the rows' lengths
  };
  static void remove_row(Scope& scope, std::size_t row);

  const std::size_t scope_max_;
  std::unordered_map<Digest, Scope, DigestHash> scopes_;
};

}  // namespace sb::flow
