#include "policy/document_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/bytes.h"

namespace sb::policy {
namespace {

constexpr std::size_t kMaxListEntries = 1000;

std::string join(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace

std::unexpected<Error> DocumentReader::fault(std::string_view pointer, std::string_view what) const {
  const auto at = document_.position_of(pointer);
  return fail(Errc::invalid_argument, fmt::format("{}: line {}, column {}: {}", origin_, at.line, at.column, what));
}

std::unexpected<Error> DocumentReader::unknown(std::string_view pointer, std::string_view kind, std::string_view word,
                                               const std::vector<std::string>& known) const {
  if (const auto near = nearest(word, known)) {
    return fault(pointer, fmt::format("unknown {} \"{}\"; did you mean \"{}\"?", kind, word, *near));
  }
  return fault(pointer, fmt::format("unknown {} \"{}\"; known: {}", kind, word, join(known)));
}

Result<const json::object*> DocumentReader::object(const json::value& value, std::string_view pointer,
                                                   std::string_view what, const std::vector<std::string>& keys) const {
  if (!value.is_object()) return fault(pointer, fmt::format("{} must be a mapping with {}", what, join(keys)));
  for (const auto& member : value.get_object()) {
    if (std::ranges::find(keys, member.key()) == keys.end()) {
      return unknown(pointer_append(pointer, member.key()), "key", member.key(), keys);
    }
  }
  return &value.get_object();
}

Result<const json::array*> DocumentReader::list(const json::object& object, std::string_view pointer,
                                                std::string_view key, std::size_t most) const {
  const auto* value = object.if_contains(key);
  if (!value) return nullptr;
  const auto at = pointer_append(pointer, key);
  if (!value->is_array()) return fault(at, fmt::format("\"{}\" must be a list", key));
  if (value->get_array().size() > most) return fault(at, fmt::format("\"{}\" has more than {} entries", key, most));
  return &value->get_array();
}

Result<std::string> DocumentReader::text(const json::object& object, std::string_view pointer, std::string_view key,
                                         std::optional<std::string> otherwise) const {
  const auto* value = object.if_contains(key);
  if (!value && otherwise) return *otherwise;
  if (!value) return fault(pointer, fmt::format("\"{}\" is missing", key));
  if (!value->is_string()) return fault(pointer_append(pointer, key), fmt::format("\"{}\" must be text", key));
  return std::string(value->get_string());
}

Result<std::vector<std::string>> DocumentReader::texts(const json::object& object, std::string_view pointer,
                                                       std::string_view key) const {
  std::vector<std::string> out;
  SB_TRY(const auto* items, list(object, pointer, key, kMaxListEntries));
  for (std::size_t i = 0; items && i < items->size(); ++i) {
    const auto& item = (*items)[i];
    if (!item.is_string() || item.get_string().empty()) {
      return fault(pointer_append(pointer_append(pointer, key), std::to_string(i)),
                   fmt::format("an entry of \"{}\" must be text; quote numbers", key));
    }
    out.emplace_back(item.get_string());
  }
  return out;
}

Result<double> DocumentReader::number(const json::object& object, std::string_view pointer, std::string_view key,
                                      double otherwise, double low, double high) const {
  const auto* value = object.if_contains(key);
  if (!value) return otherwise;
  const double found = value->is_double()  ? value->get_double()
                       : value->is_int64() ? static_cast<double>(value->get_int64())
                                           : NAN;
  if (!(found >= low && found <= high)) {
    return fault(pointer_append(pointer, key), fmt::format("\"{}\" must be a number from {} to {}", key, low, high));
  }
  return found;
}

Result<bool> DocumentReader::boolean(const json::object& object, std::string_view pointer, std::string_view key,
                                     bool otherwise) const {
  const auto* value = object.if_contains(key);
  if (!value) return otherwise;
  if (!value->is_bool()) return fault(pointer_append(pointer, key), fmt::format("\"{}\" must be true or false", key));
  return value->get_bool();
}

Result<std::size_t> DocumentReader::choice(const json::object& object, std::string_view pointer, std::string_view key,
                                           const std::vector<std::string>& known,
                                           std::optional<std::size_t> otherwise) const {
  if (otherwise && !object.contains(key)) return *otherwise;
  SB_TRY(const auto word, text(object, pointer, key, std::nullopt));
  const auto found = std::ranges::find(known, word);
  if (found == known.end()) return unknown(pointer_append(pointer, key), key, word, known);
  return static_cast<std::size_t>(found - known.begin());
}

}  // namespace sb::policy
