/// The escapes of a JSON string that arrives in pieces: read, and written again as they were.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

#include "policy/guard_sink.h"

namespace sb::policy {

struct DecodedEscape {
  std::size_t size = 0;  ///< bytes of `raw` it takes; 0: more must come
  std::string text;      ///< UTF-8; what is no escape stands for itself, half a surrogate pair is U+FFFD
};
/// `raw` begins with a backslash and ends with the byte that came last.
DecodedEscape decode_escape(std::string_view raw);

/// Takes what a guard lets out of a string's text, and writes it as the inside of the JSON string that it came from.
class EscapingSink final : public GuardSink {
 public:
  /// `offset`: where the inside of the literal begins in the JSON text.
  explicit EscapingSink(std::size_t offset) : raw_at_(offset) {}

  /// Where the next output goes; set before each use of the guard that writes here.
  void writes_to(GuardSink& out) { out_ = &out; }
  /// An escape was read: `size` bytes of the text from `offset` stand for `raw`.
  void note(std::size_t offset, std::size_t size, std::string_view raw) {
    escapes_.push_back({offset, size, std::string(raw)});
  }

  void pass(std::string_view bytes, std::size_t offset) override;
  void put(std::string_view replacement) override;

 private:
  struct Escape {
    std::size_t offset;
    std::size_t size;
    std::string raw;
  };
  void skip_to(std::size_t offset);

  GuardSink* out_ = nullptr;
  std::size_t at_ = 0;  // in the text
  std::size_t raw_at_;  // the same place in the JSON text
  std::deque<Escape> escapes_;
};

}  // namespace sb::policy
