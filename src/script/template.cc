#include "script/template.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"

namespace sb::script {
namespace {

constexpr std::size_t kMaxHoles = 256;

struct Found {
  jq::Program program;
  std::size_t size;  ///< of the expression
};

// The hole ends at the first "}}" that makes its content a program: jq objects may end in "}}" too.
Result<Found> read_hole(std::string_view rest, int line) {
  constexpr int kMaxCandidates = 16;
  std::optional<Error> first;
  std::size_t end = rest.find("}}");
  for (int i = 0; i < kMaxCandidates && end != std::string_view::npos; ++i) {
    auto program = jq::Program::compile(trim(rest.substr(0, end)));
    if (program && !trim(rest.substr(0, end)).empty()) return Found{*std::move(program), end};
    if (!first) first = program ? Error{Errc::invalid_argument, "the hole is empty"} : program.error();
    end = rest.find("}}", end + 1);
  }
  if (!first) return fail(Errc::invalid_argument, fmt::format("line {}: {{{{ is not closed by }}}}", line));
  return fail(first->code, fmt::format("line {}: {}", line, first->detail));
}

}  // namespace

Result<Template> Template::compile(std::string_view text) {
  Template made;
  int line = 1;
  std::size_t holes = 0;
  while (true) {
    const auto begin = text.find("{{");
    const auto literal = text.substr(0, begin);
    if (!literal.empty()) made.parts_.emplace_back(std::string(literal));
    if (begin == std::string_view::npos) return made;
    if (++holes > kMaxHoles)
      return fail(Errc::too_large, fmt::format("the template has more than {} holes", kMaxHoles));
    line += static_cast<int>(std::ranges::count(literal, '\n'));
    text.remove_prefix(begin + 2);
    SB_TRY(Found found, read_hole(text, line));
    made.parts_.emplace_back(Hole{std::move(found.program), line});
    line += static_cast<int>(std::ranges::count(text.substr(0, found.size), '\n'));
    text.remove_prefix(found.size + 2);
  }
}

Result<std::string> Template::render(const json::value& input, jq::Budget budget) const {
  std::string out;
  for (const auto& part : parts_) {
    if (const auto* literal = std::get_if<std::string>(&part)) {
      out += *literal;
      continue;
    }
    const auto& hole = std::get<Hole>(part);
    auto value = hole.program.eval_one(input, {}, budget);
    if (!value && value.error().code != Errc::not_found) {
      return fail(value.error().code, fmt::format("line {}: {}", hole.line, value.error().detail));
    }
    if (!value || value->is_null()) {
      return fail(
          Errc::invalid_argument,
          fmt::format("line {}: a hole has no value for this input; write {{{{ .x // \"...\" }}}} where that is fine",
                      hole.line));
    }
    if (const auto* text = value->if_string())
      out += std::string_view(*text);
    else
      out += to_text(*value);
    if (out.size() > kMaxRenderedBytes)
      return fail(Errc::too_large, fmt::format("the rendered text is over {} bytes", kMaxRenderedBytes));
  }
  return out;
}

}  // namespace sb::script
