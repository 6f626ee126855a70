#include "policy/json_stream_guard.h"

#include <algorithm>

#include "policy/detect/bytes_class.h"
#include "policy/json_escapes.h"
#include "policy/json_walk.h"

namespace sb::policy {
namespace {

constexpr std::size_t kKeptKeyBytes = kWindowBytes;  // detectors look no further back

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool is_number_byte(char c) {
  return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}
bool starts_value(char opening, char next) {
  return opening == '{' ? next == '"' || next == '}' : next == '{' || next == '[' || next == ']' || next == '"';
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
  std::size_t taken = 0;     // findings that are in the document's list already
  std::string name;          // of a member: its beginning
};

JsonStreamGuard::JsonStreamGuard(const Policy& policy, GuardContext& context, std::string_view label, int level)
    : policy_(policy), context_(context), label_(label), level_(level) {}
JsonStreamGuard::~JsonStreamGuard() = default;
JsonStreamGuard::JsonStreamGuard(JsonStreamGuard&&) noexcept = default;

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
  if (stopped()) return {};
  failed_ = true;  // until it is not
  for (std::size_t at = 0; at < piece.size() && verdict_ < Verdict::human;) {
    SB_TRY(at, step(piece, at, out));
  }
  if (complete && verdict_ < Verdict::human) SB_CHECK(end(out));
  failed_ = false;
  return {};
}

// Each returns where the next step begins.
Result<std::size_t> JsonStreamGuard::step(std::string_view piece, std::size_t at, GuardSink& out) {
  switch (state_) {
    case State::start:
      return begin(piece, at, out);
    case State::structure:
      return structure(piece, at, out);
    case State::word:
    case State::number:
      return token(piece, at, out);
    case State::string:
      return string(piece, at, out);
    case State::text:
      break;
  }
  SB_CHECK(feed_text(piece.substr(at), false, out));
  return piece.size();
}

Result<std::size_t> JsonStreamGuard::begin(std::string_view piece, std::size_t at, GuardSink& out) {
  const char c = piece[at];
  const bool opened = !held_.empty() && (held_[0] == '{' || held_[0] == '[');
  if (level_ < kMaxJsonLevels && held_.size() < kWindowBytes) {
    if (is_blank(c) || (!opened && (c == '{' || c == '['))) {
      if (!is_blank(c) && !held_.empty()) pass(std::exchange(held_, {}), out);  // blanks before it
      held_ += c;
      return at + 1;
    }
    if (opened && starts_value(held_[0], c)) {
      const std::string head = std::exchange(held_, {});
      state_ = State::structure;
      SB_CHECK(structure(head, 0, out));
      pass(std::string_view(head).substr(1), out);
      return at;
    }
  }
  SB_CHECK(become_text(out));
  return at;
}

Result<std::size_t> JsonStreamGuard::structure(std::string_view piece, std::size_t at, GuardSink& out) {
  const char c = piece[at];
  const bool open = c == '{' || c == '[';
  const bool close = c == '}' || c == ']';
  const bool inside = !containers_.empty();
  const bool fits = is_blank(c) || (open && containers_.size() < static_cast<std::size_t>(kMaxJsonDepth)) ||
                    (close && inside && containers_.back().is_object == (c == '}')) ||
                    (inside && (c == ',' || c == ':' || c == '"' || is_number_byte(c) || (c >= 'a' && c <= 'z')));
  if (!fits) {
    SB_CHECK(become_text(out));
    return at;
  }
  if (is_number_byte(c) && c != 'e') {
    state_ = State::number;
    return at;
  }
  if (c >= 'a' && c <= 'z') {
    state_ = State::word;
    return at;
  }
  pass(piece.substr(at, 1), out);
  if (open) {
    const std::string under(c == '[' ? label() : std::string_view());
    containers_.push_back({c == '{', under});
    wants_name_ = c == '{';
  } else if (close) {
    containers_.pop_back();
  } else if (c == ',' || c == ':') {
    wants_name_ = c == ',' && containers_.back().is_object;
  } else if (c == '"') {
    state_ = State::string;
    const int level = wants_name_ ? kMaxJsonLevels : level_ + 1;  // a name is a word, not a document
    leaf_ = std::make_unique<Leaf>(policy_, context_, wants_name_ ? std::string_view() : label(), level, passed_);
  }
  return at + 1;
}

Result<std::size_t> JsonStreamGuard::token(std::string_view piece, std::size_t at, GuardSink& out) {
  constexpr std::size_t kLongestWord = 5;
  const bool word = state_ == State::word;
  std::size_t end = at;
  while (end < piece.size() && (word ? piece[end] >= 'a' && piece[end] <= 'z' : is_number_byte(piece[end]))) ++end;
  held_ += piece.substr(at, end - at);
  if (word && held_.size() > kLongestWord) {
    SB_CHECK(become_text(out));
  } else if (!word && held_.size() > kWindowBytes) {
    pass(held_, out);  // no identifier is as long; what goes on is another number, of no use to anybody
    held_.clear();
  }
  if (end < piece.size() && state_ != State::text) SB_CHECK(end_token(out));
  return end;
}

Result<> JsonStreamGuard::end_token(GuardSink& out) {
  if (state_ == State::word && held_ != "true" && held_ != "false" && held_ != "null") return become_text(out);
  const bool whole = std::ranges::all_of(held_, [](char c) { return c >= '0' && c <= '9'; });
  const std::string value = std::exchange(held_, {});
  const bool number = std::exchange(state_, State::structure) == State::number;
  if (!number || !whole || value.size() < kLeastNumberDigits) {
    pass(value, out);
    return {};
  }
  GuardScratch scratch;
  std::vector<GuardedFinding> found;
  SB_TRY(const Verdict verdict, guard_into(policy_, context_, value, label(), scratch, found));
  take(found, verdict);
  if (verdict == Verdict::allow) {
    pass(value, out);
    return {};
  }
  std::string quoted;
  append_json_string(quoted, scratch.text);
  out.put(quoted);
  passed_ += value.size();
  return {};
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
      leaf.sink.note(leaf.read, decoded.text.size(), std::string_view(leaf.escape).substr(0, decoded.size));
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
    if (verdict_ < Verdict::human) pass("\"", out);
    return at + 1;
  }
  leaf.sink.writes_to(out);
  if (wants_name_ && leaf.name.size() < kKeptKeyBytes) leaf.name += leaf.ready;
  SB_CHECK(leaf.guard.feed(std::exchange(leaf.ready, {}), false, leaf.sink));
  const auto& found = leaf.guard.findings();
  take(std::span(found).subspan(leaf.taken), leaf.guard.verdict());
  leaf.taken = found.size();
  return at;
}

