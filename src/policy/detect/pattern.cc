#include "policy/detect/pattern.h"

#include <fmt/format.h>

#include <charconv>

#include "policy/detect/bytes_class.h"
#include "policy/tail.h"

namespace sb::policy {
namespace {

using Bytes = std::bitset<256>;

Bytes class_of(char letter) {
  Bytes set;
  for (int byte = 0; byte < 256; ++byte) {
    const bool in = letter == 'd'   ? is_digit(byte)
                    : letter == 'w' ? is_alnum(byte) || byte == '_' || byte >= 0x80
                                    : is_a(byte, kBlank);
    set[static_cast<std::size_t>(byte)] = in;
  }
  return set;
}

}  // namespace

// Recursive descent; a counted repeat reads its operand's source again for each copy.
class Pattern::Compiler {
 public:
  Compiler(std::string_view source, Pattern& out) : source_(source), out_(out) {}

  struct Part {
    States first, last;
    bool nullable = true;
  };

  Result<> run() {
    SB_TRY(const Part whole, alternatives());
    if (at_ < source_.size()) return fault("a ')' without its '('");
    if (whole.nullable) return fail(Errc::invalid_argument, "the pattern matches the empty text");
    out_.first_ = whole.first;
    out_.last_ = whole.last;
    return {};
  }

 private:
  static constexpr int kMaxDepth = 16;

  std::unexpected<Error> fault(std::string_view what) const {
    return fail(Errc::invalid_argument, fmt::format("at byte {} of the pattern: {}", at_ + 1, what));
  }

  bool next_is(char c) const { return at_ < source_.size() && source_[at_] == c; }

  Result<Part> alternatives() {
    if (++depth_ > kMaxDepth) return fault("too many nested groups");
    const bool outer = any_case_;
    SB_TRY(Part all, sequence());
    while (next_is('|')) {
      ++at_;
      SB_TRY(const Part other, sequence());
      all.first |= other.first;
      all.last |= other.last;
      all.nullable = all.nullable || other.nullable;
    }
    --depth_;
    any_case_ = outer;
    return all;
  }

  Result<Part> sequence() {
    Part all;
    while (at_ < source_.size() && source_[at_] != '|' && source_[at_] != ')') {
      static constexpr std::string_view kAnyCase = "(?i)";
      if (source_.substr(at_).starts_with(kAnyCase)) {
        any_case_ = true;
        at_ += kAnyCase.size();
        continue;
      }
      SB_TRY(const Part next, repeated());
      all = joined(all, next);
    }
    return all;
  }

  Part joined(const Part& left, const Part& right) {
    connect(left.last, right.first);
    return {left.nullable ? left.first | right.first : left.first, right.nullable ? right.last | left.last : right.last,
            left.nullable && right.nullable};
  }

  void connect(const States& from, const States& to) {
    for (std::size_t i = 0; i < out_.follow_.size(); ++i) {
      if (from[i]) out_.follow_[i] |= to;
    }
  }

  Result<Part> repeated() {
    const std::size_t begin = at_;
    SB_TRY(Part one, atom());
    const std::size_t end = at_;
    std::size_t least = 1;
    std::size_t most = 1;
    bool unbounded = false;
    if (next_is('?')) {
      least = 0, ++at_;
    } else if (next_is('*') || next_is('+')) {
      least = next_is('+') ? 1 : 0, unbounded = true, ++at_;
    } else if (next_is('{')) {
      SB_CHECK(counts(least, most, unbounded));
    }
    const std::size_t after = at_;
    Part all = one;
    Part before = one;
    for (std::size_t copy = 2; copy <= (unbounded ? std::max<std::size_t>(least, 1) : most); ++copy) {
      at_ = begin;
      SB_TRY(one, atom());
      SB_ASSERT(at_ == end);
      if (copy <= least) {
        before = all = joined(all, one);
      } else {  // behind the copy before alone: one that is left out is as good as any other
        connect(before.last, one.first);
        all.last |= one.last;
        before = one;
      }
    }
    at_ = after;
    if (unbounded) connect(one.last, one.first);
    if (least == 0) all.nullable = true;
    if (at_ < source_.size() && std::string_view("?*+{").find(source_[at_]) != std::string_view::npos)
      return fault("a repeat of a repeat; put the first into a group");
    return all;
  }

  Result<> counts(std::size_t& least, std::size_t& most, bool& unbounded) {
    const char* end = source_.data() + source_.size();
    auto [after, error] = std::from_chars(source_.data() + at_ + 1, end, least);
    most = least;
    if (error == std::errc() && after < end && *after == ',') {
      unbounded = after + 1 < end && after[1] == '}';
      if (unbounded)
        ++after;
      else
        std::tie(after, error) = std::pair(std::from_chars(after + 1, end, most).ptr, std::errc());
    }
    if (error != std::errc() || after >= end || *after != '}' || most < least || most == 0 || most > kWindowBytes)
      return fault(fmt::format("a count is {{n}}, {{n,}} or {{n,m}} with n <= m <= {}", kWindowBytes));
    at_ = static_cast<std::size_t>(after + 1 - source_.data());
    return {};
  }

  Result<Part> atom() {
    const char c = source_[at_];
    if (c == '(') {
      ++at_;
      SB_TRY(Part group, alternatives());
      if (!next_is(')')) return fault("a '(' without its ')'");
      ++at_;
      return group;
    }
    if (c == '[') return bracket();
    if (c == '*' || c == '+' || c == '?' || c == '{') return fault("nothing to repeat");
    if (c == '^' || c == '$') return fault("there are no anchors: a match is a whole word anyway");
    ++at_;
    if (c == '.') {
      Bytes any;
      any.set();
      any['\n'] = false;
      return position(any);
    }
    if (c != '\\') return position(cased(Bytes().set(static_cast<unsigned char>(c))));
    SB_TRY(const Bytes set, escaped());
    return position(set);
  }

