/// What one witness has cosigned, and what its answers mean (pure: no network, the time is given).
///
///     question: old_size()  ->  heard(answer)  ->  cosigned | ask_again | refused | failed
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "audit/cosignature.h"

namespace sb::audit {

class Witness {
 public:
  using Time = std::chrono::steady_clock::time_point;

  enum class Verdict {
    cosigned,
    ask_again,  ///< at once, with another old_size()
    refused,    ///< the witness says that the log is not the one it knows: a fork, a rollback, or a wrong registration
    failed,     ///< nothing was said about the log: unreachable, overloaded, not understood
  };
  struct Judgement {
    Verdict verdict;
    std::string why;  ///< for refused and failed: one sentence
  };

  /// `first_pause`: after a failure; doubled by each that follows it, up to a minute.
  Witness(WitnessKey key, std::chrono::milliseconds first_pause) : key_(std::move(key)), first_pause_(first_pause) {}

  const WitnessKey& key() const { return key_; }
  /// Takes up what an earlier process kept: a note of `log` with this witness's cosignature. Any other is passed over:
  /// then the witness tells the size itself.
  void remember(std::string_view note, const NoteVerifier& log);

  /// The tree head that it cosigned last; empty: none that we know.
  const std::string& note() const { return note_; }
  std::uint64_t cosigned_size() const { return cosigned_size_; }
  const Cosignature& cosignature() const { return cosignature_; }
  /// Whether it is time to ask it for a head of `size` leaves.
  bool is_due(std::uint64_t size, Time now) const;

  /// Leaves that the next request says the witness knows.
  std::uint64_t old_size() const { return old_size_; }
  /// Of a request to cosign the log's signed head `note`.
  Judgement heard(std::string_view note, std::uint64_t size, int status, std::string_view body, Time now);
  Judgement not_heard(std::string why, Time now);

  std::uint64_t failures() const { return failures_; }  ///< refusals are not among them
  std::uint64_t refusals() const { return refusals_; }
  /// Whether the last question went wrong.
  bool is_in_trouble() const { return trouble_ > 0; }

 private:
  Judgement take(std::string_view note, std::uint64_t size, std::string_view body, Time now);
  Judgement conflict(std::uint64_t size, std::string_view body, Time now);
  Judgement refused(std::string why, Time now);
  void pause(Time now);

  const WitnessKey key_;
  const std::chrono::milliseconds first_pause_;
  std::string note_;
  Cosignature cosignature_;
  std::uint64_t cosigned_size_ = 0;
  std::uint64_t old_size_ = 0;
  bool told_ = false;  ///< old_size_ is what the witness said in answer to the last request
  std::uint64_t failures_ = 0;
  std::uint64_t refusals_ = 0;
  unsigned trouble_ = 0;  ///< questions in a row that went wrong
  Time not_before_{};
};

}  // namespace sb::audit
