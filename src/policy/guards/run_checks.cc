#include <algorithm>

#include "policy/guards/check.h"
#include "policy/guards/json_schema.h"
#include "policy/guards/language.h"

namespace sb::policy {
namespace {

std::size_t count_chars(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// The topic whose words stand in a text; empty: none.
std::string_view phrase_in(const Scanner& phrases, const CheckedTexts& in) {
  ScanResult found;
  for (const auto& text : in.texts) {
    phrases.scan(text, {}, found);
    if (!found.findings.empty()) return found.findings.front().rule;
  }
  return {};
}

void check_injection(const Check& check, const CheckedTexts& in, const InjectionScorer* scorer, CheckResult& result) {
  if (check.phrases && !phrase_in(*check.phrases, in).empty()) {
    result = {&check, 1, true, "phrase", {}};
    return;
  }
  if (!scorer) {
    result = {&check, 1, true, "no classifier", {}};
    return;
  }
  for (const auto& text : in.texts) result.score = std::max(result.score, scorer->score(text));
  result.objects = result.score >= static_cast<double>(check.min_score);
  if (result.objects) result.label = "classifier " + std::string(scorer->version());
}

void check_length(const Check& check, const CheckedTexts& in, CheckResult& result) {
  std::size_t chars = 0;
  for (const auto& text : in.texts) chars += count_chars(text);
  if (check.max_chars != 0 && chars > check.max_chars) result = {&check, 1, true, "max_chars", {}};
  if (check.max_texts != 0 && in.texts.size() > check.max_texts) result = {&check, 1, true, "max_texts", {}};
}

void check_language(const Check& check, const CheckedTexts& in, CheckResult& result) {
  for (const auto& text : in.texts) {
    const auto language = language_of(text);
    if (language.empty() || std::ranges::find(check.languages, language) != check.languages.end()) continue;
    result = {&check, 1, true, std::string(language), {}};
    return;
  }
}

void check_schema(const Check& check, const CheckedTexts& in, CheckResult& result) {
  const JsonSchema* schema = check.schema ? check.schema.get() : in.requested_schema;
  if (!schema) return;
  for (const auto& text : in.texts) {
    const auto document = parse_json(text);
    if (!document) {
      result = {&check, 1, true, "no JSON", "it is not JSON: " + document.error().detail};
      return;
    }
    if (auto fault = schema->first_fault(*document)) {
      result = {&check, 1, true, fault->keyword, fault->to_string()};
      return;
    }
  }
}

CheckResult run_check(const Check& check, const CheckedTexts& in, const InjectionScorer* scorer) {
  CheckResult result{&check, 0, false, {}, {}};
  switch (check.kind) {
    case CheckKind::injection:
      check_injection(check, in, scorer, result);
      break;
    case CheckKind::topics: {
      const auto topic = phrase_in(*check.phrases, in);
      if (!topic.empty()) result = {&check, 1, true, std::string(topic), {}};
      break;
    }
    case CheckKind::length:
      check_length(check, in, result);
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

std::vector<CheckResult> run_checks(std::span<const std::shared_ptr<const Check>> checks, Direction direction,
                                    const CheckedTexts& texts, const InjectionScorer* scorer) {
  std::vector<CheckResult> results;
  for (const auto& check : checks) {
    if (!check->applies(direction) || check->kind == CheckKind::http) continue;
    results.push_back(run_check(*check, texts, scorer));
  }
  return results;
}

}  // namespace sb::policy
