/// Time and randomness come in through the constructor: that one habit makes the server testable in virtual time.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <span>

namespace sb {

/// UTC, microseconds since the Unix epoch.
using Micros = std::int64_t;

constexpr Micros to_us(std::chrono::microseconds duration) {
  return duration.count();
}

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Micros now_us() const = 0;                                 ///< wall clock, may jump
  virtual std::chrono::steady_clock::time_point steady() const = 0;  ///< for durations, never goes back
};

/// The machine's clock. Thread-safe.
Clock& system_clock();

class Entropy {
 public:
  virtual ~Entropy() = default;
  virtual void fill(std::span<std::uint8_t> bytes) = 0;

  std::uint64_t next_u64();
  /// Uniform in [0, 1).
  double next_unit();
};

/// Cryptographic randomness of the machine, buffered per thread. Thread-safe.
Entropy& system_entropy();

/// Reproducible randomness for tests and simulation. Not thread-safe, not secret.
class SeededEntropy final : public Entropy {
 public:
  explicit SeededEntropy(std::uint64_t seed) : state_(seed) {}
  void fill(std::span<std::uint8_t> bytes) override;

 private:
  std::uint64_t state_;
};

}  // namespace sb
