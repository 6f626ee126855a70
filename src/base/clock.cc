#include "base/clock.h"

#include <openssl/rand.h>

#include <cstring>

#include "base/errors.h"

namespace sb {
namespace {

class SystemClock final : public Clock {
 public:
  Micros now_us() const override {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  std::chrono::steady_clock::time_point steady() const override { return std::chrono::steady_clock::now(); }
};

// A request draws a handful of ids and salts; one call into the generator for 4 KiB costs as much as one for 16 bytes.
class SystemEntropy final : public Entropy {
 public:
  void fill(std::span<std::uint8_t> bytes) override {
    thread_local std::array<std::uint8_t, 4096> pool;
    thread_local std::size_t used = pool.size();
    if (bytes.size() > pool.size()) {
      SB_ASSERT(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1);
      return;
    }
    if (pool.size() - used < bytes.size()) {
      SB_ASSERT(RAND_bytes(pool.data(), static_cast<int>(pool.size())) == 1);
      used = 0;
    }
    std::memcpy(bytes.data(), pool.data() + used, bytes.size());
    std::memset(pool.data() + used, 0, bytes.size());
    used += bytes.size();
  }
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

Entropy& system_entropy() {
  static SystemEntropy entropy;
  return entropy;
}

std::uint64_t Entropy::next_u64() {
  std::array<std::uint8_t, 8> bytes;
  fill(bytes);
  std::uint64_t value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

double Entropy::next_unit() {
  return static_cast<double>(next_u64() >> 11) * 0x1.0p-53;
}

// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
void SeededEntropy::fill(std::span<std::uint8_t> bytes) {
  for (std::size_t i = 0; i < bytes.size(); i += 8) {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    z ^= z >> 31;
    std::memcpy(bytes.data() + i, &z, std::min<std::size_t>(8, bytes.size() - i));
  }
}

}  // namespace sb
