#include "jq/program.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "jq/compiler.h"
#include "jq/evaluator.h"
#include "jq/parser.h"

namespace sb::jq {
namespace {

// JSON has no nan and no infinities: jq prints them as null and the largest double.
void make_finite(Value& value) {
  if (auto* real = value.if_double()) {
    if (std::isnan(*real))
      value = nullptr;
    else if (std::isinf(*real))
      *real = std::copysign(std::numeric_limits<double>::max(), *real);
  } else if (auto* array = value.if_array()) {
    for (auto& item : *array) make_finite(item);
  } else if (auto* object = value.if_object()) {
    for (auto& entry : *object) make_finite(entry.value());
  }
}

}  // namespace

Result<Program> Program::compile(std::string_view source, std::span<const std::string> variables) {
  if (source.size() > kMaxSourceBytes)
    return fail(Errc::too_large, fmt::format("jq: the program is over {} bytes", kMaxSourceBytes));
  auto code = std::make_shared<Code>();
  code->source = source;
  code->variables = variables.size();
  SB_TRY(Node * root, Parser(*code).program());
  SB_CHECK(resolve(*code, root, variables));
  return Program(std::move(code));
}

std::string_view Program::source() const {
  return code_->source;
}

Result<json::value> Program::eval_one(const json::value& input, std::span<const json::value* const> variables,
                                      Budget budget) const {
  Run run(*code_, budget);
  std::optional<Value> result;
  const char mark = 0;
  const Flow flow = run.start(input, variables, [&](Val v) {
    result = run.take(v);
    return run.leave_to(&mark);
  });
  if (flow == Flow::error || flow == Flow::fatal) return std::unexpected(run.failure());
  if (!result) return fail(Errc::not_found, "jq: the program has no output for this input");
  make_finite(*result);
  return std::move(*result);
}

Result<bool> Program::eval_truth(const json::value& input, std::span<const json::value* const> variables,
                                 Budget budget) const {
  Run run(*code_, budget);
  bool truth = false;
  const char mark = 0;
  const Flow flow = run.start(input, variables, [&](Val v) {
    truth = truthy(*v.v);
    return run.leave_to(&mark);
  });
  if (flow == Flow::error || flow == Flow::fatal) return std::unexpected(run.failure());
  return truth;
}

Result<std::vector<json::value>> Program::eval_all(const json::value& input,
                                                   std::span<const json::value* const> variables, Budget budget) const {
  Run run(*code_, budget);
  std::vector<Value> results;
  const char mark = 0;
  const Flow flow = run.start(input, variables, [&](Val v) {
    if (results.size() >= kMaxOutputs) return run.leave_to(&mark);
    results.push_back(run.take(v));
    return Flow::go;
  });
  if (flow == Flow::error || flow == Flow::fatal) return std::unexpected(run.failure());
  if (flow == Flow::leave)
    return fail(Errc::too_large, fmt::format("jq: the program has more than {} outputs", kMaxOutputs));
  for (auto& result : results) make_finite(result);
  return results;
}

}  // namespace sb::jq
