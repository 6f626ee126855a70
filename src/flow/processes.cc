// `run: script` and `run: shell`: JavaScript in the sandboxed workers, Python and shells as walled-in processes.
#include <fmt/format.h>

#include "flow/engine.h"
#include "script/child_process.h"

namespace sb::flow {
namespace {

std::vector<std::string> texts(const json::value& with, std::string_view key) {
  std::vector<std::string> out;
  const auto* list = find_member(with, key);
  if (!list || !list->is_array()) return out;
  for (const auto& item : list->get_array())
    out.push_back(item.is_string() ? std::string(item.get_string()) : to_text(item));
  return out;
}

std::string input_text(const json::value& with) {
  const auto* given = find_member(with, "stdin");
  if (!given || given->is_null()) return {};
  return given->is_string() ? std::string(given->get_string()) : to_text(*given);
}

/// A script as the DSL means it (argv, env, stdin, console) around the runtime's one function.
std::string as_module(std::string_view code) {
  return fmt::format(R"(export default async function(__input) {{
  const __out = [], __err = [];
  const __text = (values) => values.map((v) => typeof v === 'string' ? v : JSON.stringify(v)).join(' ') + '\n';
  const console = {{ log: (...v) => __out.push(__text(v)), info: (...v) => __out.push(__text(v)),
                    error: (...v) => __err.push(__text(v)), warn: (...v) => __err.push(__text(v)) }};
  const process = {{ argv: ['js', 'script', ...__input.arguments], env: __input.environment, stdin: __input.stdin,
                    exitCode: 0 }};
  const stdin = __input.stdin;
  const __result = await (async () => {{
{}
  }})();
  if (__result !== undefined) __out.push(typeof __result === 'string' ? __result : JSON.stringify(__result));
  return {{ stdout: __out.join(''), stderr: __err.join(''), code: process.exitCode }};
}})",
                     code);
}

json::value returned(const RunTask& task, const script::ProcessResult& result, const Data& input) {
  const auto trimmed = [](std::string text) {  // as a shell's $( ) does
    while (text.ends_with('\n')) text.pop_back();
    return json::string(text);
  };
  if (!task.await) return input.value();
  switch (task.what) {
    case RunTask::Return::output:
      return trimmed(result.output);
    case RunTask::Return::error:
      return trimmed(result.error);
    case RunTask::Return::code:
      return result.code;
    case RunTask::Return::all:
      return json::object{{"code", result.code}, {"stdout", trimmed(result.output)}, {"stderr", trimmed(result.error)}};
    case RunTask::Return::none:
      return nullptr;
  }
  return nullptr;
}

Problem process_failed(const Error& error) {
  if (error.code == Errc::deadline_exceeded)
    return standard_problem("timeout", 408, "The process took too long", error.detail);
  if (error.code == Errc::unsupported || error.code == Errc::permission_denied)
    return standard_problem("configuration", 501, "The process may not run here", error.detail);
  return standard_problem("runtime", 500, "The process failed", error.detail);
}

}  // namespace

Task<std::expected<Engine::CallResult, Problem>> Engine::process(LiveRun& run, Machine::Call call, CancelSource&) {
  const bool is_shell = std::get<RunTask>(call.task->body).kind == RunTask::Kind::shell;
  const auto with = handed(run, call, is_shell ? "/run/shell" : "/run/script");
  if (!with) co_return std::unexpected(with.error());
  const std::string language = is_shell ? "shell" : std::string(string_member(*with, "language"));
  json::object environment;
  if (const auto* given = find_member(*with, "environment"); given && given->is_object())
    environment = given->get_object();
  script::ProcessResult result;
  if (language == "js" || language == "javascript") {
    if (!parts_.scripts)
      co_return std::unexpected(
          standard_problem("configuration", 501, "The process may not run here", "scripts are not configured"));
    script::Script made;
    made.name = call.task->name;
    made.kind = script::ScriptKind::javascript;
    made.timeout_ms = 10'000;
    made.memory_mib = 64;
    made.code = script::JavaScript{as_module(string_member(*with, "code"))};
    json::array arguments;
    for (const auto& text : texts(*with, "arguments")) arguments.push_back(json::string(text));
    json::object input{{"arguments", std::move(arguments)}, {"environment", environment}, {"stdin", input_text(*with)}};
    auto answer = co_await parts_.scripts->run_javascript(std::move(made), std::move(input));
    if (!answer) co_return std::unexpected(process_failed(answer.error()));
    result.output = string_member(*answer, "stdout");
    result.error = string_member(*answer, "stderr");
    result.code = static_cast<int>(int_member(*answer, "code"));
  } else {
    if (!options_.processes.contains(language))
      co_return std::unexpected(standard_problem("configuration", 501, "The process may not run here",
                                                 fmt::format("flows.{} is not true in signalbox.yaml", language)));
    script::ProcessSpec spec;
    if (language == "shell") {
      spec.arguments = {"/bin/sh", "-c", std::string(string_member(*with, "command")), "sh"};
    } else {
      spec.arguments = {"/usr/bin/python3", "-I", "-c", std::string(string_member(*with, "code"))};
    }
    for (auto& text : texts(*with, "arguments")) spec.arguments.push_back(std::move(text));
    spec.environment = {{"PATH", "/usr/local/bin:/usr/bin:/bin"}, {"LANG", "C.UTF-8"}};
    for (const auto& [name, value] : environment)
      spec.environment.emplace_back(name, value.is_string() ? std::string(value.get_string()) : to_text(value));
    spec.input = input_text(*with);
    auto ran = co_await script::run_process(std::move(spec));
    if (!ran) co_return std::unexpected(process_failed(ran.error()));
    result = *std::move(ran);
  }
  co_return process_ended(run, call, result);
}

std::expected<Engine::CallResult, Problem> Engine::process_ended(LiveRun& run, const Machine::Call& call,
                                                                 const script::ProcessResult& result) {
  const auto& task = std::get<RunTask>(call.task->body);
  const bool asks_for_code = task.what == RunTask::Return::code || task.what == RunTask::Return::all;
  if (result.code != 0 && !asks_for_code)
    return std::unexpected(
        standard_problem("runtime", 500, "The process failed", fmt::format("it ended with status {}", result.code)));
  auto passed = guard_json(run, to_text(returned(task, result, call.input)));
  if (!passed || passed->verdict >= policy::Verdict::human)
    return std::unexpected(standard_problem("authorization", 403, "Blocked by policy",
                                            "the process's output contains what the policy blocks"));
  CallResult made;
  made.output = std::move(passed->content);
  made.decision = std::move(passed->decision);
  return made;
}

}  // namespace sb::flow
