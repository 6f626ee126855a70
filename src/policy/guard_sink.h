/// Where a streaming guard writes: the text's own bytes apart from what stands for a finding, so that a writer of JSON
/// can leave the former as they came.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sb::policy {

class GuardSink {
 public:
  virtual ~GuardSink() = default;
  /// Bytes of the text, from its byte `offset` on.
  virtual void pass(std::string_view bytes, std::size_t offset) = 0;
  /// What stands for bytes that do not come out.
  virtual void put(std::string_view replacement) = 0;
};

/// Both, one behind the other.
class TextSink final : public GuardSink {
 public:
  void pass(std::string_view bytes, std::size_t) override { text += bytes; }
  void put(std::string_view replacement) override { text += replacement; }

  std::string text;
};

}  // namespace sb::policy
