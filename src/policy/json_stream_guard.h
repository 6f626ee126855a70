/// StreamGuard for a text that is JSON: a tool call's arguments, a structured answer, JSON inside a JSON string.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
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
/// nested texts of the same kind, to kMaxJsonLevels. Like StreamGuard, the result does not depend on how the text was
/// cut; the whole text at once is `feed(text, true, sink)`.
///
/// Held back: at most kWindowBytes, and an unfinished escape. Borrows policy and context. Not thread-safe.
class JsonStreamGuard {
 public:
  /// `label`: the JSON key the text stands under; it outlives the guard.
  /// `fences`: whether blocks in a text are looked for.
  JsonStreamGuard(const Policy& policy, GuardContext& context, std::string_view label = {}, int level = 0,
                  bool fences = true);
  ~JsonStreamGuard();
  JsonStreamGuard(JsonStreamGuard&&) noexcept;

  /// Errors: as StreamGuard.
  Result<std::string> feed(std::string_view piece);
  Result<std::string> finish();
  Result<> feed(std::string_view piece, bool complete, GuardSink& out);

  Verdict verdict() const { return verdict_; }
  /// Bytes that were fed and are not decided yet.
  std::size_t held_bytes() const;
  /// Offset in the text: nothing that stands before it will come out any more.
  std::size_t decided() const;
  /// In how many JSON strings, one within the other, what was fed last stands.
  int string_depth() const;
  /// So far; spans are byte offsets into the unescaped leaf.
  std::vector<GuardedFinding> findings() const;

 private:
  struct Leaf;
  enum class State : std::uint8_t { start, structure, scalar, long_number, string, text, block };

  Result<std::size_t> step(std::string_view piece, std::size_t at, GuardSink& out);
  Result<std::size_t> begin(std::string_view piece, std::size_t at, GuardSink& out);
  Result<std::size_t> structure(std::string_view piece, std::size_t at, GuardSink& out);
  Result<std::size_t> scalar(std::string_view piece, std::size_t at, GuardSink& out);
  Result<std::size_t> long_number(std::string_view piece, std::size_t at, GuardSink& out);
  Result<std::size_t> string(std::string_view piece, std::size_t at, GuardSink& out);
  Result<> feed_leaf(bool complete);
  Result<> close_string(GuardSink& out);
  Result<> end_scalar(GuardSink& out);
  Result<bool> number(std::string_view number, GuardSink& out);
  Result<> end(GuardSink& out);
  Result<> become_text(GuardSink& out);
  Result<std::size_t> feed_text(std::string_view piece, bool complete, GuardSink& out);
  void begin_text();
  Result<std::size_t> block(std::string_view piece, std::size_t at, GuardSink& out);
  Result<> feed_block(std::string_view piece, bool complete, GuardSink& out);
  Result<> close_block(GuardSink& out);
  void pass(std::string_view bytes, GuardSink& out);
  void end_value();
  void take(std::span<const GuardedFinding> findings);
  /// Whether the string that is being read is the name of a value beside it.
  bool is_sibling_name() const {
    return !is_name_ && depth() > 0 && nesting_->in_object() && names_value(nesting_->name());
  }
  std::string_view label() const;
  std::size_t depth() const { return nesting_ ? nesting_->depth() : 0; }

  const Policy& policy_;
  GuardContext& context_;
  std::string_view label_;
  int level_;
  State state_ = State::start;
  std::uint8_t expected_;   // a set of what may come next by the grammar
  bool is_name_ = false;    // the string that is being read names a member
  std::string held_;        // the beginning that does not say yet what it is; a number or word and the blanks behind;
                            // of a block: a line's beginning that may close it
  JsonNumber number_;       // a long one
  bool swallows_ = false;   // that number was replaced
  std::size_t passed_ = 0;  // offset for the sink
  std::unique_ptr<JsonNesting> nesting_;  // none before the first bracket
  std::unique_ptr<Leaf> leaf_;            // the string that is being read
  std::unique_ptr<StreamGuard> text_;     // state text
  bool fences_;
  OpeningFence opening_;
  std::unique_ptr<JsonStreamGuard> block_;  // state block
  bool in_line_ = false;                    // of a block: its line that is being read does not close it
  std::size_t inner_at_ = 0;                // offset of the beginning of text_ or block_
  bool failed_ = false;
  Verdict verdict_ = Verdict::allow;
  std::vector<GuardedFinding> findings_;  // but of what is read now: an open one may yet become the first
};

}  // namespace sb::policy
