/// jq's algebra on JSON values: total order, arithmetic, indexing. Pure; no budget, no evaluator.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace sb::jq {

using Value = json::value;

/// A fault inside a program. `safe` names kinds only and may leave the process; `message` is what `catch` sees and may
/// hold data.
struct Fault {
  std::string safe;
  std::string message;
};

/// One that tells nothing of the data.
Fault plain(std::string_view text);

extern const Value kNullValue;

inline bool truthy(const Value& value) {
  return !(value.is_null() || (value.is_bool() && !value.get_bool()));
}
std::string_view kind_name(const Value& value);  ///< "null", "boolean", "number", ...

/// null < false < true < numbers < strings < arrays < objects; integers and doubles compare exactly; nan is below all
/// numbers.
int compare(const Value& a, const Value& b);
bool equal(const Value& a, const Value& b);

/// A number of the double `x`: an integer where it is one exactly (so that 0.5 * 2 prints as 1).
Value number(double x);
double to_double(const Value& value);
/// The integer nearest below `value`, clamped to 64 bits.
std::int64_t to_index(const Value& value);

enum class Operator : std::uint8_t { add, subtract, multiply, divide, modulo, eq, ne, lt, le, gt, ge };

/// `a` op `b`. `a` is consumed. Errors as Fault.
std::optional<Fault> apply(Operator op, Value& a, const Value& b, Value& out);

/// `container[key]` without copying, or null with `fault` set. Missing members are kNullValue. `scratch` holds the
/// result where one must be made (slices, indices of a sub-array).
const Value* index(const Value& container, const Value& key, Value& scratch, std::optional<Fault>& fault);
const Value* member(const Value& container, std::string_view key, std::optional<Fault>& fault);

/// `container[from:to]`; null bounds are open.
std::optional<Fault> slice(const Value& container, const Value& from, const Value& to, Value& out);

/// The place at `path` inside `root`, made (as null) where absent.
std::optional<Fault> set_path(Value& root, const json::array& path, std::size_t at, Value&& value);
std::optional<Fault> get_path(const Value& root, const json::array& path, Value& out);
/// Deletes every path of `paths` (an array of arrays), longest first.
std::optional<Fault> delete_paths(Value& root, json::array paths);
std::optional<Fault> has_key(const Value& container, const Value& key, bool& out);
bool contains(const Value& a, const Value& b, std::optional<Fault>& fault);

/// An estimate of the memory that a copy of `value` takes; strings and containers only.
std::int64_t copy_cost(const Value& value);

}  // namespace sb::jq
