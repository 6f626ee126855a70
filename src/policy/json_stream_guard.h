/// StreamGuard for a text that is JSON: a tool call's arguments, a structured answer, JSON inside a JSON string.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "policy/json_fence.h"
#include "policy/json_nesting.h"
#include "policy/json_number.h"
#include "policy/member_names.h"
#include "policy/stream_guard.h"

namespace sb::policy {

/// Strings are looked at leaf by leaf, with their escapes read; member names too; whole numbers of seven digits and
/// more, because a card number need not be quoted. What comes out is JSON wherever what went in was: what is put in is
/// escaped, what replaces a number is a string, and names that became alike are told apart by a number behind them.
/// Bytes outside the findings come out as they were.
///
/// The text decides by its beginning what it is: "{" before a name or "}", or "[" before a value or "]" is JSON, and so
/// is another document behind it; anything else is text, and so is what breaks JSON's grammar, from the word or number
/// that breaks it on. In text, a block fenced as JSON (json_fence.h) is one of its own. Strings are
/// nested texts of the same kind, to kMaxJsonLevels. Like TextStream, the result does not depend on how the text was
/// cut; the whole text at once is `feed(text, true, sink)`.
///
/// Held back: at most kWindowBytes, and an unfinished escape. As TextStream, it has what is kept between two pieces.
class JsonStream {
 public:
  /// `level`: in how many strings it stands. `fences`: whether blocks in a text are looked for.
  explicit JsonStream(int level = 0, bool fences = true);
  ~JsonStream();
  JsonStream(JsonStream&&) noexcept;
  JsonStream& operator=(JsonStream&&) noexcept;

  /// Errors: as TextStream.
  Result<> feed(const StreamLoan& loan, std::string_view piece, bool complete);

  Verdict verdict() const { return verdict_; }
  /// Bytes that were fed and are not decided yet.
  std::size_t held_bytes() const;
  /// Offset in the text: nothing that stands before it will come out any more.
  std::size_t decided() const;
  /// In how many JSON strings, one within the other, what was fed last stands.
  int string_depth() const;
  /// The end of what is decided, as far as detectors look back at it: as folded; of a string in JSON behind the name
  /// that it stands under.
  std::string ending() const;

 private:
  struct Leaf;
  enum class State : std::uint8_t { start, structure, scalar, long_number, string, text, block };

  Result<std::size_t> step(const StreamLoan& loan, std::string_view piece, std::size_t at);
  Result<std::size_t> begin(const StreamLoan& loan, std::string_view piece, std::size_t at);
  Result<std::size_t> structure(const StreamLoan& loan, std::string_view piece, std::size_t at);
  Result<std::size_t> scalar(const StreamLoan& loan, std::string_view piece, std::size_t at);
  Result<std::size_t> long_number(const StreamLoan& loan, std::string_view piece, std::size_t at);
  Result<std::size_t> string(const StreamLoan& loan, std::string_view piece, std::size_t at);
  Result<> feed_leaf(const StreamLoan& loan, std::string_view text, bool complete);
  Result<> close_string(const StreamLoan& loan, std::string_view text);
  Result<> end_scalar(const StreamLoan& loan);
  Result<bool> number(const StreamLoan& loan, std::string_view number);
  Result<> end(const StreamLoan& loan);
  Result<> become_text(const StreamLoan& loan);
  Result<std::size_t> feed_text(const StreamLoan& loan, std::string_view piece, bool complete);
  void begin_text(const StreamLoan& loan);
  Result<std::size_t> block(const StreamLoan& loan, std::string_view piece, std::size_t at);
  Result<> feed_block(const StreamLoan& loan, std::string_view piece, bool complete);
  Result<> close_block(const StreamLoan& loan);
  void pass(std::string_view bytes, GuardSink& out);
  void end_value();
  /// Whether the string that is being read is the name of a value beside it.
  bool is_sibling_name() const {
    return !is_name_ && depth() > 0 && nesting_->in_object() && names_value(nesting_->name());
  }
  std::string_view label(const StreamLoan& loan) const;
  std::string_view held() const { return held_ ? std::string_view(*held_) : std::string_view(); }
  void hold(char c);
  std::string take_held();
  std::size_t depth() const { return nesting_ ? nesting_->depth() : 0; }

  // The beginning that does not say yet what it is; a number or word and the blanks behind; of a block: a line's
  // beginning that may close it.
  std::unique_ptr<std::string> held_;
  std::size_t passed_ = 0;                // offset for the sink
  std::size_t inner_at_ = 0;              // offset of the beginning of text_ or block_
  std::unique_ptr<JsonNesting> nesting_;  // of a document, behind its first bracket
  std::unique_ptr<Leaf> leaf_;            // the string that is being read
  std::unique_ptr<TextStream> text_;      // state text
  std::unique_ptr<JsonStream> block_;     // state block
  State state_ = State::start;
  std::uint8_t expected_;  // a set of what may come next by the grammar
  std::uint8_t level_;
  bool fences_;
  OpeningFence opening_;
  JsonNumber number_;      // a long one
  bool swallows_ = false;  // that number was replaced
  bool is_name_ = false;   // the string that is being read names a member
  bool in_line_ = false;   // of a block: its line that is being read does not close it
  bool failed_ = false;
  Verdict verdict_ = Verdict::allow;
};

using JsonStreamGuard = StreamGuardOf<JsonStream>;

}  // namespace sb::policy
