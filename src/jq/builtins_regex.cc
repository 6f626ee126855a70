// Regular expressions, by RE2: linear in the text, whatever the pattern. Back-references and look-around, which need
// more, are refused by it with a reason. `match`, `test`, `sub` and their like are written in jq on top (prelude.h).
#include <re2/re2.h>

#include <array>
#include <memory>

#include "jq/builtins.h"

namespace sb::jq {
namespace {

struct Flags {
  bool global = false, ignore_case = false, extended = false, dot_all = false, no_empty = false;
};

std::optional<Flags> read_flags(std::string_view text) {
  Flags flags;
  for (const char c : text) {
    switch (c) {
      case 'g':
        flags.global = true;
        break;
      case 'i':
        flags.ignore_case = true;
        break;
      case 'x':
        flags.extended = true;
        break;
      case 's':
        flags.dot_all = true;
        break;
      case 'n':
        flags.no_empty = true;
        break;
      case 'p':
        flags.dot_all = true;
        break;
      case 'l':
        break;
      default:
        return std::nullopt;
    }
  }
  return flags;
}

/// jq's (?<name>...) is RE2's (?P<name>...); with `x`, blanks and comments go.
std::string in_re2(std::string_view source, bool extended) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < source.size(); ++i) {
    const char c = source[i];
    if (c == '\\' && i + 1 < source.size()) {
      out += c;
      out += source[++i];
      continue;
    }
    if (in_class) {
      in_class = c != ']';
    } else if (c == '[') {
      in_class = true;
    } else if (extended && (c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
      continue;
    } else if (extended && c == '#') {
      while (i + 1 < source.size() && source[i + 1] != '\n') ++i;
      continue;
    } else if (source.substr(i).starts_with("(?<") && i + 3 < source.size() && source[i + 3] != '=' &&
               source[i + 3] != '!') {
      out += "(?P<";
      i += 2;
      continue;
    }
    out += c;
  }
  return out;
}

/// The patterns a thread used last: most programs have one or two.
std::shared_ptr<const RE2> compiled(const std::string& source, const Flags& flags) {
  struct Entry {
    std::string key;
    std::shared_ptr<const RE2> pattern;
  };
  thread_local std::array<Entry, 8> recent;
  thread_local std::size_t oldest = 0;
  const std::string key =
      std::string(flags.ignore_case ? "i" : "-") + (flags.extended ? "x" : "-") + (flags.dot_all ? "s" : "-") + source;
  for (const auto& entry : recent) {
    if (entry.pattern && entry.key == key) return entry.pattern;
  }
  RE2::Options options;
  options.set_log_errors(false);
  options.set_case_sensitive(!flags.ignore_case);
  options.set_dot_nl(flags.dot_all);
  options.set_max_mem(1 << 20);
  auto pattern = std::make_shared<const RE2>(in_re2(source, flags.extended), options);
  if (pattern->ok()) recent[oldest++ % recent.size()] = {key, pattern};
  return pattern;
}

/// Byte offsets to code points, going forward.
class CodePoints {
 public:
  explicit CodePoints(std::string_view text) : text_(text) {}
  std::int64_t at(std::size_t byte) {
    if (byte < byte_) byte_ = 0, count_ = 0;
    for (; byte_ < byte; ++byte_) count_ += (static_cast<unsigned char>(text_[byte_]) & 0xc0) != 0x80;
    return count_;
  }
  static std::int64_t length(std::string_view piece) {
    std::int64_t count = 0;
    for (const char c : piece) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    return count;
  }

 private:
  std::string_view text_;
  std::size_t byte_ = 0;
  std::int64_t count_ = 0;
};

json::object place(const re2::StringPiece& piece, std::string_view text, CodePoints& points) {
  if (piece.data() == nullptr) return {{"offset", -1}, {"length", 0}, {"string", nullptr}};
  const std::string_view found(piece.data(), piece.size());
  return {{"offset", points.at(static_cast<std::size_t>(found.data() - text.data()))},
          {"length", CodePoints::length(found)},
          {"string", json::string(found)}};
}

/// __match(re; flags; test): all matches as jq describes them, or whether there is one.
Outcome f_match(Run& run, const Value& in, Arguments a, Value& out) {
  if (!in.is_string()) return fault_about(in, "cannot be matched, as it is not a string");
  if (!a[0].is_string()) return fault_about(a[0], "cannot be matched, as it is not a string");
  if (!a[1].is_string() && !a[1].is_null()) return fault_about(a[1], "is not a string of flags");
  const std::string_view letters = a[1].is_string() ? std::string_view(a[1].get_string()) : std::string_view();
  const auto flags = read_flags(letters);
  if (!flags) return plain("the flags of a regular expression are g, i, x, s, n, p, l");
  const auto pattern = compiled(std::string(a[0].get_string()), *flags);
  if (!pattern->ok())
    return Fault{"a regular expression is not valid", "a regular expression is not valid: " + pattern->error()};
  const std::string_view text(in.get_string());
  const re2::StringPiece subject(text.data(), text.size());
  const int groups = pattern->NumberOfCapturingGroups() + 1;
  std::vector<re2::StringPiece> found(static_cast<std::size_t>(groups));
  const bool only_test = a[2].is_bool() && a[2].get_bool();
  json::array matches;
  CodePoints points(text);
  for (std::size_t start = 0; start <= text.size();) {
    if (!run.charge(static_cast<std::int64_t>(64 + (text.size() - start) / 8))) return kDone;
    if (!pattern->Match(subject, start, text.size(), RE2::UNANCHORED, found.data(), groups)) break;
    const auto begin = static_cast<std::size_t>(found[0].data() - text.data());
    const auto end = begin + found[0].size();
    if (!(flags->no_empty && begin == end)) {
      if (only_test) return out = true, kDone;
      json::object match = place(found[0], text, points);
      json::array captures;
      for (int i = 1; i < groups; ++i) {
        json::object capture = place(found[static_cast<std::size_t>(i)], text, points);
        const auto& names = pattern->CapturingGroupNames();
        const auto name = names.find(i);
        capture["name"] = name == names.end() ? Value(nullptr) : Value(json::string(name->second));
        captures.push_back(std::move(capture));
      }
      match["captures"] = std::move(captures);
      matches.push_back(std::move(match));
    }
    if (!flags->global && !matches.empty()) break;
    start = end;
    if (begin == end) {
      ++start;
      while (start < text.size() && (static_cast<unsigned char>(text[start]) & 0xc0) == 0x80) ++start;
    }
  }
  if (only_test) return out = false, kDone;
  return out = std::move(matches), kDone;
}

constexpr Native kRegexNatives[] = {{"__match", 3, f_match}};

}  // namespace

std::span<const Native> regex_natives() {
  return kRegexNatives;
}

}  // namespace sb::jq
