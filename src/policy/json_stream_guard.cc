#include "policy/json_stream_guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

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
struct JsonStreamGuard::Leaf {
  Leaf(const Policy& policy, GuardContext& context, std::string_view label, int level, std::size_t offset)
      : guard(policy, context, label, level), sink(offset) {}

  JsonStreamGuard guard;
  EscapingSink sink;
  std::string escape;        // an escape that is not complete yet
  std::string ready;         // read, not guarded yet
  std::size_t read = 0;      // bytes of its text so far, `ready` included
  std::size_t raw_size = 0;  // bytes of the literal so far
};

JsonStreamGuard::JsonStreamGuard(const Policy& policy, GuardContext& context, std::string_view label, int level,
                                 bool fences)
    : policy_(policy), context_(context), label_(label), level_(level), expected_(kValue), fences_(fences) {}
JsonStreamGuard::~JsonStreamGuard() = default;
JsonStreamGuard::JsonStreamGuard(JsonStreamGuard&&) noexcept = default;

std::string_view JsonStreamGuard::label() const {
  if (!nesting_ || !nesting_->has_name()) return label_;
  const auto key = nesting_->name();
  if (!is_named_value(key)) return key;
  const auto named = nesting_->name_of_values();
  if (!named.empty()) return named;
  return nesting_->depth() == 1 && !label_.empty() ? label_ : key;
}

Result<std::string> JsonStreamGuard::feed(std::string_view piece) {
  TextSink out;
  SB_CHECK(feed(piece, false, out));
  return std::move(out.text);
}

Result<std::string> JsonStreamGuard::finish() {
  TextSink out;
  SB_CHECK(feed({}, true, out));
  return std::move(out.text);
}

Result<> JsonStreamGuard::feed(std::string_view piece, bool complete, GuardSink& out) {
  if (failed_) return {};
  failed_ = true;  // until it is not
  for (std::size_t at = 0; at < piece.size();) {
    SB_TRY(at, step(piece, at, out));
  }
  if (complete) SB_CHECK(end(out));
  failed_ = false;
  return {};
}

std::size_t JsonStreamGuard::held_bytes() const {
  return held_.size() + (leaf_ ? leaf_->guard.held_bytes() + leaf_->escape.size() : 0) +
         (text_ ? text_->held_bytes() : 0) + (block_ ? block_->held_bytes() : 0);
}

std::size_t JsonStreamGuard::decided() const {
  if (leaf_) return leaf_->sink.written_to();
  if (text_) return inner_at_ + text_->decided();
  if (block_) return inner_at_ + block_->decided();
  return passed_;
}

int JsonStreamGuard::string_depth() const {
  if (leaf_) return 1 + leaf_->guard.string_depth();
  return block_ ? block_->string_depth() : 0;
}

// Each returns where the next step begins.
Result<std::size_t> JsonStreamGuard::step(std::string_view piece, std::size_t at, GuardSink& out) {
  switch (state_) {
    case State::start:
      return begin(piece, at, out);
    case State::structure:
      return structure(piece, at, out);
    case State::scalar:
      return scalar(piece, at, out);
    case State::long_number:
      return long_number(piece, at, out);
    case State::string:
      return string(piece, at, out);
    case State::block:
      return block(piece, at, out);
    case State::text:
      break;
  }
  SB_TRY(const std::size_t read, feed_text(piece.substr(at), false, out));
  return at + read;
}

Result<std::size_t> JsonStreamGuard::begin(std::string_view piece, std::size_t at, GuardSink& out) {
  const char c = piece[at];
  if (level_ < kMaxJsonLevels && held_.size() < kWindowBytes) {
    const bool opened = !held_.empty() && !is_json_blank(held_[0]);
    if (!opened && (c == '{' || c == '[')) {
      pass(std::exchange(held_, std::string(1, c)), out);  // blanks before it
      return at + 1;
    }
    const auto json = opened ? begins_json(held_, c) : is_json_blank(c) ? std::nullopt : std::optional(false);
    if (!json) {
      held_ += c;
      return at + 1;
    }
    if (*json) {
      const std::string head = std::exchange(held_, {});
      state_ = State::structure;
      for (std::size_t i = 0; i < head.size();) {
        SB_TRY(i, step(head, i, out));
      }
      return at;
    }
  }
  SB_CHECK(become_text(out));
  return at;
}

