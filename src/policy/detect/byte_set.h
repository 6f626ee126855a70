/// A set of bytes, for tests in inner loops.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace sb::policy {

/// ScanWindow::kEnd, which is no byte, belongs to none.
class ByteSet {
 public:
  constexpr explicit ByteSet(std::string_view bytes) { add(bytes); }
  template <std::size_t kCount>
  constexpr explicit ByteSet(const std::array<char, kCount>& bytes) {
    add({bytes.data(), kCount});
  }
  /// Of which `is` says so.
  template <class Is>
  static constexpr ByteSet where(Is is) {
    ByteSet set("");
    for (int byte = 0; byte < 256; ++byte) set.has_[static_cast<std::size_t>(byte)] = is(byte);
    return set;
  }
  static constexpr ByteSet all() {
    return where([](int) { return true; });
  }

  constexpr bool has(int byte) const { return has_[static_cast<std::size_t>(byte & 0x1ff)]; }

 private:
  constexpr void add(std::string_view bytes) {
    for (const char c : bytes) has_[static_cast<unsigned char>(c)] = true;
  }

  std::array<bool, 512> has_{};  // the upper half is for what is below 0: no branch asks
};

}  // namespace sb::policy
