#include <fmt/format.h>

#include <algorithm>

#include "policy/detect/custom.h"
#include "policy/guards/check.h"
#include "policy/guards/json_schema.h"
#include "policy/guards/language.h"
#include "policy/guards/phrase_choices.h"
#include "policy/guards/plain_words.h"

namespace sb::policy {
namespace {

const std::vector<std::string> kCheckKinds = {"injection", "topics", "length", "language", "json_schema", "http"};
const std::vector<std::string> kCheckDirections = {"both", "inbound", "outbound"};
const std::vector<std::string> kActionWords = {"allow", "route_to_local", "route_to_human", "block"};
constexpr Action kCheckActions[] = {Action::allow, Action::route_to_local, Action::route_to_human, Action::block};
const std::vector<std::string> kCommonKeys = {"name",    "description", "kind",  "direction", "action",
                                              "tenants", "keys",        "flows", "models"};
constexpr std::size_t kMaxTopics = 15;     // one detector each
constexpr std::size_t kMaxPhrases = 1000;  // of a topic, choices multiplied

const std::vector<std::string>& keys_of(CheckKind kind) {
  static const std::vector<std::string> all[] = {{"min_score", "phrases"},   {"topics"},
                                                 {"max_chars", "max_texts"}, {"languages"},
                                                 {"schema", "repair"},       {"url", "timeout_ms"}};
  return all[static_cast<std::size_t>(kind)];
}

Result<std::shared_ptr<const Detector>> phrase_detector(const DocumentReader& reader, const json::object& object,
                                                        std::string_view pointer, std::string_view key) {
  CustomDetector description;
  SB_TRY(const auto phrases, reader.texts(object, pointer, key));
  for (std::size_t i = 0; i < phrases.size(); ++i) {
    auto choices = phrase_choices(phrases[i], kMaxPhrases - std::min(kMaxPhrases, description.words.size()));
    if (!choices)
      return reader.fault(pointer_append(pointer_append(pointer, key), std::to_string(i)), choices.error().detail);
    for (const auto& words : *choices) description.words.push_back(plain_words(words));
  }
  description.name = key;
  description.type = "PHRASE";
  description.score = 1.0F;
  auto detector = make_custom_detector(std::move(description));
  if (!detector) return reader.fault(pointer_append(pointer, key), detector.error().detail);
  return detector;
}

Result<> read_injection(const DocumentReader& reader, const json::object& object, std::string_view pointer,
                        Check& check) {
  SB_TRY(const double least, reader.number(object, pointer, "min_score", 0.9, 0, 1));
  check.min_score = static_cast<float>(least);
  if (!object.contains("phrases")) return {};
  SB_TRY(auto detector, phrase_detector(reader, object, pointer, "phrases"));
  check.phrases = std::make_shared<const Scanner>(std::vector{std::move(detector)});
  return {};
}

Result<> read_topics(const DocumentReader& reader, const json::object& object, std::string_view pointer, Check& check) {
  const auto at = pointer_append(pointer, "topics");
  const auto* topics = object.if_contains("topics");
  if (!topics || !topics->is_object() || topics->get_object().empty() || topics->get_object().size() > kMaxTopics)
    return reader.fault(at, fmt::format("\"topics\" maps 1 to {} names to lists of words", kMaxTopics));
  std::vector<std::shared_ptr<const Detector>> detectors;
  for (const auto& topic : topics->get_object()) {
    SB_TRY(auto detector, phrase_detector(reader, topics->get_object(), at, topic.key()));
    detectors.push_back(std::move(detector));
  }
  check.phrases = std::make_shared<const Scanner>(std::move(detectors));
  return {};
}

Result<> read_length(const DocumentReader& reader, const json::object& object, std::string_view pointer, Check& check) {
  SB_TRY(const double chars, reader.number(object, pointer, "max_chars", 0, 1, 1e9));
  SB_TRY(const double texts, reader.number(object, pointer, "max_texts", 0, 1, 1e6));
  check.max_chars = static_cast<std::size_t>(chars);
  check.max_texts = static_cast<std::size_t>(texts);
  if (check.max_chars == 0 && check.max_texts == 0)
    return reader.fault(pointer, "a length check needs \"max_chars\" or \"max_texts\"");
  return {};
}

Result<> read_languages(const DocumentReader& reader, const json::object& object, std::string_view pointer,
                        Check& check) {
  SB_TRY(check.languages, reader.texts(object, pointer, "languages"));
  if (check.languages.empty()) return reader.fault(pointer, "a language check needs \"languages\", e.g. [en, de]");
  const auto known = known_languages();
  for (std::size_t i = 0; i < check.languages.size(); ++i) {
    if (std::ranges::find(known, check.languages[i]) != known.end()) continue;
    return reader.unknown(pointer_append(pointer_append(pointer, "languages"), std::to_string(i)), "language",
                          check.languages[i], known);
  }
  return {};
}

Result<> read_schema(const DocumentReader& reader, const json::object& object, std::string_view pointer, Check& check) {
  SB_TRY(check.repair, reader.boolean(object, pointer, "repair", false));
  if (check.inbound) return reader.fault(pointer, "a json_schema check looks at answers: say \"direction: outbound\"");
  const auto* schema = object.if_contains("schema");
  if (!schema) return {};
  auto compiled = JsonSchema::compile(*schema);
  if (!compiled) return reader.fault(pointer_append(pointer, "schema"), compiled.error().detail);
  check.schema = std::move(*compiled);
  return {};
}

Result<> read_http(const DocumentReader& reader, const json::object& object, std::string_view pointer, Check& check) {
  SB_TRY(check.url, reader.text(object, pointer, "url", std::nullopt));
  if (!check.url.starts_with("https://") && !check.url.starts_with("http://"))
    return reader.fault(pointer_append(pointer, "url"), "\"url\" must begin with https:// or http://");
  SB_TRY(const double timeout, reader.number(object, pointer, "timeout_ms", 1000, 1, 60'000));
  check.timeout_ms = static_cast<std::int64_t>(timeout);
  return {};
}

Result<> read_kind(const DocumentReader& reader, const json::object& object, std::string_view pointer, Check& check) {
  switch (check.kind) {
    case CheckKind::injection:
      return read_injection(reader, object, pointer, check);
    case CheckKind::topics:
      return read_topics(reader, object, pointer, check);
    case CheckKind::length:
      return read_length(reader, object, pointer, check);
    case CheckKind::language:
      return read_languages(reader, object, pointer, check);
    case CheckKind::json_schema:
      return read_schema(reader, object, pointer, check);
    case CheckKind::http:
      return read_http(reader, object, pointer, check);
  }
  return {};
}

Result<Check> read_check(const DocumentReader& reader, const json::value& value, std::string_view pointer) {
  if (!value.is_object()) return reader.fault(pointer, "a check must be a mapping with name, kind and action");
  Check check;
  SB_TRY(const auto kind, reader.choice(value.get_object(), pointer, "kind", kCheckKinds, std::nullopt));
  check.kind = static_cast<CheckKind>(kind);
  auto keys = kCommonKeys;
  keys.insert(keys.end(), keys_of(check.kind).begin(), keys_of(check.kind).end());
  SB_TRY(const auto* object, reader.object(value, pointer, "a check", keys));
  SB_TRY(check.name, reader.text(*object, pointer, "name", std::nullopt));
  SB_TRY(check.scope, read_scope(reader, *object, pointer));
  SB_TRY(const auto direction, reader.choice(*object, pointer, "direction", kCheckDirections, 0));
  check.inbound = kCheckDirections[direction] != "outbound";
  check.outbound = kCheckDirections[direction] != "inbound";
  SB_TRY(const auto action, reader.choice(*object, pointer, "action", kActionWords, std::nullopt));
  check.action = kCheckActions[action];
  if (check.action == Action::route_to_local && check.outbound)
    return reader.fault(pointer,
                        "the action \"route_to_local\" needs \"direction: inbound\": an answer is here already");
  SB_CHECK(read_kind(reader, *object, pointer, check));
  return check;
}

}  // namespace

std::string_view to_string(CheckKind kind) {
  return kCheckKinds[static_cast<std::size_t>(kind)];
}

Result<std::vector<std::shared_ptr<const Check>>> read_checks(const DocumentReader& reader, const json::object& top) {
  std::vector<std::shared_ptr<const Check>> checks;
  SB_TRY(const auto* items, reader.list(top, "", "checks", kMaxChecks));
  for (std::size_t i = 0; items && i < items->size(); ++i) {
    const auto pointer = fmt::format("/checks/{}", i);
    SB_TRY(auto check, read_check(reader, (*items)[i], pointer));
    if (std::ranges::any_of(checks, [&](const auto& other) { return other->name == check.name; }))
      return reader.fault(pointer, fmt::format("two checks are named \"{}\"", check.name));
    checks.push_back(std::make_shared<const Check>(std::move(check)));
  }
  return checks;
}

}  // namespace sb::policy
