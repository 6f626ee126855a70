#include "cli/flow_command.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <ostream>

#include "flow/engine.h"

namespace sb::cli {
namespace {

int validate(const Invocation& it) {
  int status = kExitOk;
  for (const auto& path : it.rest()) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      it.err << path << ": cannot be read\n";
      status = kExitFailed;
      continue;
    }
    const std::string text(std::istreambuf_iterator<char>(file), {});
    const auto flow = flow::load_flow(text, path, flow::builtin_functions());
    if (flow) {
      it.out << fmt::format("{}: {} is valid\n", path, (*flow)->id());
    } else {
      it.err << flow.error().detail << '\n';
      status = kExitFailed;
    }
  }
  return status;
}

}  // namespace

Command flow_command() {
  Command flow("flow", "flows in the Open Workflow DSL");
  flow.add(Command("validate", "check flow documents without running them"))
      .repeated_positions("file", "YAML or JSON documents")
      .example("signalbox flow validate flows/chat.yaml", "line and column of what is wrong, if anything is")
      .run(validate);
  return flow;
}

}  // namespace sb::cli
