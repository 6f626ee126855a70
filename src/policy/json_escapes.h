/// The escapes of a JSON string that arrives in pieces: read, and written again as they were.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
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

/// How the text of a JSON string was written, as far as it is not out yet; and how far that was.
class StringEscapes {
 public:
  /// `offset`: where the inside of the literal begins in the JSON text.
  explicit StringEscapes(std::size_t offset) : raw_at_(offset) {}

  /// An escape was read: the text from `offset` on, `text`, stands for `raw`.
  void note(std::size_t offset, std::string_view text, std::string_view raw);

  /// Nothing that stands before `offset` will come: neither what is known of it is needed nor more room than is used.
  void forget_to(std::size_t offset);
  /// The place in the JSON text up to which all was written or left out.
  std::size_t written_to() const { return raw_at_; }

  /// `bytes` of the text, from its byte `offset` on, as they were written.
  void pass(std::string_view bytes, std::size_t offset, GuardSink& out);

 private:
  // As its note says it.
  struct Escape {
    std::uint8_t note = 0;
    std::size_t more = 0;  // where in `all` what belongs to it goes on
    std::size_t end = 0;   // behind it in `all`
    std::size_t size = 0;  // of the text
    std::size_t raw = 0;   // bytes
  };
  struct Notes {
    std::size_t next;       // where in the text the first escape stands
    std::size_t noted;      // behind the last one
    std::string all{};      // see json_escapes.cc
    std::size_t first = 0;  // where in `all` that escape's begins
  };
  Escape first_escape() const;
  std::string written(const Escape& escape, std::string_view text) const;
  void drop(const Escape& escape);
  void skip_to(std::size_t offset);

  std::size_t at_ = 0;            // in the text
  std::size_t raw_at_;            // the same place in the JSON text
  std::unique_ptr<Notes> notes_;  // none: no escape is held back
};

/// Takes what a guard lets out of a string's text, and writes it as the inside of the JSON string that it came from.
class EscapingSink final : public GuardSink {
 public:
  EscapingSink(StringEscapes& escapes, GuardSink& out) : escapes_(escapes), out_(out) {}
  void pass(std::string_view bytes, std::size_t offset) override { escapes_.pass(bytes, offset, out_); }
  void put(std::string_view replacement) override;

 private:
  StringEscapes& escapes_;
  GuardSink& out_;
};

}  // namespace sb::policy
