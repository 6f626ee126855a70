#include "flow/lifecycle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/log.h"
#include "base/wildcard.h"

namespace sb::flow {
namespace {

struct LifecycleKind {
  Lifecycle what;
  bool of_task;
  std::string_view type;
  const char* at;  ///< what the data calls its time
};

constexpr std::array kLifecycleKinds{
    LifecycleKind{Lifecycle::started, false, "io.serverlessworkflow.workflow.started.v1", "startedAt"},
    LifecycleKind{Lifecycle::suspended, false, "io.serverlessworkflow.workflow.suspended.v1", "suspendedAt"},
    LifecycleKind{Lifecycle::resumed, false, "io.serverlessworkflow.workflow.resumed.v1", "resumedAt"},
    LifecycleKind{Lifecycle::correlation_started, false, "io.serverlessworkflow.workflow.correlation-started.v1",
                  "startedAt"},
    LifecycleKind{Lifecycle::correlation_completed, false, "io.serverlessworkflow.workflow.correlation-completed.v1",
                  "completedAt"},
    LifecycleKind{Lifecycle::cancelled, false, "io.serverlessworkflow.workflow.cancelled.v1", "cancelledAt"},
    LifecycleKind{Lifecycle::faulted, false, "io.serverlessworkflow.workflow.faulted.v1", "faultedAt"},
    LifecycleKind{Lifecycle::completed, false, "io.serverlessworkflow.workflow.completed.v1", "completedAt"},
    LifecycleKind{Lifecycle::created, true, "io.serverlessworkflow.task.created.v1", "createdAt"},
    LifecycleKind{Lifecycle::started, true, "io.serverlessworkflow.task.started.v1", "startedAt"},
    LifecycleKind{Lifecycle::suspended, true, "io.serverlessworkflow.task.suspended.v1", "suspendedAt"},
    LifecycleKind{Lifecycle::resumed, true, "io.serverlessworkflow.task.resumed.v1", "resumedAt"},
    LifecycleKind{Lifecycle::retried, true, "io.serverlessworkflow.task.retried.v1", "retriedAt"},
    LifecycleKind{Lifecycle::cancelled, true, "io.serverlessworkflow.task.cancelled.v1", "cancelledAt"},
    LifecycleKind{Lifecycle::faulted, true, "io.serverlessworkflow.task.faulted.v1", "faultedAt"},
    LifecycleKind{Lifecycle::completed, true, "io.serverlessworkflow.task.completed.v1", "completedAt"},
};

const LifecycleKind* kind_of(const LifecycleMark& mark) {
  const auto* found = std::ranges::find_if(kLifecycleKinds, [&](const LifecycleKind& kind) {
    return kind.what == mark.what && kind.of_task == (mark.task != nullptr);
  });
  return found == kLifecycleKinds.end() ? nullptr : found;
}

}  // namespace

bool LifecycleOptions::observes(const Flow& flow) const {
  if (types.empty()) return false;
  const std::string name = flow.ns + "/" + flow.name;
  return flows.empty() ||
         std::ranges::any_of(flows, [&](const std::string& pattern) { return fits_wildcard(pattern, name); });
}

bool LifecycleOptions::wants(std::string_view type) const {
  return !type.empty() &&
         std::ranges::any_of(types, [&](const std::string& pattern) { return fits_wildcard(pattern, type); });
}

std::span<const std::string_view> lifecycle_types() {
  static constexpr auto kTypes = [] {
    std::array<std::string_view, kLifecycleKinds.size()> types;
    std::ranges::transform(kLifecycleKinds, types.begin(), &LifecycleKind::type);
    return types;
  }();
  return kTypes;
}

std::string_view lifecycle_type(const LifecycleMark& mark) {
  const auto* kind = kind_of(mark);
  return kind ? kind->type : std::string_view();
}

// REQUIRES a type. `partitionkey`: a topic keeps the order of one run's events.
json::object lifecycle_event(const LifecycleMark& mark, const LifecycleSource& source, std::uint64_t seq) {
  const LifecycleKind& kind = *kind_of(mark);
  const Flow& flow = source.flow;
  const std::string name = fmt::format("{}-{}.{}", flow.name, source.run, flow.ns), at = rfc3339(mark.at_us);
  json::object data{{kind.of_task ? "workflow" : "name", name}};
  if (mark.task) data["task"] = mark.task->ref;
  if (mark.what == Lifecycle::started && !mark.task)
    data["definition"] = json::object{{"name", flow.name}, {"namespace", flow.ns}, {"version", flow.version}};
  data[kind.at] = at;
  return {{"specversion", "1.0"},
          {"id", fmt::format("{}-lifecycle-{}", source.run, seq)},
          {"source", fmt::format("/flows/{}/{}", flow.ns, flow.name)},
          {"type", kind.type},
          {"subject", source.run},
          {"time", at},
          {"partitionkey", source.run},
          {"datacontenttype", "application/json"},
          {"data", std::move(data)}};
}

json::object lifecycle_content(const LifecycleMark& mark, bool with_output) {
  json::object content;
  if (mark.error) content["error"] = mark.error->to_json();
  if (mark.output && with_output) content["output"] = mark.output->value();
  if (!mark.correlated.empty()) content["correlationKeys"] = mark.correlated;
  return content;
}

void keep_content(json::object& event) {
  auto& data = event["data"].as_object();
  data.erase("output");
  data.erase("correlationKeys");
  const auto* error = data.if_contains("error");
  if (!error) return;
  const auto told = Problem::from_json(*error);
  data["error"] = json::object{{"type", is_standard_error(told.type) ? told.type : error_type("runtime")},
                               {"status", told.status},
                               {"title", "Kept here by policy"}};
}

}  // namespace sb::flow
