#include "policy/tagger/train/grammar.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "base/bytes.h"
#include "policy/tagger/train/names.h"

namespace sb::policy::tagger {
namespace {

constexpr int kMaxDepth = 24;

std::uint8_t allowed_of(char mark) {
  switch (mark) {
    case 'P':
      return bit(Label::person);
    case 'L':
      return bit(Label::place);
    case 'O':
      return bit(Label::organisation);
    case 'A':
      return bit(Label::street);
    case 'N':
      return bit(Label::group);
    case 'T':
      return bit(Label::title);
    case 'G':
      return bit(Label::age);
    case '?':
      return bit(Label::none) | bit(Label::person) | bit(Label::title);
    default:
      return 0;
  }
}

bool is_upper_name(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return (c >= 'A' && c <= 'Z') || c == '_'; });
}

// Letters and digits of ASCII in lower case: what a mailbox or a package may be called.
std::string slug(std::string_view text) {
  std::string out;
  for (const char c : sb::to_lower(text)) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) out += c;
  }
  return out.empty() ? "mail" : out;
}

std::vector<std::string> split_alternatives(std::string_view text) {
  std::vector<std::string> out;
  for (std::size_t at; (at = text.find(" | ")) != std::string_view::npos; text.remove_prefix(at + 3))
    out.emplace_back(trim(text.substr(0, at)));
  out.emplace_back(trim(text));
  return out;
}

}  // namespace

struct Grammar::Expansion {
  const std::vector<std::string>& scopes;
  const Source& source;
  Random& random;
  Document& out;
  int depth = 0;
};

Result<> Grammar::add(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Errc::not_found, fmt::format("{}: no such file, or not readable", path));
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    if (trim(line).empty() || line[0] == '#') continue;
    const auto equals = line.find(" = ");
    if (equals == std::string::npos || split(line.substr(0, equals), ' ').size() != 2) {
      return fail(Errc::invalid_argument,
                  fmt::format("{}: line {}: a line is \"SCOPE symbol = alternative | ...\"", path, number));
    }
    auto& list = lines_[line.substr(0, equals)];
    for (auto& alternative : split_alternatives(std::string_view(line).substr(equals + 3)))
      list.push_back(std::move(alternative));
  }
  return {};
}

const std::vector<std::string>* Grammar::alternatives(std::string_view symbol, const Expansion& state) const {
  for (const auto& scope : state.scopes) {
    const auto found = lines_.find(fmt::format("{} {}", scope, symbol));
    if (found != lines_.end()) return &found->second;
  }
  const auto found = lines_.find(fmt::format("* {}", symbol));
  return found == lines_.end() ? nullptr : &found->second;
}

Document Grammar::expand(std::string_view symbol, const std::vector<std::string>& scopes, const Source& source,
                         Random& random) const {
  Document out;
  Expansion state{scopes, source, random, out, 0};
  expand_symbol(symbol, state);
  return out;
}

void Grammar::expand_symbol(std::string_view symbol, Expansion& state) const {
  if (state.depth > kMaxDepth) return;
  ++state.depth;
  std::string& text = state.out.text;
  const std::size_t from = text.size();
  if (const auto* list = alternatives(symbol, state)) {
    expand_text(state.random.pick_from(*list), state);
  } else if (auto value = state.source(symbol); !value.empty()) {
    text += value;
  } else if (symbol.size() > 1 && (symbol.back() == '^' || symbol.back() == '_')) {
    expand_symbol(symbol.substr(0, symbol.size() - 1), state);
    const std::string made = text.substr(from);
    text.replace(
        from, std::string::npos,
        symbol.back() == '_' ? slug(made) : upper_cased(made.substr(0, 1)) + made.substr(made.empty() ? 0 : 1));
  } else if (const auto part = symbol.find('_'); is_upper_name(symbol) && part != std::string_view::npos) {
    expand_symbol(symbol.substr(0, part), state);
    text += '_';
    expand_symbol(symbol.substr(part + 1), state);
  } else if (is_upper_name(symbol)) {
    expand_symbol(sb::to_lower(symbol), state);
    text.replace(from, std::string::npos, upper_cased(text.substr(from)));
  } else {
    SB_ASSERT(false && "the grammar names a symbol that it does not define");
  }
  --state.depth;
}

void Grammar::expand_text(std::string_view text, Expansion& state) const {
  std::string& out = state.out.text;
  std::size_t open = std::string::npos;  // where the label that is open began
  std::uint8_t allowed = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && i + 1 < text.size()) {
      const char next = text[++i];
      out += next == 'n' ? '\n' : next == 't' ? '\t' : next == 's' ? ' ' : next;
    } else if (c == '{') {
      const auto end = text.find('}', i);
      expand_symbol(text.substr(i + 1, end - i - 1), state);
      i = end;
    } else if (c == '<' && i + 2 < text.size() && text[i + 2] == ' ' && allowed_of(text[i + 1]) != 0) {
      open = out.size();
      allowed = allowed_of(text[i + 1]);
      i += 2;
    } else if (c == '>' && open != std::string::npos) {
      state.out.spans.push_back({open, out.size(), allowed});
      open = std::string::npos;
    } else if (c == '#') {
      out += static_cast<char>('0' + state.random.below(10));
    } else if (c == '%') {
      out += static_cast<char>('A' + state.random.below(26));
    } else {
      out += c;
    }
  }
}

}  // namespace sb::policy::tagger
