#include "policy/json_stream_guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/static_string/static_string.hpp>
#include <optional>
#include <span>
#include <utility>

#include "base/json.h"
#include "policy/json_escapes.h"
#include "policy/json_walk.h"

namespace sb::policy {
namespace {

// What the grammar lets come next.
constexpr std::uint8_t kValue = 1, kName = 2, kClose = 4, kColon = 8, kComma = 16;

bool is_json_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool begins_number(char c) {
  return c == '-' || (c >= '0' && c <= '9');
}
bool is_number_byte(char c) {
  return begins_number(c) || c == '+' || c == '.' || c == 'e' || c == 'E';
}
bool is_word_letter(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_word(std::string_view text) {
  return text == "true" || text == "false" || text == "null";
}
std::string_view without_blanks_behind(std::string_view text) {
  while (!text.empty() && is_json_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Whether a text is JSON that begins with `head` (an opening bracket, blanks, letters of a word) and goes on with
// `next`; nothing: what follows will tell.
std::optional<bool> begins_json(std::string_view head, char next) {
  const auto word = head.substr(head.find_last_of("{[ \t\n\r") + 1);
  if (!word.empty()) {
    if (!is_word_letter(next)) return is_word(word) && (is_json_blank(next) || next == ',' || next == ']');
    const auto longer = std::string(word) + next;
    for (const std::string_view known : {"true", "false", "null"}) {
      if (known.starts_with(longer)) return std::nullopt;
    }
    return false;
  }
  if (is_json_blank(next)) return std::nullopt;
  if (head[0] == '{') return next == '"' || next == '}';
  if (next == 't' || next == 'f' || next == 'n') return std::nullopt;
  return next == '{' || next == '[' || next == ']' || next == '"' || begins_number(next);
}

// A text that begins somewhere inside another: offsets count from the whole one's beginning.
class ShiftedSink final : public GuardSink {
 public:
  ShiftedSink(GuardSink& out, std::size_t by) : out_(out), by_(by) {}
  void pass(std::string_view bytes, std::size_t offset) override { out_.pass(bytes, offset + by_); }
  void put(std::string_view replacement) override { out_.put(replacement); }

 private:
  GuardSink& out_;
  std::size_t by_;
};

}  // namespace

/// One string of the document.
struct JsonStream::Leaf {
  Leaf(std::size_t first, int level, std::size_t offset)
      : guard(level), escapes(offset), first_finding(static_cast<std::uint16_t>(first)) {}

  JsonStream guard;
  StringEscapes escapes;
  std::size_t read = 0;  // bytes of its text so far
  std::uint16_t first_finding;
  boost::static_string<12> escape;  // one that is not complete yet: two halves of a pair at most
};

JsonStream::JsonStream(int level, bool fences)
    : expected_(kValue), level_(static_cast<std::uint8_t>(level)), fences_(fences) {}
JsonStream::~JsonStream() = default;
JsonStream::JsonStream(JsonStream&&) noexcept = default;
JsonStream& JsonStream::operator=(JsonStream&&) noexcept = default;

std::string_view JsonStream::label(const StreamLoan& loan) const {
  if (!nesting_ || !nesting_->has_name()) return loan.label;
  const auto key = nesting_->name();
  if (!is_named_value(key)) return key;
  const auto named = nesting_->name_of_values();
  if (!named.empty()) return named;
  return loan.label.empty() ? key : loan.label;
}

Result<> JsonStream::feed(const StreamLoan& loan, std::string_view piece, bool complete) {
  if (failed_) return {};
  failed_ = true;  // until it is not
  for (std::size_t at = 0; at < piece.size();) {
    SB_TRY(at, step(loan, piece, at));
  }
  if (complete) SB_CHECK(end(loan));
  failed_ = false;
  return {};
}

std::size_t JsonStream::held_bytes() const {
  return held().size() + (leaf_ ? leaf_->guard.held_bytes() + leaf_->escape.size() : 0) +
         (text_ ? text_->held_bytes() : 0) + (block_ ? block_->held_bytes() : 0);
}

std::size_t JsonStream::decided() const {
  if (leaf_) return leaf_->escapes.written_to();
  if (text_) return inner_at_ + text_->decided();
  if (block_) return inner_at_ + block_->decided();
  return passed_;
}

int JsonStream::string_depth() const {
  if (leaf_) return 1 + leaf_->guard.string_depth();
  return block_ ? block_->string_depth() : 0;
}

std::string JsonStream::ending() const {
  if (text_) return std::string(text_->context());
  if (block_) return block_->ending();
  const bool has_name = nesting_ && nesting_->has_name() && !(leaf_ && is_name_);
  std::string out = has_name ? fmt::format("\"{}\": ", nesting_->name()) : std::string();
  if (leaf_) out += '"' + leaf_->guard.ending();
  return out;
}

void JsonStream::hold(char c) {
  if (!held_) held_ = std::make_unique<std::string>();
  *held_ += c;
}

std::string JsonStream::take_held() {
  const auto held = std::exchange(held_, nullptr);
  return held ? std::move(*held) : std::string();
}

// Each returns where the next step begins.
Result<std::size_t> JsonStream::step(const StreamLoan& loan, std::string_view piece, std::size_t at) {
  switch (state_) {
    case State::start:
      return begin(loan, piece, at);
    case State::structure:
      return structure(loan, piece, at);
    case State::scalar:
      return scalar(loan, piece, at);
    case State::long_number:
      return long_number(loan, piece, at);
    case State::string:
      return string(loan, piece, at);
    case State::block:
      return block(loan, piece, at);
    case State::text:
      break;
  }
  SB_TRY(const std::size_t read, feed_text(loan, piece.substr(at), false));
  return at + read;
}

Result<std::size_t> JsonStream::begin(const StreamLoan& loan, std::string_view piece, std::size_t at) {
  const char c = piece[at];
  if (level_ < kMaxJsonLevels && held().size() < kWindowBytes) {
    const bool opened = !held().empty() && !is_json_blank(held()[0]);
    if (!opened && (c == '{' || c == '[')) {
      pass(take_held(), loan.out);  // blanks before it
      hold(c);
      return at + 1;
    }
    const auto json = opened ? begins_json(held(), c) : is_json_blank(c) ? std::nullopt : std::optional(false);
    if (!json) {
      hold(c);
      return at + 1;
    }
    if (*json) {
      const std::string head = take_held();
      state_ = State::structure;
      for (std::size_t i = 0; i < head.size();) {
        SB_TRY(i, step(loan, head, i));
      }
      return at;
    }
  }
  SB_CHECK(become_text(loan));
  return at;
}

Result<std::size_t> JsonStream::structure(const StreamLoan& loan, std::string_view piece, std::size_t at) {
  const char c = piece[at];
  const auto fits = [this](std::uint8_t what) { return (expected_ & what) != 0; };
  if (is_json_blank(c)) {
    pass(piece.substr(at, 1), loan.out);
  } else if ((c == '{' || c == '[') && fits(kValue) && depth() < static_cast<std::size_t>(kMaxJsonDepth)) {
    pass(piece.substr(at, 1), loan.out);
    if (!nesting_) nesting_ = std::make_unique<JsonNesting>();
    nesting_->open(c == '{', std::string(label(loan)));
    expected_ = (c == '{' ? kName : kValue) | kClose;
  } else if ((c == '}' || c == ']') && fits(kClose) && nesting_->in_object() == (c == '}')) {
    pass(piece.substr(at, 1), loan.out);
    nesting_->close();
    end_value();
  } else if (c == ',' && fits(kComma)) {
    pass(piece.substr(at, 1), loan.out);
    expected_ = nesting_->in_object() ? kName : kValue;
  } else if (c == ':' && fits(kColon)) {
    pass(piece.substr(at, 1), loan.out);
    expected_ = kValue;
  } else if (c == '"' && fits(kName | kValue)) {
    pass(piece.substr(at, 1), loan.out);
    state_ = State::string;
    is_name_ = fits(kName);
    if (is_name_) nesting_->begin_name();
    if (is_sibling_name()) nesting_->begin_name_of_values();
    const int level = is_name_ ? kMaxJsonLevels : level_ + 1;  // a name is a word, not a document
    leaf_ = std::make_unique<Leaf>(loan.findings.size(), level, passed_);
  } else if ((begins_number(c) || is_word_letter(c)) && fits(kValue)) {
    state_ = State::scalar;
    return at;
  } else {
    SB_CHECK(become_text(loan));
    return at;
  }
  return at + 1;
}

// A number or word is judged where the grammar says that it ends: "4111 1111 1111 1111" is neither, but it is text.
Result<std::size_t> JsonStream::scalar(const StreamLoan& loan, std::string_view piece, std::size_t at) {
  for (; at < piece.size(); ++at) {
    const char c = piece[at];
    const bool blanks = !held().empty() && is_json_blank(held().back());
    const bool more = is_json_blank(c) || (!blanks && (is_number_byte(c) || is_word_letter(c)));
    if (more && held().size() < kMaxNumberBytes) {
      hold(c);
      continue;
    }
    if (c == ',' || c == '}' || c == ']' || is_json_blank(c)) {
      SB_CHECK(end_scalar(loan));
      return at;
    }
    number_ = {};
    if (more && std::ranges::all_of(held(), [this](char one) { return number_.read(one); })) {
      const std::string beginning = take_held();
      SB_TRY(swallows_, number(loan, beginning + c));
      if (!swallows_) pass(beginning, loan.out);
      state_ = State::long_number;
      return at;
    }
    SB_CHECK(become_text(loan));
    return at;
  }
  return at;
}

Result<std::size_t> JsonStream::long_number(const StreamLoan& loan, std::string_view piece, std::size_t at) {
  std::size_t end = at;
  while (end < piece.size() && number_.read(piece[end])) ++end;
  if (swallows_)
    passed_ += end - at;
  else
    pass(piece.substr(at, end - at), loan.out);
  if (end == piece.size()) return end;
  if (number_.is_complete()) {
    end_value();
  } else {
    SB_CHECK(become_text(loan));
  }
  return end;
}

Result<> JsonStream::end_scalar(const StreamLoan& loan) {
  const auto value = without_blanks_behind(held());
  if (!is_word(value) && !is_json_number(value)) return become_text(loan);
  const std::string held = take_held();
  SB_TRY(const bool replaced, number(loan, std::string_view(held).substr(0, value.size())));
  pass(std::string_view(held).substr(replaced ? value.size() : 0), loan.out);
  end_value();
  return {};
}

// Whether something was put in its place.
Result<bool> JsonStream::number(const StreamLoan& loan, std::string_view number) {
  std::string digits;
  const auto value = begins_number(number[0]) ? identifying_digits(number, digits) : std::string_view();
  if (value.empty()) return false;
  GuardScratch scratch;
  SB_TRY(const Verdict verdict, guard_into(loan.policy, loan.context, value, label(loan), scratch, loan.findings));
  verdict_ = std::max(verdict_, verdict);
  if (verdict == Verdict::allow || scratch.text == value) return false;
  std::string quoted;
  append_json_string(quoted, scratch.text);
  loan.out.put(quoted);
  passed_ += std::min(number.size(), kMaxNumberBytes);
  return true;
}

// Behind a document another may begin, as in lines of JSON.
void JsonStream::end_value() {
  state_ = depth() == 0 ? State::start : State::structure;
  expected_ = depth() == 0 ? kValue : kComma | kClose;
}

Result<std::size_t> JsonStream::string(const StreamLoan& loan, std::string_view piece, std::size_t at) {
  Leaf& leaf = *leaf_;
  std::string ready;  // unescaped
  const auto read = [&](std::string_view text) {
    ready += text;
    leaf.read += text.size();
  };
  bool closed = false;
  while (at < piece.size() && !closed) {
    if (leaf.escape.empty()) {
      const std::size_t end = std::min(piece.find_first_of("\"\\", at), piece.size());
      read(piece.substr(at, end - at));
      at = end;
      if (at == piece.size()) break;
      closed = piece[at] == '"';
      if (!closed) leaf.escape = "\\";
      if (!closed) ++at;
      continue;
    }
    leaf.escape += piece[at++];
    while (!leaf.escape.empty() && leaf.escape[0] == '\\') {
      const std::string_view raw(leaf.escape.data(), leaf.escape.size());
      const auto decoded = decode_escape(raw);
      if (decoded.size == 0) break;
      leaf.escapes.note(leaf.read, decoded.text, raw.substr(0, decoded.size));
      read(decoded.text);
      leaf.escape.erase(0, decoded.size);
    }
    if (!leaf.escape.empty() && leaf.escape[0] != '\\') {
      leaf.escape.clear();  // one byte too many was read to know that the escape had ended
      --at;
    }
  }
  if (closed) {
    SB_CHECK(close_string(loan, ready));
    pass("\"", loan.out);
    return at + 1;
  }
  SB_CHECK(feed_leaf(loan, ready, false));
  return at;
}

Result<> JsonStream::feed_leaf(const StreamLoan& loan, std::string_view text, bool complete) {
  Leaf& leaf = *leaf_;
  if (is_name_) nesting_->read_name(text);
  if (is_sibling_name()) nesting_->read_name_of_values(text);
  EscapingSink sink(leaf.escapes, loan.out);
  const auto inside = loan.into(sink).under(is_name_ ? std::string_view() : label(loan));
  const bool escapes = std::exchange(loan.context.escape_restored, false);  // the sink does
  const auto fed = leaf.guard.feed(inside, text, complete);
  loan.context.escape_restored = escapes;
  leaf.escapes.forget_to(complete ? leaf.read : leaf.guard.decided());
  verdict_ = std::max(verdict_, leaf.guard.verdict());
  return fed;
}

Result<> JsonStream::close_string(const StreamLoan& loan, std::string_view text) {
  SB_CHECK(feed_leaf(loan, text, true));
  passed_ = leaf_->escapes.written_to();
  const auto found = std::span(std::as_const(loan.findings)).subspan(leaf_->first_finding);
  if (is_name_ && leaf_->guard.verdict() != Verdict::allow && may_be_alike(found)) {
    if (const auto names = nesting_->count_masked_name(); names > 1) loan.out.put(fmt::format("_{}", names));
  }
  end_value();
  if (is_name_) expected_ = kColon;
  leaf_.reset();
  return {};
}

Result<> JsonStream::end(const StreamLoan& loan) {
  switch (state_) {
    case State::start:
    case State::scalar:  // broken off
      SB_CHECK(become_text(loan));
      break;
    case State::string: {  // the same
      const std::string_view rest(leaf_->escape.data(), leaf_->escape.size());
      leaf_->read += rest.size();
      SB_CHECK(close_string(loan, rest));
      break;
    }
    case State::block:
      if (is_closing_fence(held())) {
        SB_CHECK(close_block(loan));
        break;
      }
      SB_CHECK(feed_block(loan, take_held(), true));
      break;
    case State::structure:
    case State::long_number:
    case State::text:
      break;
  }
  if (state_ == State::text) SB_CHECK(feed_text(loan, {}, true));
  return {};
}

// From here on it is no JSON that we could keep whole.
Result<> JsonStream::become_text(const StreamLoan& loan) {
  begin_text(loan);
  SB_CHECK(feed_text(loan, take_held(), false));  // no line of it opens a block
  return {};
}

void JsonStream::begin_text(const StreamLoan& loan) {
  state_ = State::text;
  text_ = std::make_unique<TextStream>(loan.findings.size());
  inner_at_ = passed_;
}

// How much of the piece was text.
Result<std::size_t> JsonStream::feed_text(const StreamLoan& loan, std::string_view piece, bool complete) {
  const std::size_t opened = fences_ ? opening_.read(piece) : std::string_view::npos;
  const bool ends = opened != std::string_view::npos;
  const auto text = piece.substr(0, opened);
  ShiftedSink shifted(loan.out, inner_at_);
  SB_CHECK(text_->feed(loan.into(shifted), text, complete || ends));
  verdict_ = std::max(verdict_, text_->verdict());
  passed_ += text.size();
  if (!ends) return text.size();
  text_.reset();
  state_ = State::block;
  block_ = std::make_unique<JsonStream>(level_, false);
  in_line_ = false;
  inner_at_ = passed_;
  return text.size();
}

// Line by line: one of marks alone closes the block, wherever its JSON stands.
Result<std::size_t> JsonStream::block(const StreamLoan& loan, std::string_view piece, std::size_t at) {
  if (in_line_) {
    const auto end = piece.find('\n', at);
    in_line_ = end == std::string_view::npos;
    const auto line = piece.substr(at, in_line_ ? end : end - at + 1);
    SB_CHECK(feed_block(loan, line, false));
    return at + line.size();
  }
  if (may_close_fence(held(), piece[at])) {
    hold(piece[at]);
    return at + 1;
  }
  if (piece[at] == '\n' && is_closing_fence(held())) {
    SB_CHECK(close_block(loan));
    return at;
  }
  SB_CHECK(feed_block(loan, take_held(), false));
  in_line_ = true;
  return at;
}

Result<> JsonStream::feed_block(const StreamLoan& loan, std::string_view piece, bool complete) {
  ShiftedSink shifted(loan.out, inner_at_);
  SB_CHECK(block_->feed(loan.into(shifted), piece, complete));
  verdict_ = std::max(verdict_, block_->verdict());
  passed_ += piece.size();
  return {};
}

Result<> JsonStream::close_block(const StreamLoan& loan) {
  SB_CHECK(feed_block(loan, {}, true));
  block_.reset();
  begin_text(loan);
  SB_CHECK(feed_text(loan, take_held(), false));
  return {};
}

void JsonStream::pass(std::string_view bytes, GuardSink& out) {
  if (!bytes.empty()) out.pass(bytes, passed_);
  passed_ += bytes.size();
}

}  // namespace sb::policy
