/// Every id is its own type, so that arguments cannot be swapped.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace sb {

/// A UUID (RFC 9562), 16 bytes in network order. Ordered by time where it is a version 7.
struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const Uuid&) const = default;
  std::string to_string() const;  ///< 36 characters, lower case
  static std::optional<Uuid> parse(std::string_view text);
  /// Version 7: 48 bits of Unix milliseconds, then random bits.
  static Uuid v7(Micros now_us, Entropy& entropy);
};

template <class Tag>
struct UuidId {
  Uuid uuid;

  UuidId() = default;
  explicit UuidId(Uuid u) : uuid(u) {}
  auto operator<=>(const UuidId&) const = default;
  std::string to_string() const { return uuid.to_string(); }
  static std::optional<UuidId> parse(std::string_view text) {
    auto u = Uuid::parse(text);
    return u ? std::optional<UuidId>(UuidId(*u)) : std::nullopt;
  }
  static UuidId generate(const Clock& clock, Entropy& entropy) { return UuidId(Uuid::v7(clock.now_us(), entropy)); }
};

using RunId = UuidId<struct RunTag>;
using ReviewId = UuidId<struct ReviewTag>;
using KeyId = UuidId<struct KeyTag>;

/// 0-based, dense within a run.
enum class StepIndex : std::uint32_t {};
/// Fencing number of a lease: only ever grows.
enum class LeaseEpoch : std::uint64_t {};
/// 0-based position in the audit log.
enum class LeafIndex : std::uint64_t {};
/// Money, in millionths of the configured currency.
using MicroMoney = std::int64_t;

}  // namespace sb

template <class Tag>
struct std::hash<sb::UuidId<Tag>> {
  std::size_t operator()(const sb::UuidId<Tag>& id) const noexcept {
    std::uint64_t low;
    __builtin_memcpy(&low, id.uuid.bytes.data() + 8, sizeof low);  // the random half
    return low;
  }
};