Result<std::size_t> JsonStreamGuard::structure(std::string_view piece, std::size_t at, GuardSink& out) {
  const char c = piece[at];
  const auto fits = [this](std::uint8_t what) { return (expected_ & what) != 0; };
  if (is_json_blank(c)) {
    pass(piece.substr(at, 1), out);
  } else if ((c == '{' || c == '[') && fits(kValue) && depth() < static_cast<std::size_t>(kMaxJsonDepth)) {
    pass(piece.substr(at, 1), out);
    if (!nesting_) nesting_ = std::make_unique<JsonNesting>();
    nesting_->open(c == '{', std::string(label()));
    expected_ = (c == '{' ? kName : kValue) | kClose;
  } else if ((c == '}' || c == ']') && fits(kClose) && nesting_->in_object() == (c == '}')) {
    pass(piece.substr(at, 1), out);
    nesting_->close();
    end_value();
  } else if (c == ',' && fits(kComma)) {
    pass(piece.substr(at, 1), out);
    expected_ = nesting_->in_object() ? kName : kValue;
  } else if (c == ':' && fits(kColon)) {
    pass(piece.substr(at, 1), out);
    expected_ = kValue;
  } else if (c == '"' && fits(kName | kValue)) {
    pass(piece.substr(at, 1), out);
    state_ = State::string;
    is_name_ = fits(kName);
    if (is_name_) nesting_->begin_name();
    if (is_sibling_name()) nesting_->begin_name_of_values();
    const int level = is_name_ ? kMaxJsonLevels : level_ + 1;  // a name is a word, not a document
    leaf_ = std::make_unique<Leaf>(policy_, context_, is_name_ ? std::string_view() : label(), level, passed_);
  } else if ((begins_number(c) || is_word_letter(c)) && fits(kValue)) {
    state_ = State::scalar;
    return at;
  } else {
    SB_CHECK(become_text(out));
    return at;
  }
  return at + 1;
}

// A number or word is judged where the grammar says that it ends: "4111 1111 1111 1111" is neither, but it is text.
Result<std::size_t> JsonStreamGuard::scalar(std::string_view piece, std::size_t at, GuardSink& out) {
  for (; at < piece.size(); ++at) {
    const char c = piece[at];
    const bool blanks = !held_.empty() && is_json_blank(held_.back());
    const bool more = is_json_blank(c) || (!blanks && (is_number_byte(c) || is_word_letter(c)));
    if (more && held_.size() < kMaxNumberBytes) {
      held_ += c;
      continue;
    }
    if (c == ',' || c == '}' || c == ']' || is_json_blank(c)) {
      SB_CHECK(end_scalar(out));
      return at;
    }
    number_ = {};
    if (more && std::ranges::all_of(held_, [this](char one) { return number_.read(one); })) {
      const std::string beginning = std::exchange(held_, {});
      SB_TRY(swallows_, number(beginning + c, out));
      if (!swallows_) pass(beginning, out);
      state_ = State::long_number;
      return at;
    }
    SB_CHECK(become_text(out));
    return at;
  }
  return at;
}

Result<std::size_t> JsonStreamGuard::long_number(std::string_view piece, std::size_t at, GuardSink& out) {
  std::size_t end = at;
  while (end < piece.size() && number_.read(piece[end])) ++end;
  if (swallows_)
    passed_ += end - at;
  else
    pass(piece.substr(at, end - at), out);
  if (end == piece.size()) return end;
  if (number_.is_complete()) {
    end_value();
  } else {
    SB_CHECK(become_text(out));
  }
  return end;
}

Result<> JsonStreamGuard::end_scalar(GuardSink& out) {
  const auto value = without_blanks_behind(held_);
  if (!is_word(value) && !is_json_number(value)) return become_text(out);
  const std::string held = std::exchange(held_, {});
  SB_TRY(const bool replaced, number(std::string_view(held).substr(0, value.size()), out));
  pass(std::string_view(held).substr(replaced ? value.size() : 0), out);
  end_value();
  return {};
}

