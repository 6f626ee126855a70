#include "flow/outbound/given_values.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>

#include "base/bytes.h"
#include "flow/outbound/request_texts.h"
#include "http/message.h"
#include "policy/json_guard.h"

namespace sb::flow {
namespace {

constexpr std::size_t kTellingBytes = 8;  // a longer text does not stand in another one by chance

std::string_view type_of(std::string_view token) {
  return token.substr(1, token.rfind('_') - 1);
}

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// A body that is no JSON is a text, and a text is JSON as a string.
std::string as_json(const std::string& body, bool is_json) {
  std::string document;
  if (!is_json) append_json_string(document, body);
  return is_json ? body : document;
}

// The walk takes objects and lists: a value alone is a list of one to it.
Result<std::string> restored(policy::TokenVault& vault, std::string_view json) {
  SB_TRY(const auto list, policy::restore_json(vault, "[" + std::string(json) + "]", policy::JsonPieces::arguments,
                                               policy::JsonProfile::any));
  return list.substr(1, list.size() - 2);
}

Result<std::vector<policy::CarriedValue>> values_in(policy::TokenVault& vault, const std::vector<std::string>& types,
                                                    std::span<const std::string> documents) {
  std::map<std::string, std::string> found;
  for (const auto& document : documents) {
    SB_TRY(const auto values, policy::carried_values(vault, document));
    for (const auto& [token, value] : values) {
      if (std::ranges::find(types, type_of(token)) != types.end()) found.emplace(token, value);
    }
  }
  std::vector<policy::CarriedValue> values;
  for (const auto& [token, value] : found) values.push_back({token, value});
  std::ranges::sort(values, std::ranges::greater(), [](const auto& one) { return one.value.size(); });
  return values;
}

void replace_all(std::string& text, std::string_view value, std::string_view token) {
  if (value.empty()) return;
  for (std::size_t at = 0; (at = text.find(value, at)) != std::string::npos;) {
    const auto end = at + value.size();
    const bool alone = (at == 0 || !is_word(text[at - 1])) && (end == text.size() || !is_word(text[end]));
    if (!alone && value.size() < kTellingBytes) {
      at = end;
      continue;
    }
    text.replace(at, value.size(), token);
    at += token.size();
  }
}

}  // namespace

Result<GivenValues> GivenValues::give(HttpQuestion& question, const json::object& secrets, policy::TokenVault& vault,
                                      TrustedHost to) {
  GivenValues given;
  if (to.types.empty() || vault.empty()) return given;
  using Part = RequestTexts::Part;
  const RequestTexts texts(question, secrets);
  const bool is_json = question.body && parse_json(*question.body).has_value();
  const std::string beside = texts.document(Part::beside_path);
  const std::string body = question.body ? as_json(*question.body, is_json) : "null";
  SB_TRY(given.values_, values_in(vault, to.types, std::array{beside, body}));
  if (given.values_.empty()) return given;
  given.host_ = std::move(to.name);
  policy::TokenVault known;
  for (const auto& [token, value] : given.values_) known.adopt({token, value});
  SB_TRY(const std::string beside_in_clear, restored(known, beside));
  SB_TRY(const json::value document, parse_json(beside_in_clear));
  HttpQuestion clear = question;
  texts.put_back(document, clear, Part::beside_path);
  if (clear.body) {
    SB_TRY(*clear.body, restored(known, body));
    if (!is_json) {
      SB_TRY(const json::value text, parse_json(*clear.body));
      clear.body = std::string(text.as_string());
    }
  }
  question.in_clear = HttpQuestion::InClear{std::move(clear.url), std::move(clear.headers), std::move(clear.body)};
  return given;
}

std::string GivenValues::taken_back(std::string_view text) const {
  std::string out(text);
  for (const auto& [token, value] : values_) {
    replace_all(out, value, token);
    replace_all(out, http::percent_encode(value), token);
    std::string escaped;
    append_json_escaped(escaped, value);
    replace_all(out, escaped, token);
  }
  return out;
}

// Whether anything changed.
bool GivenValues::take_back(json::value& value) const {
  bool changed = false;
  if (auto* list = value.if_array()) {
    for (auto& item : *list) changed = take_back(item) || changed;
  } else if (auto* object = value.if_object()) {
    json::object after;
    for (auto& [name, member] : *object) {
      changed = take_back(member) || changed;
      std::string key = taken_back(name);
      changed = changed || key != name;
      after[key] = std::move(member);
    }
    *object = std::move(after);
  } else if (value.is_string() || value.is_number()) {
    const std::string text = value.is_string() ? std::string(value.get_string()) : to_text(value);
    std::string after = taken_back(text);
    if (after != text) {
      value = json::string(after);
      changed = true;
    }
  }
  return changed;
}

void GivenValues::take_back(HttpAnswer& answer) const {
  if (empty()) return;
  json::value headers = std::move(answer.headers);
  take_back(headers);
  answer.headers = std::move(headers.as_object());
  if (auto parsed = parse_json(answer.body)) {
    if (take_back(*parsed)) answer.body = to_text(*parsed);
    return;
  }
  answer.body = taken_back(answer.body);
}

RecordJson GivenValues::record() const {
  if (empty()) return {};
  std::map<std::string_view, std::size_t> counts;
  for (const auto& [token, value] : values_) ++counts[type_of(token)];
  RecordWriter out;
  out.begin_object().member("host", RecordText::configured(host_)).key("values").begin_array();
  for (const auto& [type, count] : counts)
    out.begin_object().member("count", count).member("type", RecordText::configured(type)).end_object();
  return std::move(out.end_array().end_object()).take();
}

}  // namespace sb::flow
