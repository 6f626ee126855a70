#include "flow/outbound/operator_secrets.h"

#include <algorithm>

namespace sb::flow {
namespace {

void collect(const json::value& value, std::vector<std::string>& texts) {
  if (const auto* text = value.if_string(); text && text->size() >= OperatorSecrets::kLeastSecretBytes)
    texts.emplace_back(*text);
  if (const auto* list = value.if_array()) {
    for (const auto& one : *list) collect(one, texts);
  }
  if (const auto* object = value.if_object()) {
    for (const auto& [name, member] : *object) collect(member, texts);
  }
}

}  // namespace

OperatorSecrets::OperatorSecrets(const json::object& secrets) {
  collect(secrets, secrets_);
  std::ranges::sort(secrets_, std::ranges::greater(), &std::string::size);
}

OperatorSecrets::Apart OperatorSecrets::apart(std::string_view text) const {
  Apart apart;
  while (true) {
    std::size_t first = std::string_view::npos;
    const std::string* found = nullptr;
    for (const auto& secret : secrets_) {
      if (const auto at = text.find(secret); at < first) {
        first = at;
        found = &secret;
      }
    }
    apart.pieces.emplace_back(text.substr(0, first));
    if (!found) return apart;
    apart.secrets.push_back(*found);
    text.remove_prefix(first + found->size());
  }
}

std::string OperatorSecrets::Apart::whole() const {
  std::string text;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    text += pieces[i];
    if (i < secrets.size()) text += secrets[i];
  }
  return text;
}

std::string OperatorSecrets::Apart::together(const json::array& treated) const {
  std::string text;
  for (std::size_t i = 0; i < treated.size(); ++i) {
    text += std::string_view(treated[i].as_string());
    if (i < secrets.size()) text += secrets[i];
  }
  return text;
}

}  // namespace sb::flow
