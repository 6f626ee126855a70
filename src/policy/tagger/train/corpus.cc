#include "policy/tagger/train/corpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "base/bytes.h"
#include "base/json.h"

namespace sb::policy::tagger {
namespace {

struct TypeName {
  std::string_view type;
  Label label;
};
constexpr TypeName kTypeNames[] = {
    {"PERSON", Label::person},    {"PER", Label::person},
    {"NAME", Label::person},      {"LOCATION", Label::place},
    {"LOC", Label::place},        {"GPE", Label::place},
    {"ORG", Label::organisation}, {"ORGANIZATION", Label::organisation},
    {"ADDRESS", Label::street},   {"STREET_ADDRESS", Label::street},
    {"ZIP_CODE", Label::street},  {"NRP", Label::group},
    {"TITLE", Label::title},      {"AGE", Label::age},
};

Label label_of(std::string_view type) {
  for (const auto& name : kTypeNames) {
    if (name.type == type) return name.label;
  }
  return Label::none;
}

// Byte offsets of code points, and of the end.
std::vector<std::size_t> code_point_offsets(std::string_view text) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) out.push_back(i);
  }
  out.push_back(text.size());
  return out;
}

std::uint32_t template_hash(const Document& document) {
  std::string shape;
  std::size_t at = 0;
  for (const auto& span : document.spans) {
    shape += document.text.substr(at, span.begin - at);
    shape += '\1';
    at = span.end;
  }
  shape += document.text.substr(at);
  std::uint32_t hash = 0x811c9dc5U;
  for (const char c : sb::to_lower(shape)) {
    if (c < '0' || c > '9') hash = (hash ^ static_cast<unsigned char>(c)) * 0x01000193U;
  }
  return hash ^ hash >> 15;
}

// "Shaw 's only ( sic ) touch ." -> "Shaw's only (sic) touch."
void close_up(Document& document) {
  std::string out;
  std::vector<std::size_t> moved(document.text.size() + 1);
  const std::string_view text = document.text;
  for (std::size_t i = 0; i < text.size(); ++i) {
    moved[i] = out.size();
    if (text[i] == ' ' && i + 1 < text.size()) {
      const std::string_view rest = text.substr(i + 1);
      const bool closes = std::string_view(".,!?;:)%]").find(rest[0]) != std::string_view::npos;
      const bool clitic = rest.starts_with("'s ") || rest.starts_with("n't ") || rest.starts_with("'m ") ||
                          rest.starts_with("'re ") || rest.starts_with("'ve ") || rest.starts_with("'ll ");
      const bool opened = i > 0 && std::string_view("([#@").find(text[i - 1]) != std::string_view::npos;
      if (closes || clitic || opened) continue;
    }
    out += text[i];
  }
  moved[text.size()] = out.size();
  for (auto& span : document.spans) span.begin = moved[span.begin], span.end = moved[span.end];
  document.text = std::move(out);
}

Result<Document> read_line(const json::value& value) {
  Document out;
  if (const auto* id = find_member(value, "id")) out.id = to_text(*id);
  out.text = string_member(value, "text");
  const auto offsets = code_point_offsets(out.text);
  const auto* spans = find_member(value, "spans");
  if (!spans || !spans->is_array()) return fail(Errc::invalid_argument, "needs a member \"spans\" that is a list");
  for (const auto& span : spans->get_array()) {
    const auto begin = static_cast<std::size_t>(int_member(span, "start", -1));
    const auto end = static_cast<std::size_t>(int_member(span, "end", -1));
    if (begin >= end || end >= offsets.size()) return fail(Errc::invalid_argument, "a span lies outside its text");
    out.spans.push_back({offsets[begin], offsets[end], bit(label_of(string_member(span, "type")))});
  }
  std::ranges::sort(out.spans, {}, &GoldSpan::begin);
  out.fold_hash = template_hash(out);
  if (const auto* ignored = find_member(value, "ignore_types"); ignored && ignored->is_array()) {
    for (const auto& type : ignored->get_array()) {
      const Label label = type.is_string() ? label_of(std::string_view(type.get_string())) : Label::none;
      if (label != Label::none) out.unlabelled |= bit(label);
    }
    if (out.unlabelled & bit(Label::place)) out.unlabelled |= bit(Label::street);
  }
  return out;
}

}  // namespace

Result<std::vector<Document>> read_documents(const std::string& path, bool blank_separated) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Errc::not_found, fmt::format("{}: no such file, or not readable", path));
  std::vector<Document> out;
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    if (trim(line).empty()) continue;
    const auto value = parse_json(line);
    if (!value) return fail(Errc::invalid_argument, fmt::format("{}: line {}: {}", path, number, value.error().detail));
    auto document = read_line(*value);
    if (!document)
      return fail(Errc::invalid_argument, fmt::format("{}: line {}: {}", path, number, document.error().detail));
    if (blank_separated) {
      close_up(*document);
      document->unlabelled = bit(Label::group) | bit(Label::title) | bit(Label::age);
    }
    out.push_back(std::move(*document));
  }
  return out;
}

}  // namespace sb::policy::tagger
