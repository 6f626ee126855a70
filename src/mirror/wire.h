/// How numbers and byte strings lie in the mirror's objects: 8 bytes little-endian, and bytes after their number.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sb::mirror {

inline void put_number(std::string& out, std::uint64_t value) {
  for (int i = 0; i < 8; ++i, value >>= 8) out += static_cast<char>(value & 0xff);
}
inline void put_bytes(std::string& out, std::string_view bytes) {
  put_number(out, bytes.size());
  out += bytes;
}

/// Reads what the put_ functions wrote. Whatever comes after the first thing that is not there is empty.
class Input {
 public:
  explicit Input(std::string_view bytes) : rest_(bytes) {}
  std::uint64_t number() {
    const auto bytes = take(8);
    std::uint64_t value = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return value;
  }
  std::string_view bytes() { return take(number()); }
  std::string_view take(std::uint64_t size) {
    if (failed_ || size > rest_.size()) {
      failed_ = true;
      return {};
    }
    const auto taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  /// What was read cannot be.
  void fail() { failed_ = true; }
  bool more() const { return !failed_ && !rest_.empty(); }
  bool failed() const { return failed_; }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace sb::mirror
