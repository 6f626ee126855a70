#include <algorithm>

#include "policy/guards/check.h"
#include "policy/guards/json_schema.h"
#include "policy/guards/language.h"
#include "policy/guards/member_twice.h"
#include "policy/guards/plain_words.h"

namespace sb::policy {
namespace {

std::size_t count_chars(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool is_of_others(const CheckedText& text) {
  return text.role == TextRole::outside || text.role == TextRole::answer;
}
bool is_judged(const CheckedText& text) {
  return text.counts && is_of_others(text);
}
bool has_length(const CheckedText& text, Direction direction) {
  return text.counts && (direction == Direction::inbound || text.role == TextRole::answer);
}
// Nobody is told to do something in one or two words: "user" or "system" is what the protocol says.
bool is_sentence(std::string_view text) {
  constexpr int kWordsLeast = 3;
  int words = 0;
  bool inside = false;
  for (const char c : text) {
    const bool blank = c == ' ' || (c >= '\t' && c <= '\r');
    words += !blank && !inside ? 1 : 0;
    inside = !blank;
  }
  // Scripts that set no blanks: as many bytes as three of our words have.
  constexpr std::size_t kBytesLeast = 24;
  return words >= kWordsLeast || text.size() >= kBytesLeast;
}
bool any(const CheckedText&) {
  return true;
}

// The topic whose words stand in a text; empty: none.
std::string_view phrase_in(const Scanner& phrases, const CheckedTexts& in, bool (*looks_at)(const CheckedText&)) {
  ScanResult found;
  for (const auto& text : in.texts) {
    if (!looks_at(text)) continue;
    phrases.scan(plain_words(text.text), {}, found);
    if (!found.findings.empty()) return found.findings.front().rule;
  }
  return {};
}

void check_injection(const Check& check, const CheckedTexts& in, const InjectionScorer* scorer, CheckResult& result) {
  if (check.phrases && !phrase_in(*check.phrases, in, is_of_others).empty()) {
    result = {&check, 1, true, "phrase", {}};
    return;
  }
  if (!scorer) {
    result = {&check, 1, true, "no classifier", {}};
    return;
  }
  for (const auto& text : in.texts) {
    if (is_of_others(text) && is_sentence(text.text)) result.score = std::max(result.score, scorer->score(text.text));
  }
  result.objects = result.score >= static_cast<double>(check.min_score);
  if (result.objects) result.label = "classifier " + std::string(scorer->version());
}

void check_length(const Check& check, const CheckedTexts& in, Direction direction, CheckResult& result) {
  std::size_t chars = 0;
  std::size_t messages = 0;
  for (const auto& text : in.texts) {
    if (!has_length(text, direction)) continue;
    chars += count_chars(text.text);
    messages += text.role == TextRole::beside ? 0 : 1;
  }
  if (check.max_chars != 0 && chars > check.max_chars) result = {&check, 1, true, "max_chars", {}};
  if (check.max_texts != 0 && messages > check.max_texts) result = {&check, 1, true, "max_texts", {}};
}

void check_language(const Check& check, const CheckedTexts& in, CheckResult& result) {
  for (const auto& text : in.texts) {
    if (!is_judged(text)) continue;
    for (const auto language : languages_in(text.text)) {
      if (std::ranges::find(check.languages, language) != check.languages.end()) continue;
      result = {&check, 1, true, std::string(language), {}};
      return;
    }
  }
}

void check_schema(const Check& check, const CheckedTexts& in, CheckResult& result) {
  const JsonSchema* schema = check.schema ? check.schema.get() : in.requested_schema;
  if (!schema) return;
  for (const auto& text : in.texts) {
    if (!is_judged(text)) continue;
    if (text.text.empty()) {
      result = {&check, 1, true, "no text", "it has no text"};
      return;
    }
    const auto document = parse_json(text.text);
    if (!document) {
      result = {&check, 1, true, "no JSON", "it is not JSON: " + document.error().detail};
      return;
    }
    if (has_member_twice(text.text)) {
      result = {&check, 1, true, "member twice", "an object has two members of one name"};
      return;
    }
    if (auto fault = schema->first_fault(*document)) {
      result = {&check, 1, true, fault->keyword, fault->to_string()};
      return;
    }
  }
}

CheckResult run_check(const Check& check, Direction direction, const CheckedTexts& in, const InjectionScorer* scorer) {
  CheckResult result{&check, 0, false, {}, {}};
  switch (check.kind) {
    case CheckKind::injection:
      check_injection(check, in, scorer, result);
      break;
    case CheckKind::topics: {
      const auto topic = phrase_in(*check.phrases, in, any);
      if (!topic.empty()) result = {&check, 1, true, std::string(topic), {}};
      break;
    }
    case CheckKind::length:
      check_length(check, in, direction, result);
      break;
    case CheckKind::language:
      check_language(check, in, result);
      break;
    case CheckKind::json_schema:
      check_schema(check, in, result);
      break;
    case CheckKind::http:
      break;
  }
  return result;
}

}  // namespace

std::vector<std::string> texts_for_services(std::vector<CheckedText> texts) {
  std::vector<std::string> out;
  for (auto& text : texts) {
    if (is_judged(text) && !text.text.empty()) out.push_back(std::move(text.text));
  }
  return out;
}

std::vector<CheckResult> run_checks(std::span<const std::shared_ptr<const Check>> checks, std::uint64_t which,
                                    Direction direction, const CheckedTexts& texts, const InjectionScorer* scorer) {
  std::vector<CheckResult> results;
  for (std::size_t i = 0; i < checks.size(); ++i) {
    const Check& check = *checks[i];
    if ((which >> i & 1) == 0 || !check.applies(direction) || check.kind == CheckKind::http) continue;
    results.push_back(run_check(check, direction, texts, scorer));
  }
  return results;
}

}  // namespace sb::policy
