#include "policy/tagger/train/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <functional>

#include "base/bytes.h"
#include "policy/tagger/gazetteer.h"
#include "policy/tagger/token.h"

namespace sb::policy::tagger {
namespace {

Result<std::vector<NameLists::Entry>> read_list(const std::string& path, char between) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Errc::not_found, fmt::format("{}: no such file, or not readable", path));
  std::vector<NameLists::Entry> out;
  std::string line;
  while (std::getline(file, line)) {
    const auto parts = split(line, '\t');
    if (parts.empty() || trim(parts[0]).empty()) continue;
    NameLists::Entry entry{std::string(trim(parts[0])), {}};
    if (parts.size() > 1 && between != '\0') {
      for (const auto code : split(parts[1], between)) entry.countries.emplace_back(trim(code));
    } else if (parts.size() > 1) {
      entry.countries.emplace_back(trim(parts[1]));
    }
    out.push_back(std::move(entry));
  }
  if (out.empty()) return fail(Errc::invalid_argument, fmt::format("{}: holds no names", path));
  return out;
}

// Applies `change` to each letter of two-byte scripts and ASCII; `at_start`: the letter begins a word.
std::string change_letters(std::string_view text, const std::function<bool(bool)>& to_upper) {
  std::string out;
  bool start = true;
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    if (first < 0x80 || i + 1 >= text.size() || first < 0xc2 || first >= 0xe0) {
      const bool letter = (first | 0x20) >= 'a' && (first | 0x20) <= 'z' && first < 0x80;
      out += !letter ? text[i] : static_cast<char>(to_upper(start) ? first & ~0x20U : first | 0x20U);
      start = first < 0x80 && !letter && !(first >= '0' && first <= '9');
      ++i;
      continue;
    }
    std::uint32_t point = (first & 0x1fU) << 6 | (static_cast<unsigned char>(text[i + 1]) & 0x3fU);
    const bool up = to_upper(start);
    const bool odd_capitals = (point >= 0x139 && point <= 0x148) || (point >= 0x179 && point <= 0x17e);
    if (point >= 0xc0 && point <= 0xfe && point != 0xd7 && point != 0xf7 && point != 0xdf) {
      point = up ? point & ~0x20U : point | 0x20U;
    } else if (point >= 0x100 && point < 0x17f && point != 0x131 && point != 0x138 && point != 0x149 &&
               point != 0x178) {
      const std::uint32_t capital = odd_capitals ? (point - 1) | 1U : point & ~1U;
      point = up ? capital : capital + 1;
    } else if (point >= 0x391 && point <= 0x3c9 && point != 0x3c2) {
      point = up ? (point > 0x3a9 ? point - 0x20 : point) : (point <= 0x3a9 ? point + 0x20 : point);
    } else if (point >= 0x410 && point <= 0x44f) {
      point = up ? (point > 0x42f ? point - 0x20 : point) : (point <= 0x42f ? point + 0x20 : point);
    }
    out += static_cast<char>(0xc0U | point >> 6);
    out += static_cast<char>(0x80U | (point & 0x3fU));
    start = false;
    i += 2;
  }
  return out;
}

void add(std::vector<std::pair<std::uint32_t, std::uint8_t>>& out, std::string_view name, std::uint8_t whole,
         std::uint8_t first, std::uint8_t inside) {
  std::vector<Token> tokens;
  tokenise(name, tokens);
  std::erase_if(tokens, [](const Token& t) { return t.shape == Shape::mark; });
  for (std::size_t i = 0; i < tokens.size(); ++i)
    out.emplace_back(tokens[i].word, tokens.size() == 1 ? whole : i == 0 ? first : inside);
}

}  // namespace

Result<NameLists> read_names(const std::string& folder) {
  NameLists out;
  SB_TRY(out.forenames, read_list(folder + "/forenames.tsv", ','));
  SB_TRY(out.surnames, read_list(folder + "/surnames.tsv", ','));
  SB_TRY(out.cities, read_list(folder + "/cities.tsv", '\0'));
  for (auto* list : {&out.forenames, &out.surnames, &out.cities}) {
    for (auto& entry : *list) entry.name = lower_cased(entry.name);
  }
  SB_TRY(const auto countries, read_list(folder + "/countries.txt", '\0'));
  for (const auto& entry : countries) {
    out.countries.push_back(lower_cased(entry.name));
    out.countries_as_written.push_back(entry.name);
  }
  return out;
}

std::vector<std::pair<std::uint32_t, std::uint8_t>> gazetteer_words(const NameLists& lists) {
  std::vector<std::pair<std::uint32_t, std::uint8_t>> out;
  for (const auto& entry : lists.forenames) add(out, entry.name, kForename, kForename, kForename);
  for (const auto& entry : lists.surnames) add(out, entry.name, kSurname, kSurname, kSurname);
  for (const auto& entry : lists.cities) add(out, entry.name, kCity, kCityFirst, kCityInside);
  for (const auto& name : lists.countries) add(out, name, kCountry, kCountry, kCountry);
  return out;
}

std::string capitalised(std::string_view name) {
  return change_letters(name, [](bool start) { return start; });
}
std::string upper_cased(std::string_view text) {
  return change_letters(text, [](bool) { return true; });
}
std::string lower_cased(std::string_view text) {
  return change_letters(text, [](bool) { return false; });
}

}  // namespace sb::policy::tagger
