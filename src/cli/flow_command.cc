#include "cli/flow_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <ostream>

#include "base/bytes.h"
#include "base/yaml.h"
#include "cli/api_client.h"
#include "flow/engine.h"
#include "flow/graph.h"

namespace sb::cli {
namespace {

std::optional<std::string> read_text(const Invocation& it, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    it.err << path << ": cannot be read\n";
    return std::nullopt;
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// The flow, its findings told; null where it is refused.
std::shared_ptr<const flow::Flow> read_flow(const Invocation& it, const std::string& path) {
  const auto text = read_text(it, path);
  if (!text) return nullptr;
  const auto report = flow::check_flow(*text, flow::builtin_functions());
  for (const auto& finding : report.findings) it.err << finding.to_string(path) << '\n';
  return report.flow;
}

int validate(const Invocation& it) {
  int status = kExitOk;
  for (const auto& path : it.rest()) {
    if (const auto flow = read_flow(it, path))
      it.out << fmt::format("{}: {} is valid\n", path, flow->id());
    else
      status = kExitFailed;
  }
  return status;
}

int graph(const Invocation& it) {
  const auto flow = read_flow(it, it.position("file"));
  if (!flow) return kExitFailed;
  it.out << (it.get("format") == "svg" ? flow::svg_graph(*flow) : flow::mermaid_graph(*flow));
  return kExitOk;
}

int run(const Invocation& it) {
  const auto flow = read_flow(it, it.position("file"));
  if (!flow) return kExitFailed;
  const auto input = parse_yaml(it.get("input"));  // JSON is YAML
  if (!input) return it.fail(Error(input.error().code, "--input: " + input.error().detail));
  if (const auto added = call_api(it, "POST", "/api/v1/flows", flow->source); !added) return it.fail(added.error());
  const json::object body{{"input", input->value}, {"version", flow->version}, {"wait", true}};
  const auto made = call_api(it, "POST", fmt::format("/api/v1/flows/{}/{}/runs", flow->ns, flow->name), to_text(body));
  if (!made) return it.fail(made.error());
  const auto status = string_member(*made, "status");
  if (it.has("tasks")) {
    if (const auto* tasks = find_member(*made, "tasks"); tasks && tasks->is_array()) {
      for (const auto& task : tasks->get_array())
        it.err << fmt::format("{:<10} {:<8} {}\n", string_member(task, "status"), string_member(task, "kind"),
                              string_member(task, "ref"));
    }
  }
  if (status == "completed") {
    it.out << to_text(made->at("output")) << '\n';
    return kExitOk;
  }
  it.err << fmt::format("run {} is {}\n", string_member(*made, "id"), status);
  if (const auto* error = find_member(*made, "error"); error && !error->is_null()) it.err << to_text(*error) << '\n';
  return kExitFailed;
}

int functions(const Invocation& it) {
  const std::string wanted = it.position("function");
  const auto* one = wanted.empty() ? nullptr : flow::our_function(wanted);
  if (one) {
    it.out << to_text(one->schema) << '\n';
    return kExitOk;
  }
  if (!wanted.empty()) {
    const auto near = nearest(wanted, flow::builtin_functions());
    return it.fail(Error(Errc::not_found, fmt::format("no function is called `{}`{}", wanted,
                                                      near ? fmt::format("; did you mean `{}`?", *near) : "")));
  }
  for (const auto& function : flow::our_functions())
    it.out << fmt::format("{:<9} {}\n", function.name, function.summary);
  return kExitOk;
}

}  // namespace

Command flow_command() {
  Command flow("flow", "flows in the Open Workflow DSL");
  flow.add(Command("validate", "check flow documents without running them"))
      .repeated_positions("file", "YAML or JSON documents")
      .example("signalbox flow validate flows/chat.yaml", "line and column of whatever is wrong")
      .run(validate);
  flow.add(Command("graph", "a picture of a flow"))
      .required("file", "YAML or JSON document")
      .option("format", "FORMAT", "mermaid or svg", "mermaid")
      .example("signalbox flow graph flows/chat.yaml --format svg > chat.svg", "tasks as boxes, jumps as arcs")
      .run(graph);
  flow.add(Command("functions", "what `call` may name beside the DSL's own, and what each takes"))
      .optional("function", "its JSON Schema")
      .example("signalbox flow functions chat", "the schema of what stands in `with`")
      .run(functions);
  add_api_flags(flow.add(Command("run", "register a flow at a running server and run it to its end"))
                    .required("file", "YAML or JSON document")
                    .option("input", "JSON", "the run's input, as JSON or YAML", "{}")
                    .toggle("tasks", "list the tasks it ran on standard error")
                    .example("signalbox flow run greet.yaml --input '{\"name\": \"Ann\"}'", "prints the output")
                    .run(run));
  return flow;
}

}  // namespace sb::cli
