/// The functions a program can call without defining them: natives here, the rest in jq itself (prelude.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "jq/evaluator.h"

namespace sb::jq {

using Arguments = std::span<Value>;
using Outcome = std::optional<Fault>;
constexpr Outcome kDone = std::nullopt;

enum class Singular : std::uint8_t { never, as_arguments, always };

/// A function of values: called once for every combination of its arguments' outputs.
using ValueFunction = Outcome (*)(Run& run, const Value& in, Arguments arguments, Value& out);
/// A function of filters: `node.list` are its arguments.
using StreamFunction = Flow (*)(Run& run, const Node& node, Val in, const Frame& frame, Sink out);

struct Native {
  std::string_view name;
  std::size_t arity = 0;
  ValueFunction value = nullptr;
  StreamFunction stream = nullptr;
  Singular singular = Singular::as_arguments;
  bool hands_on = false;  ///< its outputs are its input or parts of it
};

std::span<const Native> value_natives();
std::span<const Native> text_natives();
std::span<const Native> math_natives();
std::span<const Native> time_natives();
std::span<const Native> stream_natives();
std::span<const Native> regex_natives();

/// Null where there is none.
const Native* find_native(std::string_view name, std::size_t arity);
std::vector<std::string> native_names();
/// Why a jq builtin is deliberately absent, and what to do; empty for all others.
std::string_view refusal(std::string_view name);

/// The usual fault: "KIND (VALUE) WHAT", without the value in its safe form.
Fault fault_about(const Value& value, std::string_view what);

}  // namespace sb::jq
