#include "policy/guards/member_twice.h"

#include <set>

#include "base/json.h"

namespace sb::policy {
namespace {

namespace od = simdjson::ondemand;

// What cannot be read is no better than what says two things. Both ways into a document: it and its values.
template <class Value>
bool is_ambiguous(Value&& value) {
  od::json_type type;
  if (value.type().get(type)) return true;
  if (type == od::json_type::array) {
    od::array array;
    if (value.get_array().get(array)) return true;
    for (auto element : array) {
      od::value item;
      if (std::move(element).get(item) || is_ambiguous(item)) return true;
    }
  } else if (type == od::json_type::object) {
    od::object object;
    if (value.get_object().get(object)) return true;
    std::set<std::string_view> names;
    for (auto member : object) {
      od::field field;
      std::string_view name;
      if (std::move(member).get(field) || field.unescaped_key().get(name)) return true;
      if (!names.insert(name).second || is_ambiguous(field.value())) return true;
    }
  }
  return false;
}

}  // namespace

bool has_member_twice(std::string_view json) {
  const PaddedText padded(json);
  od::parser parser;
  od::document document;
  return parser.iterate(padded).get(document) || is_ambiguous(document);
}

}  // namespace sb::policy
