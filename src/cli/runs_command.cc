#include "cli/runs_command.h"

#include <fmt/format.h>

#include <ostream>

#include "cli/api_client.h"
#include "http/message.h"

namespace sb::cli {
namespace {

int print_run(const Invocation& it, const Result<json::value>& answer) {
  if (!answer) return it.fail(answer.error());
  it.out << to_text(*answer) << '\n';
  return kExitOk;
}

std::string query_of(const Invocation& it) {
  std::string query = "limit=" + it.get("limit");
  for (const char* name : {"flow", "status", "tag"}) {
    if (it.has(name)) query += fmt::format("&{}={}", name, http::percent_encode(it.get(name)));
  }
  if (it.has("forks-of")) query += "&forked_from=" + http::percent_encode(it.get("forks-of"));
  return query;
}

int list_runs(const Invocation& it) {
  const auto answer = call_api(it, "GET", "/api/v1/runs?" + query_of(it));
  if (!answer || it.has("json")) return print_run(it, answer);
  for (const auto& run : find_member(*answer, "runs")->get_array()) {
    it.out << fmt::format("{}  {:<9} {}  {}\n", string_member(run, "id"), string_member(run, "status"),
                          string_member(run, "createdAt").substr(0, 19), string_member(run, "flow"));
  }
  return kExitOk;
}

int note(const Invocation& it, std::string_view noun, const json::object& said) {
  const auto answer = call_api(it, "POST", fmt::format("/api/v1/runs/{}/{}", it.position("id"), noun), to_text(said));
  return answer ? kExitOk : it.fail(answer.error());
}

int tag(const Invocation& it) {
  return note(it, "tags", {{"name", it.position("name")}, {"value", it.position("value")}});
}

int annotate(const Invocation& it) {
  return note(it, "annotations", {{"text", it.position("text")}});
}

// `0.9` and `true` are a number and a truth; what else there is, and what --type says, is a text.
int score(const Invocation& it) {
  const std::string text = it.position("value"), type = it.get("type");
  const auto parsed = parse_json(text);
  const bool is_text = type == "CATEGORICAL" || !parsed || !(parsed->is_number() || parsed->is_bool());
  json::object said{{"name", it.position("name")}, {"value", is_text ? json::value(text) : *parsed}};
  if (!type.empty()) said["dataType"] = type;
  if (it.has("comment")) said["comment"] = it.get("comment");
  said["source"] = "ANNOTATION";
  return note(it, "scores", said);
}

// What only a program reads is a number; the rest is sent as JSON, or as a text where it is none.
json::object goal_of(const Invocation& it) {
  json::object goal;
  if (it.has("from")) goal["from"] = it.get("from");
  if (it.has("step")) goal["step"] = parse_json(it.get("step")).value_or(json::value(it.get("step")));
  return goal;
}

int order(const Invocation& it, std::string_view verb, const json::object& said) {
  const auto answer = call_api(it, "POST", fmt::format("/api/v1/runs/{}/{}", it.position("id"), verb), to_text(said));
  if (!answer) return it.fail(answer.error());
  it.out << string_member(*answer, "id") << '\n';
  return kExitOk;
}

int retry(const Invocation& it) {
  return order(it, "retry", goal_of(it));
}

int fork_of(const Invocation& it) {
  json::object said = goal_of(it);
  for (const char* name : {"input", "context"}) {
    if (!it.has(name)) continue;
    auto told = parse_json(it.get(name));
    if (!told) return it.fail(Error(Errc::invalid_argument, fmt::format("--{} is no JSON", name)));
    said[name] = *std::move(told);
  }
  return order(it, "fork", said);
}

}  // namespace

Command runs_command() {
  Command runs("runs", "what runs did, and what people note on them");
  add_api_flags(runs.add(Command("list", "runs, newest first"))
                    .option("flow", "NAME", "of this flow: namespace/name")
                    .option("status", "STATUS", "pending, running, waiting, suspended, cancelled, faulted, completed")
                    .option("tag", "NAME:VALUE", "with this tag")
                    .option("forks-of", "ID", "that were forked from this run")
                    .option("limit", "N", "at most so many", "50")
                    .toggle("json", "as JSON")
                    .example("signalbox runs list --tag team:beta", "what a team's runs did")
                    .run(list_runs));
  add_api_flags(runs.add(Command("show", "one run with its steps, tags, annotations and scores"))
                    .required("id", "the run's id")
                    .run([](const Invocation& it) {
                      return print_run(it, call_api(it, "GET", "/api/v1/runs/" + it.position("id")));
                    }));
  add_api_flags(runs.add(Command("retry", "a run that failed or was cancelled goes on"))
                    .required("id", "the run's id")
                    .option("from", "TASK", "from this task, as `ref` of its steps; without it, where it failed")
                    .option("step", "N", "from the step of that index")
                    .example("signalbox runs retry ID --from /do/2/pay", "what came before is not done again")
                    .run(retry));
  add_api_flags(runs.add(Command("fork", "a new run begins where another one stood"))
                    .required("id", "the other run's id")
                    .option("from", "TASK", "before this task; without it, at the beginning")
                    .option("step", "N", "before the step of that index")
                    .option("input", "JSON", "what the task has as its input")
                    .option("context", "JSON", "the flow's context there")
                    .example("signalbox runs fork ID --step 4 --input '{\"n\": 2}'", "what if")
                    .run(fork_of));
  add_api_flags(runs.add(Command("tag", "a name and a value, by which runs are found and costs are told apart"))
                    .required("id", "the run's id")
                    .required("name", "letters, digits, '.', '_' and '-'")
                    .required("value", "no personal data")
                    .example("signalbox runs tag ID team beta", "GET /api/v1/costs tells what the team spent")
                    .run(tag));
  add_api_flags(runs.add(Command("annotate", "a text, sealed as the run's contents are"))
                    .required("id", "the run's id")
                    .required("text", "what is to be noted")
                    .run(annotate));
  add_api_flags(runs.add(Command("score", "how good a run is, in Langfuse's words"))
                    .required("id", "the run's id")
                    .required("name", "of what")
                    .required("value", "a number, true or false, or a word")
                    .option("type", "TYPE", "NUMERIC, CATEGORICAL or BOOLEAN; without it, what the value looks like")
                    .option("comment", "TEXT", "why")
                    .example("signalbox runs score ID helpful 0.8 --comment 'short, and right'", "a person's judgement")
                    .run(score));
  return runs;
}

}  // namespace sb::cli
