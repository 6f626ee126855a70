/// jq programs over JSON values: the expression language of flows, routes and templates.
///
/// Semantics are those of jq 1.7 (https://jqlang.github.io/jq/manual/v1.7/), less everything that is not a function of
/// its input: `now`, `env`, `input`, `debug`, modules and the like are refused when a program is compiled, by name and
/// column. So the same program, input and variables always give the same outputs, on every machine.
///
/// Differences by intent: integers of 64 bits stay exact (jq 1.7 rounds them to doubles when it computes); integer
/// arithmetic that overflows continues as double; outputs and errors obey a budget.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/json.h"

namespace sb::jq {

/// What one evaluation may use. Exceeding `steps` is deadline_exceeded, exceeding `bytes` is too_large.
struct Budget {
  std::int64_t steps = 1'000'000;         ///< evaluated nodes and visited elements, about 10-50 ns each
  std::int64_t bytes = 64 * 1024 * 1024;  ///< bytes created or copied in all, not the peak
};

inline constexpr std::size_t kMaxSourceBytes = 64 * 1024;
inline constexpr std::size_t kMaxOutputs = 100'000;

struct Code;

/// A compiled program. Immutable: any number of threads may evaluate it at once; copies share the code.
class Program {
 public:
  /// `variables`: names (without "$") that each evaluation gets values for, in the same order.
  /// Errors: invalid_argument ("jq: column 7: ..."), unsupported (a function that is refused; names the way out),
  /// too_large (over kMaxSourceBytes, or nested too deeply).
  static Result<Program> compile(std::string_view source, std::span<const std::string> variables = {});

  /// The first output; later ones are not computed. `input` and `variables` are only borrowed for the call.
  /// Errors: not_found (no output at all), invalid_argument (the program raised an error: `detail` tells what kind of
  /// fault, never values), deadline_exceeded, too_large.
  Result<json::value> eval_one(const json::value& input, std::span<const json::value* const> variables = {},
                               Budget budget = {}) const;

  /// All outputs in order, at most kMaxOutputs. Errors: as eval_one, less not_found.
  Result<std::vector<json::value>> eval_all(const json::value& input,
                                            std::span<const json::value* const> variables = {},
                                            Budget budget = {}) const;

  /// Whether the first output is neither `false` nor `null`; no output counts as false. Errors: as eval_all.
  Result<bool> eval_truth(const json::value& input, std::span<const json::value* const> variables = {},
                          Budget budget = {}) const;

  std::string_view source() const;

 private:
  explicit Program(std::shared_ptr<const Code> code) : code_(std::move(code)) {}
  std::shared_ptr<const Code> code_;
};

}  // namespace sb::jq
