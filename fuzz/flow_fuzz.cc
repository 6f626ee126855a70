// Flow documents as anybody may register them: refused with findings, or run until they need somebody else, with a
// checkpoint on the way that leads to the same place.
#include "flow/engine.h"
#include "flow/graph.h"

using namespace sb;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto report = flow::check_flow(text, flow::builtin_functions());
  SB_ASSERT(report.flow || !report.findings.empty());
  if (!report.flow) return 0;
  (void)flow::mermaid_graph(*report.flow);
  (void)flow::svg_graph(*report.flow);
  const flow::Data input(json::value(json::object{{"n", 1}, {"list", json::array{1, 2}}}));
  flow::Machine machine(report.flow, {"run", 1}, input);
  const auto action = machine.next(1);
  if (std::holds_alternative<flow::Machine::Done>(action) || std::holds_alternative<flow::Machine::Faulted>(action))
    return 0;
  auto restored = flow::Machine::restore(report.flow, {"run", 1}, input, machine.checkpoint());
  SB_ASSERT(restored);
  SB_ASSERT(restored->next(1).index() == action.index());
  return 0;
}
