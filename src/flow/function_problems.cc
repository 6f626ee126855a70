#include "flow/function_problems.h"

#include <fmt/format.h>

#include "policy/guards/json_schema.h"

namespace sb::flow {

Problem problem_of(const Error& error, std::string_view title) {
  Problem problem;
  problem.type = error_type(error.code == Errc::upstream_timeout                                    ? "timeout"
                            : error.code == Errc::policy_denied                                     ? "authorization"
                            : error.code == Errc::invalid_argument || error.code == Errc::not_found ? "validation"
                                                                                                    : "communication");
  problem.status = 500;
  problem.title = title;
  problem.detail = error.detail;
  return problem;
}

std::unexpected<Problem> blocked(LiveRun& run, std::string detail) {
  run.error_code = Errc::policy_denied;
  return std::unexpected(problem_of(Error(Errc::policy_denied, std::move(detail)), "Blocked by policy"));
}

std::optional<Problem> misfit_of(const Function& function, const Machine::Call& call) {
  for (const auto& argument : function.arguments) {
    const auto* given = find_member(call.with, argument.name);
    const auto wrong = given ? argument.schema->first_fault(*given) : std::nullopt;
    if (wrong)
      return standard_problem("validation", 400, "An argument does not fit",
                              fmt::format("`{}`{}{}: {}", argument.name, wrong->pointer.empty() ? "" : " at ",
                                          wrong->pointer, wrong->expected),
                              call.task->ref + "/with/" + argument.name);
  }
  return std::nullopt;
}

}  // namespace sb::flow