Result<> JsonStreamGuard::close_string(GuardSink& out) {
  Leaf& leaf = *leaf_;
  leaf.sink.writes_to(out);
  if (wants_name_) leaf.name += leaf.ready;
  SB_CHECK(leaf.guard.feed(leaf.ready, true, leaf.sink));
  const auto& found = leaf.guard.findings();
  take(std::span(found).subspan(leaf.taken), leaf.guard.verdict());
  if (wants_name_ && !containers_.empty()) containers_.back().key = leaf.name.substr(0, kKeptKeyBytes);
  passed_ += leaf.raw_size;
  leaf_.reset();
  state_ = State::structure;
  return {};
}

Result<> JsonStreamGuard::end(GuardSink& out) {
  switch (state_) {
    case State::start:
      SB_CHECK(become_text(out));
      break;
    case State::word:
    case State::number:
      SB_CHECK(end_token(out));
      break;
    case State::string: {  // broken off
      leaf_->ready += leaf_->escape;
      leaf_->raw_size += leaf_->escape.size();
      SB_CHECK(close_string(out));
      break;
    }
    case State::structure:
    case State::text:
      break;
  }
  return state_ == State::text ? feed_text({}, true, out) : Result<>();
}

// From here on it is no JSON that we could keep whole.
Result<> JsonStreamGuard::become_text(GuardSink& out) {
  state_ = State::text;
  text_ = std::make_unique<StreamGuard>(policy_, context_, label_);
  text_at_ = passed_;
  return feed_text(std::exchange(held_, {}), false, out);
}

Result<> JsonStreamGuard::feed_text(std::string_view piece, bool complete, GuardSink& out) {
  ShiftedSink shifted(out, text_at_);
  SB_CHECK(text_->feed(piece, complete, shifted));
  const auto& found = text_->findings();
  take(std::span(found).subspan(text_taken_), text_->verdict());
  text_taken_ = found.size();
  return {};
}

void JsonStreamGuard::pass(std::string_view bytes, GuardSink& out) {
  if (!bytes.empty()) out.pass(bytes, passed_);
  passed_ += bytes.size();
}

void JsonStreamGuard::take(std::span<const GuardedFinding> findings, Verdict verdict) {
  findings_.insert(findings_.end(), findings.begin(), findings.end());
  verdict_ = std::max(verdict_, verdict);
}

}  // namespace sb::policy
