#include "policy/guards/phrase_choices.h"

#include <fmt/format.h>

#include <algorithm>

namespace sb::policy {
namespace {

std::vector<std::string_view> split(std::string_view text, char mark) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(mark);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Result<std::vector<std::string>> phrase_choices(std::string_view phrase, std::size_t most) {
  std::vector<std::string> all{""};
  while (!phrase.empty()) {
    const bool choice = phrase.front() == '(';
    const std::size_t end = choice ? phrase.find(')') : std::min(phrase.find('('), phrase.size());
    const auto piece = phrase.substr(choice, end - choice);
    if (end == std::string_view::npos || piece.find_first_of(choice ? "(" : ")") != std::string_view::npos)
      return fail(Errc::invalid_argument, "parentheses hold choices, \"(rank|reject) the applicant\", and do not nest");
    const auto choices = choice ? split(piece, '|') : std::vector{piece};
    if (all.size() * choices.size() > most)
      return fail(Errc::invalid_argument, fmt::format("its choices make more than {} phrases", most));
    std::vector<std::string> longer;
    for (const auto& one : all) {
      for (const auto next : choices) longer.push_back(one + std::string(next));
    }
    all = std::move(longer);
    phrase.remove_prefix(end + choice);
  }
  return all;
}

}  // namespace sb::policy