  // Behind a backslash.
  Result<Bytes> escaped() {
    if (at_ == source_.size()) return fault("a lone backslash");
    const char c = source_[at_++];
    if (c == 'd' || c == 'w' || c == 's') return class_of(c);
    if (c == 'D' || c == 'W' || c == 'S') return ~class_of(static_cast<char>(to_lower(c)));
    if (c == 'n') return Bytes().set('\n');
    if (c == 't') return Bytes().set('\t');
    if (is_alnum(static_cast<unsigned char>(c))) return fault(fmt::format("\\{} means nothing here", c));
    return Bytes().set(static_cast<unsigned char>(c));
  }

  Result<Part> bracket() {
    ++at_;
    const bool negated = next_is('^');
    if (negated) ++at_;
    Bytes set;
    for (bool first = true; at_ < source_.size() && (first || source_[at_] != ']'); first = false) {
      const auto low = static_cast<unsigned char>(source_[at_++]);
      if (low == '\\') {
        SB_TRY(const Bytes more, escaped());
        set |= more;
        continue;
      }
      auto high = low;
      if (next_is('-') && at_ + 1 < source_.size() && source_[at_ + 1] != ']') {
        high = static_cast<unsigned char>(source_[at_ + 1]);
        at_ += 2;
      }
      if (high < low) return fault("a range that runs backwards");
      for (std::size_t byte = low; byte <= high; ++byte) set.set(byte);
    }
    if (!next_is(']')) return fault("a '[' without its ']'");
    ++at_;
    set = cased(set);
    return position(negated ? ~set : set);
  }

  // With the other case of each letter, where it does not matter.
  Bytes cased(Bytes set) const {
    for (std::size_t lower = 'a'; any_case_ && lower <= 'z'; ++lower) {
      const std::size_t upper = lower - 'a' + 'A';
      set[lower] = set[upper] = set[lower] || set[upper];
    }
    return set;
  }

  Result<Part> position(const Bytes& set) {
    const std::size_t index = out_.follow_.size();
    if (index == kMaxPositions) return fault(fmt::format("the pattern has more than {} places", kMaxPositions));
    out_.follow_.emplace_back();
    for (std::size_t byte = 0; byte < 256; ++byte) out_.by_byte_[byte][index] = set[byte];
    States self;
    self[index] = true;
    return Part{self, self, false};
  }

  std::string_view source_;
  Pattern& out_;
  std::size_t at_ = 0;
  int depth_ = 0;
  bool any_case_ = false;
};

Result<Pattern> Pattern::compile(std::string_view source) {
  Pattern pattern;
  pattern.by_byte_.resize(256);
  SB_CHECK(Compiler(source, pattern).run());
  return pattern;
}

Pattern::States Pattern::follow_of(const States& states) const {
  States next;
  for (std::size_t i = states._Find_first(); i < follow_.size(); i = states._Find_next(i)) next |= follow_[i];
  return next;
}

// Of `steps` bytes among these behind each other: what each may be, and all ways to have come there, counted as one.
std::size_t Pattern::cost_among(const std::bitset<256>& bytes, std::size_t steps, bool checked) const {
  std::size_t cost = 0;
  States reached = first_;
  for (std::size_t step = 1; step <= steps && reached.any(); ++step) {
    std::size_t most = 0;
    States all;
    for (std::size_t byte = 0; byte < 256; ++byte) {
      if (!bytes[byte]) continue;
      const States now = reached & by_byte_[byte];
      const bool ends = checked && (now & last_).any();
      most = std::max(most, now.count() + (ends ? step : 0));
      all |= now;
    }
    cost += most;
    reached = follow_of(all);
  }
  return cost;
}

std::size_t Pattern::cost(bool checked) const {
  constexpr std::size_t kMostBytes = 4 * kWindowBytes;  // of a window of other letters
  Bytes high;
  bool begins_words = true;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    high[byte] = byte >= 0x80;
    if ((first_ & by_byte_[byte]).any() && !is_alnum(static_cast<int>(byte))) begins_words = false;
  }
  // Where it begins with letters and digits it is tried at words, every second byte at most.
  if (begins_words) return (cost_among(~Bytes(), kWindowBytes, checked) + 1) / 2;
  return std::max(cost_among(~Bytes(), kWindowBytes, checked), cost_among(high, kMostBytes, checked));
}

Tail Pattern::tail_behind(std::string_view match) const {
  States states = first_;
  for (const char c : match) states = follow_of(states & by_byte_[static_cast<unsigned char>(c)]);
  if (states.none()) return Tail::none;
  const auto has_all = [&](Tail tail) {
    for (int byte = 0; byte < 256; ++byte) {
      if ((by_byte_[static_cast<unsigned>(byte)] & states).any() && !in_tail(tail, byte)) return false;
    }
    return true;
  };
  for (const Tail tail : {Tail::token, Tail::word}) {
    if (has_all(tail)) return tail;
  }
  return Tail::line;
}

std::string Pattern::first_bytes() const {
  std::string bytes;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    if ((by_byte_[byte] & first_).any()) bytes += static_cast<char>(byte);
  }
  return bytes;
}

}  // namespace sb::policy
