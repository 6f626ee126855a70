/// The escapes of a JSON string that arrives in pieces: read, and written again as they were.
#pragma once

#include <cstddef>
#include <cstdint>
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
  /// An escape was read: the text from `offset` on, `text`, stands for `raw`.
  void note(std::size_t offset, std::string_view text, std::string_view raw);

  /// Nothing that stands before `offset` will come: neither what is known of it is needed nor more room than is used.
  void forget_to(std::size_t offset);
  /// The place in the JSON text up to which all was written or left out.
  std::size_t written_to() const { return raw_at_; }

  void pass(std::string_view bytes, std::size_t offset) override;
  void put(std::string_view replacement) override;

 private:
  // As its note says it.
  struct Escape {
    std::uint8_t note = 0;
    std::size_t more = 0;  // where in notes_ what belongs to it goes on
    std::size_t end = 0;   // behind it in notes_
    std::size_t size = 0;  // of the text
    std::size_t raw = 0;   // bytes
  };
  bool has_escapes() const { return first_ < notes_.size(); }
  Escape first_escape() const;
  std::string written(const Escape& escape, std::string_view text) const;
  void drop(const Escape& escape);
  void skip_to(std::size_t offset);

  GuardSink* out_ = nullptr;
  std::size_t at_ = 0;     // in the text
  std::size_t raw_at_;     // the same place in the JSON text
  std::size_t next_ = 0;   // where in the text the first escape stands
  std::size_t noted_ = 0;  // behind the last one
  std::string notes_;      // see json_escapes.cc
  std::size_t first_ = 0;  // where in notes_ that escape's begins
};

}  // namespace sb::policy
