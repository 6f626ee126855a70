// Tasks that steer: for, fork, switch, try, raise.
#include <fmt/format.h>

#include "flow/dsl/compiler.h"

namespace sb::flow::dsl {

Result<TaskNode> Compiler::for_task(TaskNode node, const json::value& value) {
  const auto at = node.ref + "/for";
  const auto& loop = value.at("for");
  SB_CHECK(object_at(loop, at, "`for` is an object with `in`"));
  SB_CHECK(only(loop, at, {"each", "in", "at"}));
  const auto* in = find_member(loop, "in");
  if (!in) return fault(at, "`for` needs `in`: what to go through");
  ForTask made{Expression(), {}, {}};
  if (in->is_array()) {
    SB_TRY(made.in, template_at(*in, at + "/in"));
  } else {
    SB_TRY(made.in, expression_at(*in, at + "/in"));
  }
  const auto* tasks = find_member(value, "do");
  if (!tasks) return fault(node.ref, "`for` needs `do`");
  const std::string each(string_member(loop, "each", "item")), index(string_member(loop, "at", "index"));
  SB_CHECK(with_locals({each, index}, [&]() -> Result<> {
    if (find_member(value, "while")) {
      SB_TRY(made.condition, member_expression(value, "while", node.ref));
    }
    SB_TRY(made.list, list(*tasks, node.ref + "/do"));
    return {};
  }));
  node.body = std::move(made);
  return node;
}

Result<TaskNode> Compiler::fork(TaskNode node, const json::value& value) {
  const auto at = node.ref + "/fork";
  SB_CHECK(object_at(value, at, "`fork` is an object with `branches`"));
  SB_CHECK(only(value, at, {"branches", "compete"}));
  const auto* branches = find_member(value, "branches");
  if (!branches) return fault(at, "`fork` needs `branches`");
  ForkTask made;
  if (const auto* compete = find_member(value, "compete")) {
    if (!compete->is_bool()) return fault(at + "/compete", "is true or false");
    made.compete = compete->get_bool();
  }
  SB_TRY(auto all, list(*branches, at + "/branches"));
  for (auto& task : all.tasks) {
    if (task.then.kind == Transition::Kind::to)
      return fault(task.ref + "/then", "branches run side by side: one cannot go on to another");
    made.branches.emplace_back().tasks.push_back(std::move(task));
  }
  node.body = std::move(made);
  return node;
}

Result<TaskNode> Compiler::switch_task(TaskNode node, const json::value& definition, Names siblings) {
  const auto pointer = node.ref + "/switch";
  const auto* items = definition.if_array();
  if (!items || items->empty()) return fault(pointer, "must be a list of named cases");
  SwitchTask compiled;
  for (std::size_t i = 0; i < items->size(); ++i) {
    const auto* item = (*items)[i].if_object();
    const auto at_item = pointer_append(pointer, std::to_string(i));
    if (!item || item->size() != 1 || !item->begin()->value().is_object())
      return fault(at_item, "a case is one name with `when` and `then`");
    const std::string name(item->begin()->key());
    const auto& body = item->begin()->value();
    const auto at = pointer_append(at_item, name);
    SB_CHECK(only(body, at, {"when", "then"}));
    SwitchTask::Case one{name, {}, {}};
    if (find_member(body, "when")) {
      SB_TRY(one.when, member_expression(body, "when", at));
    }
    const auto* then = find_member(body, "then");
    if (!then) return fault(at, "a case needs `then`");
    SB_TRY(one.then, transition(*then, pointer_append(at, "then"), siblings));
    compiled.cases.push_back(std::move(one));
  }
  node.body = std::move(compiled);
  return node;
}

Result<TaskNode> Compiler::raise(TaskNode node, const json::value& definition) {
  const auto pointer = node.ref + "/raise";
  SB_CHECK(object_at(definition, pointer, "`raise` is an object with `error`"));
  SB_CHECK(only(definition, pointer, {"error"}));
  const auto* named = find_member(definition, "error");
  if (!named) return fault(pointer, "`raise` needs `error` with type, status and title");
  SB_TRY(const auto found, component(*named, pointer + "/error", "errors"));
  const auto& [error, at] = found;
  SB_CHECK(object_at(*error, at, "an error has type, status and title"));
  SB_CHECK(only(*error, at, {"type", "status", "title", "detail", "instance"}));
  for (const auto* key : {"type", "status"}) {
    if (!find_member(*error, key)) return fault(at, fmt::format("an error needs `{}`", key));
  }
  const auto& status = *find_member(*error, "status");
  const bool computed = status.is_string() && is_expression(status.get_string());
  if (!computed && !status.is_int64()) return fault(at + "/status", "is a whole number, as HTTP has it");
  SB_TRY(auto compiled, template_at(*error, at));
  node.body = RaiseTask{std::move(compiled)};
  return node;
}

Result<TaskNode> Compiler::try_task(TaskNode node, const json::value& value, Names siblings) {
  const auto* caught = find_member(value, "catch");
  if (!caught) return fault(node.ref, "`try` needs `catch`");
  TryTask made;
  SB_TRY(made.list, list(value.at("try"), node.ref + "/try"));
  const auto at = node.ref + "/catch";
  SB_CHECK(object_at(*caught, at, "`catch` is an object"));
  SB_CHECK(only(*caught, at, {"errors", "as", "when", "exceptWhen", "retry", "do", "then"}));
  const std::string name(string_member(*caught, "as", "error"));
  SB_CHECK(with_locals({name}, [&] { return catch_clause(made, *caught, at, siblings); }));
  node.body = std::move(made);
  return node;
}

Result<> Compiler::catch_clause(TryTask& made, const json::value& value, const Pointer& at, Names siblings) {
  if (const auto* errors = find_member(value, "errors")) {
    SB_CHECK(object_at(*errors, at + "/errors", "`errors` is {with: {type, status ...}}"));
    SB_CHECK(only(*errors, at + "/errors", {"with"}));
    if (const auto* with = find_member(*errors, "with")) {
      SB_CHECK(object_at(*with, at + "/errors/with", "is an object with the properties to look for"));
      SB_CHECK(only(*with, at + "/errors/with", {"type", "status", "instance", "title", "detail"}));
      made.filter = with->get_object();
      SB_TRY(made.filter_computed, template_at(*with, at + "/errors/with"));
    }
  }
  if (find_member(value, "when")) {
    SB_TRY(made.when, member_expression(value, "when", at));
  }
  if (find_member(value, "exceptWhen")) {
    SB_TRY(made.except_when, member_expression(value, "exceptWhen", at));
  }
  if (const auto* policy = find_member(value, "retry")) {
    SB_TRY(const auto found, component(*policy, at + "/retry", "retries"));
    SB_TRY(made.retry, retry(*found.first, found.second));
  }
  if (const auto* tasks = find_member(value, "do")) {
    SB_TRY(made.handler, list(*tasks, at + "/do"));
  }
  if (const auto* then = find_member(value, "then")) {
    SB_TRY(made.then, transition(*then, at + "/then", siblings));
  }
  return {};
}

Result<RetryPolicy> Compiler::retry(const json::value& value, const Pointer& pointer) const {
  SB_CHECK(object_at(value, pointer, "a retry policy is an object"));
  SB_CHECK(only(value, pointer, {"when", "exceptWhen", "delay", "backoff", "limit", "jitter"}));
  RetryPolicy made;
  if (find_member(value, "when")) {
    SB_TRY(made.when, member_expression(value, "when", pointer));
  }
  if (find_member(value, "exceptWhen")) {
    SB_TRY(made.except_when, member_expression(value, "exceptWhen", pointer));
  }
  if (const auto* delay = find_member(value, "delay")) {
    SB_TRY(made.delay, duration(*delay, pointer + "/delay"));
  }
  if (const auto* spread = find_member(value, "backoff")) SB_CHECK(backoff(made, *spread, pointer + "/backoff"));
  if (const auto* jitter = find_member(value, "jitter")) {
    SB_CHECK(object_at(*jitter, pointer + "/jitter", "`jitter` is {from, to}"));
    SB_CHECK(only(*jitter, pointer + "/jitter", {"from", "to"}));
    const auto *from = find_member(*jitter, "from"), *to = find_member(*jitter, "to");
    if (!from || !to) return fault(pointer + "/jitter", "`jitter` needs `from` and `to`");
    SB_TRY(made.jitter_from, duration(*from, pointer + "/jitter/from"));
    SB_TRY(made.jitter_to, duration(*to, pointer + "/jitter/to"));
  }
  const auto* limit = find_member(value, "limit");
  if (!limit) return made;
  SB_CHECK(object_at(*limit, pointer + "/limit", "`limit` is {attempt, duration}"));
  SB_CHECK(only(*limit, pointer + "/limit", {"attempt", "duration"}));
  if (const auto* total = find_member(*limit, "duration")) {
    SB_TRY(made.total_limit, duration(*total, pointer + "/limit/duration"));
  }
  const auto* attempt = find_member(*limit, "attempt");
  if (!attempt) return made;
  SB_CHECK(object_at(*attempt, pointer + "/limit/attempt", "`attempt` is {count, duration}"));
  SB_CHECK(only(*attempt, pointer + "/limit/attempt", {"count", "duration"}));
  if (const auto* count = find_member(*attempt, "count")) {
    if (!count->is_int64() || count->get_int64() < 1)
      return fault(pointer + "/limit/attempt/count", "is a whole number above zero");
    made.attempts_max = count->get_int64();
  }
  if (const auto* time = find_member(*attempt, "duration")) {
    SB_TRY(made.attempt_limit, duration(*time, pointer + "/limit/attempt/duration"));
  }
  return made;
}

Result<> Compiler::backoff(RetryPolicy& policy, const json::value& value, const Pointer& pointer) const {
  SB_CHECK(object_at(value, pointer, "`backoff` is one of constant, linear, exponential"));
  SB_CHECK(only(value, pointer, {"constant", "linear", "exponential"}));
  if (value.get_object().size() != 1) return fault(pointer, "is one of constant, linear, exponential");
  const std::string kind(value.get_object().begin()->key());
  const auto& details = value.get_object().begin()->value();
  const auto at = pointer_append(pointer, kind);
  SB_CHECK(object_at(details, at, "must be an object"));
  policy.backoff = kind == "linear"        ? RetryPolicy::Backoff::linear
                   : kind == "exponential" ? RetryPolicy::Backoff::exponential
                                           : RetryPolicy::Backoff::constant;
  if (kind == "constant") return only(details, at, {});
  if (kind == "linear") {
    SB_CHECK(only(details, at, {"increment"}));
    if (const auto* increment = find_member(details, "increment")) {
      SB_TRY(policy.increment, duration(*increment, at + "/increment"));
    }
    return {};
  }
  SB_CHECK(only(details, at, {"factor", "maxDelay"}));
  if (const auto* factor = find_member(details, "factor")) {
    if (!factor->is_number() || factor->to_number<double>() < 1)
      return fault(at + "/factor", "is a number of at least 1");
    policy.factor = factor->to_number<double>();
  }
  if (const auto* most = find_member(details, "maxDelay")) {
    SB_TRY(const auto limit, duration(*most, at + "/maxDelay"));
    if (limit.computed) return fault(at + "/maxDelay", "must be a fixed length of time");
    policy.delay_max_us = limit.fixed_us;
  }
  return {};
}

}  // namespace sb::flow::dsl