// Whether something was put in its place.
Result<bool> JsonStreamGuard::number(std::string_view number, GuardSink& out) {
  std::string digits;
  const auto value = begins_number(number[0]) ? identifying_digits(number, digits) : std::string_view();
  if (value.empty()) return false;
  GuardScratch scratch;
  std::vector<GuardedFinding> found;
  SB_TRY(const Verdict verdict, guard_into(policy_, context_, value, label(), scratch, found));
  take(found);
  verdict_ = std::max(verdict_, verdict);
  if (verdict == Verdict::allow || scratch.text == value) return false;
  std::string quoted;
  append_json_string(quoted, scratch.text);
  out.put(quoted);
  passed_ += std::min(number.size(), kMaxNumberBytes);
  return true;
}

// Behind a document another may begin, as in lines of JSON.
void JsonStreamGuard::end_value() {
  state_ = depth() == 0 ? State::start : State::structure;
  expected_ = depth() == 0 ? kValue : kComma | kClose;
}

Result<std::size_t> JsonStreamGuard::string(std::string_view piece, std::size_t at, GuardSink& out) {
  Leaf& leaf = *leaf_;
  const auto read = [&leaf](std::string_view text) {
    leaf.ready += text;
    leaf.read += text.size();
  };
  bool closed = false;
  while (at < piece.size() && !closed) {
    if (leaf.escape.empty()) {
      const std::size_t end = std::min(piece.find_first_of("\"\\", at), piece.size());
      read(piece.substr(at, end - at));
      leaf.raw_size += end - at;
      at = end;
      if (at == piece.size()) break;
      closed = piece[at] == '"';
      if (!closed) leaf.escape = "\\";
      if (!closed) ++at;
      continue;
    }
    leaf.escape += piece[at++];
    while (!leaf.escape.empty() && leaf.escape[0] == '\\') {
      const auto decoded = decode_escape(leaf.escape);
      if (decoded.size == 0) break;
      leaf.sink.note(leaf.read, decoded.text, std::string_view(leaf.escape).substr(0, decoded.size));
      read(decoded.text);
      leaf.raw_size += decoded.size;
      leaf.escape.erase(0, decoded.size);
    }
    if (!leaf.escape.empty() && leaf.escape[0] != '\\') {
      leaf.escape.clear();  // one byte too many was read to know that the escape had ended
      --at;
    }
  }
  if (closed) {
    SB_CHECK(close_string(out));
    pass("\"", out);
    return at + 1;
  }
  leaf.sink.writes_to(out);
  if (is_name_) nesting_->read_name(leaf.ready);
  if (is_sibling_name()) nesting_->read_name_of_values(leaf.ready);
  SB_CHECK(feed_leaf(false));
  return at;
}

Result<> JsonStreamGuard::feed_leaf(bool complete) {
  Leaf& leaf = *leaf_;
  const bool escapes = std::exchange(context_.escape_restored, false);  // the sink does
  const auto fed = leaf.guard.feed(std::exchange(leaf.ready, {}), complete, leaf.sink);
  context_.escape_restored = escapes;
  if (!complete) leaf.sink.forget_to(leaf.guard.decided());
  verdict_ = std::max(verdict_, leaf.guard.verdict());
  return fed;
}

Result<> JsonStreamGuard::close_string(GuardSink& out) {
  Leaf& leaf = *leaf_;
  leaf.sink.writes_to(out);
  if (is_name_) nesting_->read_name(leaf.ready);
  if (is_sibling_name()) nesting_->read_name_of_values(leaf.ready);
  SB_CHECK(feed_leaf(true));
  passed_ += leaf.raw_size;
  const auto found = leaf.guard.findings();
  if (is_name_ && leaf.guard.verdict() != Verdict::allow && may_be_alike(found)) {
    if (const auto names = nesting_->count_masked_name(); names > 1) out.put(fmt::format("_{}", names));
  }
  end_value();
  if (is_name_) expected_ = kColon;
  take(found);
  leaf_.reset();
  return {};
}

