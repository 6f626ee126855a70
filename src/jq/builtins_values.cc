// Builtins on containers and values of any kind.
#include <algorithm>
#include <cmath>

#include "jq/builtins.h"

namespace sb::jq {
namespace {

Outcome f_not(Run&, const Value& in, Arguments, Value& out) {
  return out = !truthy(in), kDone;
}
Outcome f_type(Run&, const Value& in, Arguments, Value& out) {
  return out = json::string(kind_name(in)), kDone;
}

Outcome f_length(Run&, const Value& in, Arguments, Value& out) {
  if (in.is_null()) return out = 0, kDone;
  if (in.is_bool()) return fault_about(in, "has no length");
  if (const auto* text = in.if_string()) return out = count_codepoints(*text), kDone;
  if (const auto* array = in.if_array()) return out = static_cast<std::int64_t>(array->size()), kDone;
  if (const auto* object = in.if_object()) return out = static_cast<std::int64_t>(object->size()), kDone;
  if (in.is_int64() && in.get_int64() >= 0) return out = in, kDone;
  return out = number(std::abs(to_double(in))), kDone;
}

Outcome keys_of(const Value& in, bool sorted, Value& out) {
  json::array keys;
  if (const auto* object = in.if_object()) {
    for (const auto& entry : *object) keys.emplace_back(json::string(entry.key()));
    if (sorted) std::ranges::sort(keys, [](const Value& a, const Value& b) { return compare(a, b) < 0; });
  } else if (const auto* array = in.if_array()) {
    for (std::size_t i = 0; i < array->size(); ++i) keys.push_back(static_cast<std::int64_t>(i));
  } else {
    return fault_about(in, "has no keys");
  }
  return out = std::move(keys), kDone;
}
Outcome f_keys(Run&, const Value& in, Arguments, Value& out) {
  return keys_of(in, true, out);
}
Outcome f_keys_unsorted(Run&, const Value& in, Arguments, Value& out) {
  return keys_of(in, false, out);
}

Outcome f_has(Run&, const Value& in, Arguments arguments, Value& out) {
  bool found = false;
  auto fault = has_key(in, arguments[0], found);
  out = found;
  return fault;
}

Outcome f_contains(Run& run, const Value& in, Arguments arguments, Value& out) {
  const auto rows = [](const Value& v) -> std::int64_t {
    return v.is_array() ? static_cast<std::int64_t>(v.get_array().size()) : 1;
  };
  if (!run.work(rows(in) * rows(arguments[0]) / 4)) return plain("too much work");
  Outcome fault;
  out = contains(in, arguments[0], fault);
  return fault;
}

Outcome f_add(Run& run, const Value& in, Arguments, Value& out) {
  Value sum;
  const auto step = [&](const Value& item) -> Outcome {
    if (!run.charge(copy_cost(item)) || !run.work(1)) return plain("too much work");
    Value next;
    if (auto fault = apply(Operator::add, sum, item, next)) return fault;
    sum = std::move(next);
    return kDone;
  };
  if (const auto* array = in.if_array()) {
    for (const auto& item : *array)
      if (auto fault = step(item)) return fault;
  } else if (const auto* object = in.if_object()) {
    for (const auto& entry : *object)
      if (auto fault = step(entry.value())) return fault;
  } else {
    return plain("Cannot iterate over " + std::string(kind_name(in)));
  }
  return out = std::move(sum), kDone;
}

bool flatten_into(const json::array& from, double depth, Run& run, json::array& out) {
  for (const auto& item : from) {
    if (!run.work(1)) return false;
    if (item.is_array() && depth > 0) {
      if (!flatten_into(item.get_array(), depth - 1, run, out)) return false;
    } else {
      out.push_back(run.copy(item));
    }
  }
  return true;
}

Outcome flatten(Run& run, const Value& in, double depth, Value& out) {
  if (depth < 0) return plain("flatten depth must not be negative");
  json::array made;
  if (const auto* object = in.if_object()) {
    json::array items;
    for (const auto& entry : *object) items.push_back(run.copy(entry.value()));
    flatten_into(items, depth, run, made);
  } else if (const auto* array = in.if_array()) {
    flatten_into(*array, depth, run, made);
  } else {
    return plain("Cannot iterate over " + std::string(kind_name(in)));
  }
  return out = std::move(made), kDone;
}
Outcome f_flatten(Run& run, const Value& in, Arguments, Value& out) {
  return flatten(run, in, 1e9, out);
}
Outcome f_flatten_to(Run& run, const Value& in, Arguments arguments, Value& out) {
  if (!arguments[0].is_number()) return plain("flatten depth must be a number");
  return flatten(run, in, to_double(arguments[0]), out);
}

Outcome sorted(Run& run, const Value& in, bool unique, Value& out) {
  if (!in.is_array()) return fault_about(in, "cannot be sorted, as it is not an array");
  Value copy = run.copy(in);
  if (!copy.is_array()) return kDone;
  auto& array = copy.get_array();
  if (!run.work(static_cast<std::int64_t>(array.size()))) return plain("too much work");
  std::stable_sort(array.begin(), array.end(), [](const Value& a, const Value& b) { return compare(a, b) < 0; });
  if (unique)
    array.erase(std::unique(array.begin(), array.end(), [](const Value& a, const Value& b) { return equal(a, b); }),
                array.end());
  return out = std::move(copy), kDone;
}
Outcome f_sort(Run& run, const Value& in, Arguments, Value& out) {
  return sorted(run, in, false, out);
}
Outcome f_unique(Run& run, const Value& in, Arguments, Value& out) {
  return sorted(run, in, true, out);
}

Outcome f_min(Run& run, const Value& in, Arguments, Value& out) {
  if (!in.is_array()) return fault_about(in, "has no least element, as it is not an array");
  const Value* best = nullptr;
  for (const auto& item : in.get_array())
    if (!best || compare(item, *best) < 0) best = &item;
  if (best) out = run.copy(*best);
  return kDone;
}

Outcome f_max(Run& run, const Value& in, Arguments, Value& out) {
  if (!in.is_array()) return fault_about(in, "has no greatest element, as it is not an array");
  const Value* best = nullptr;
  for (const auto& item : in.get_array())
    if (!best || compare(item, *best) >= 0) best = &item;
  if (best) out = run.copy(*best);
  return kDone;
}

Outcome f_reverse(Run& run, const Value& in, Arguments, Value& out) {
  // [.[length - 1 - range(0; length)]], so whatever has length 0 gives [].
  if (in.is_null() || (in.is_object() && in.get_object().empty()) || (in.is_number() && to_double(in) == 0))
    return out = json::array(), kDone;
  if (const auto* text = in.if_string()) {
    std::string reversed;
    const std::string_view all(*text);
    for (std::size_t end = all.size(); end > 0;) {
      std::size_t begin = end - 1;
      while (begin > 0 && (static_cast<unsigned char>(all[begin]) & 0xc0) == 0x80) --begin;
      reversed += all.substr(begin, end - begin);
      end = begin;
    }
    return out = json::string(reversed), kDone;
  }
  if (!in.is_array()) return fault_about(in, "cannot be reversed, as it is not an array");
  Value copy = run.copy(in);
  if (copy.is_array()) std::reverse(copy.get_array().begin(), copy.get_array().end());
  return out = std::move(copy), kDone;
}

Outcome f_setpath(Run& run, const Value& in, Arguments arguments, Value& out) {
  if (!arguments[0].is_array()) return plain("Path must be specified as an array");
  out = run.copy(in);
  return set_path(out, arguments[0].get_array(), 0, std::move(arguments[1]));
}

Outcome f_delpaths(Run& run, const Value& in, Arguments arguments, Value& out) {
  if (!arguments[0].is_array()) return plain("Paths must be specified as an array");
  out = run.copy(in);
  return delete_paths(out, std::move(arguments[0].get_array()));
}

Outcome f_from_entries(Run& run, const Value& in, Arguments, Value& out) {
  if (!in.is_array()) return plain("Cannot iterate over " + std::string(kind_name(in)));
  json::object made;
  for (const auto& row : in.get_array()) {
    const auto* entry = row.if_object();
    if (!entry) return fault_about(row, "is not an entry with a key and a value");
    const Value* key = nullptr;
    for (const char* name : {"key", "k", "name", "Name", "Key", "K"})
      if (const auto* found = entry->if_contains(name); found && !key && (truthy(*found) || found->is_bool()))
        key = found;
    const Value* value = nullptr;
    for (const char* name : {"value", "v", "Value", "V"})
      if (const auto* found = entry->if_contains(name); found && (!value || value->is_null())) value = found;
    const bool plain_key = !key || !key->is_structured();
    if (!plain_key) return fault_about(*key, "cannot be an object key: keys are strings");
    made.insert_or_assign(key ? text_of(*key) : "null", value ? run.copy(*value) : Value());
    if (!run.work(1)) return kDone;
  }
  return out = std::move(made), kDone;
}

Outcome f_transpose(Run& run, const Value& in, Arguments, Value& out) {
  if (!in.is_array()) return plain("Cannot iterate over " + std::string(kind_name(in)));
  std::size_t width = 0;
  for (const auto& row : in.get_array()) {
    if (!row.is_array()) return fault_about(row, "cannot be a row to transpose: rows are arrays");
    width = std::max(width, row.get_array().size());
  }
  if (!run.work(static_cast<std::int64_t>(width * in.get_array().size())) ||
      !run.charge(static_cast<std::int64_t>(16 * width * in.get_array().size())))
    return kDone;
  json::array made;
  for (std::size_t column = 0; column < width; ++column) {
    json::array line;
    for (const auto& row : in.get_array())
      line.push_back(column < row.get_array().size() ? run.copy(row.get_array()[column]) : Value());
    made.push_back(std::move(line));
  }
  return out = std::move(made), kDone;
}

Outcome f_bsearch(Run&, const Value& in, Arguments arguments, Value& out) {
  if (!in.is_array()) return fault_about(in, "cannot be searched from, as it is not an array");
  const auto& array = in.get_array();
  const auto found = std::lower_bound(array.begin(), array.end(), arguments[0],
                                      [](const Value& a, const Value& b) { return compare(a, b) < 0; });
  const auto at = static_cast<std::int64_t>(found - array.begin());
  out = found != array.end() && equal(*found, arguments[0]) ? at : -1 - at;
  return kDone;
}

Outcome f_toarray(Run& run, const Value& in, Arguments, Value& out) {
  if (in.is_array())
    out = run.copy(in);
  else
    out = json::array{run.copy(in)};
  return kDone;
}

constexpr Native kValuesNatives[] = {
    {"not", 0, f_not},
    {"type", 0, f_type},
    {"length", 0, f_length},
    {"keys", 0, f_keys},
    {"keys_unsorted", 0, f_keys_unsorted},
    {"has", 1, f_has},
    {"contains", 1, f_contains},
    {"add", 0, f_add},
    {"flatten", 0, f_flatten},
    {"flatten", 1, f_flatten_to},
    {"sort", 0, f_sort},
    {"unique", 0, f_unique},
    {"min", 0, f_min},
    {"max", 0, f_max},
    {"reverse", 0, f_reverse},
    {"setpath", 2, f_setpath},
    {"delpaths", 1, f_delpaths},
    {"from_entries", 0, f_from_entries},
    {"transpose", 0, f_transpose},
    {"bsearch", 1, f_bsearch},
    {"toarray", 0, f_toarray},
};

}  // namespace

std::span<const Native> value_natives() {
  return kValuesNatives;
}

}  // namespace sb::jq
