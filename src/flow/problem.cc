#include "flow/problem.h"

#include <fmt/format.h>

#include <algorithm>

namespace sb::flow {
namespace {

/// The part of a specification's type URI that tells errors apart; empty for types of others.
std::string_view standard_name(std::string_view type) {
  bool ours = false;
  for (const std::string_view host : {"https://open-workflow-specification.org", "https://serverlessworkflow.io"}) {
    if (!type.starts_with(host)) continue;
    type.remove_prefix(host.size());
    ours = true;
  }
  if (!ours) return {};
  for (const std::string_view path : {"/spec/1.0.0/errors/", "/dsl/errors/types/", "/errors/types/"}) {
    if (type.starts_with(path)) return type.substr(path.size());
  }
  return {};
}

bool same_number(const json::value& value, int number) {
  return value.is_number() && value.to_number<double>() == number;
}

}  // namespace

std::string error_type(std::string_view name) {
  return fmt::format("https://open-workflow-specification.org/spec/1.0.0/errors/{}", name);
}

Problem standard_problem(std::string_view type, int status, std::string title, std::string detail,
                         std::string instance) {
  return {error_type(type), status, std::move(title), std::move(detail), std::move(instance)};
}

json::value Problem::to_json() const {
  json::object object{{"type", type}, {"status", status}, {"title", title}};
  if (!detail.empty()) object["detail"] = detail;
  if (!instance.empty()) object["instance"] = instance;
  return object;
}

Problem Problem::from_json(const json::value& value) {
  Problem problem;
  problem.type = string_member(value, "type", error_type("runtime"));
  problem.status = static_cast<int>(int_member(value, "status", 500));
  problem.title = string_member(value, "title");
  problem.detail = string_member(value, "detail");
  problem.instance = string_member(value, "instance");
  return problem;
}

bool same_error_type(std::string_view a, std::string_view b) {
  if (a == b) return true;
  const auto name = standard_name(a);
  return !name.empty() && name == standard_name(b);
}

bool is_standard_error(std::string_view type) {
  static constexpr std::string_view kNames[] = {"configuration", "validation", "expression",    "authentication",
                                                "authorization", "timeout",    "communication", "runtime"};
  return std::ranges::find(kNames, standard_name(type)) != std::end(kNames);
}

bool matches_error_filter(const json::object& filter, const Problem& problem) {
  for (const auto& [key, want] : filter) {
    const std::string_view name = key;
    if (name == "status") {
      if (!same_number(want, problem.status)) return false;
      continue;
    }
    if (!want.is_string()) return false;
    const std::string_view text = want.get_string();
    if (name == "type" && !same_error_type(text, problem.type)) return false;
    if (name == "title" && text != problem.title) return false;
    if (name == "detail" && text != problem.detail) return false;
    if (name == "instance" && text != problem.instance) return false;
  }
  return true;
}

}  // namespace sb::flow