Result<> JsonStreamGuard::end(GuardSink& out) {
  switch (state_) {
    case State::start:
    case State::scalar:  // broken off
      SB_CHECK(become_text(out));
      break;
    case State::string: {  // the same
      leaf_->ready += leaf_->escape;
      leaf_->raw_size += leaf_->escape.size();
      SB_CHECK(close_string(out));
      break;
    }
    case State::block:
      if (is_closing_fence(held_)) {
        SB_CHECK(close_block(out));
        break;
      }
      SB_CHECK(feed_block(std::exchange(held_, {}), true, out));
      break;
    case State::structure:
    case State::long_number:
    case State::text:
      break;
  }
  if (state_ == State::text) SB_CHECK(feed_text({}, true, out));
  return {};
}

// From here on it is no JSON that we could keep whole.
Result<> JsonStreamGuard::become_text(GuardSink& out) {
  begin_text();
  SB_CHECK(feed_text(std::exchange(held_, {}), false, out));  // no line of it opens a block
  return {};
}

void JsonStreamGuard::begin_text() {
  state_ = State::text;
  text_ = std::make_unique<StreamGuard>(policy_, context_, label_);
  inner_at_ = passed_;
}

// How much of the piece was text.
Result<std::size_t> JsonStreamGuard::feed_text(std::string_view piece, bool complete, GuardSink& out) {
  const std::size_t opened = fences_ ? opening_.read(piece) : std::string_view::npos;
  const bool ends = opened != std::string_view::npos;
  const auto text = piece.substr(0, opened);
  ShiftedSink shifted(out, inner_at_);
  SB_CHECK(text_->feed(text, complete || ends, shifted));
  verdict_ = std::max(verdict_, text_->verdict());
  passed_ += text.size();
  if (!ends) return text.size();
  take(text_->findings());
  text_.reset();
  state_ = State::block;
  block_ = std::make_unique<JsonStreamGuard>(policy_, context_, label_, level_, false);
  in_line_ = false;
  inner_at_ = passed_;
  return text.size();
}

// Line by line: one of marks alone closes the block, wherever its JSON stands.
Result<std::size_t> JsonStreamGuard::block(std::string_view piece, std::size_t at, GuardSink& out) {
  if (in_line_) {
    const auto end = piece.find('\n', at);
    in_line_ = end == std::string_view::npos;
    const auto line = piece.substr(at, in_line_ ? end : end - at + 1);
    SB_CHECK(feed_block(line, false, out));
    return at + line.size();
  }
  if (may_close_fence(held_, piece[at])) {
    held_ += piece[at];
    return at + 1;
  }
  if (piece[at] == '\n' && is_closing_fence(held_)) {
    SB_CHECK(close_block(out));
    return at;
  }
  SB_CHECK(feed_block(std::exchange(held_, {}), false, out));
  in_line_ = true;
  return at;
}

Result<> JsonStreamGuard::feed_block(std::string_view piece, bool complete, GuardSink& out) {
  ShiftedSink shifted(out, inner_at_);
  SB_CHECK(block_->feed(piece, complete, shifted));
  verdict_ = std::max(verdict_, block_->verdict());
  passed_ += piece.size();
  return {};
}

Result<> JsonStreamGuard::close_block(GuardSink& out) {
  SB_CHECK(feed_block({}, true, out));
  take(block_->findings());
  block_.reset();
  begin_text();
  SB_CHECK(feed_text(std::exchange(held_, {}), false, out));
  return {};
}

void JsonStreamGuard::pass(std::string_view bytes, GuardSink& out) {
  if (!bytes.empty()) out.pass(bytes, passed_);
  passed_ += bytes.size();
}

void JsonStreamGuard::take(std::span<const GuardedFinding> findings) {
  findings_.insert(findings_.end(), findings.begin(), findings.end());
}

std::vector<GuardedFinding> JsonStreamGuard::findings() const {
  auto all = findings_;
  const auto add = [&](std::span<const GuardedFinding> more) { all.insert(all.end(), more.begin(), more.end()); };
  if (leaf_) add(leaf_->guard.findings());
  if (text_) add(text_->findings());
  if (block_) add(block_->findings());
  return all;
}

}  // namespace sb::policy
