// `flows`: documents, and what of the world they reach.
#include <algorithm>
#include <string_view>

#include "config/declaration/sections.h"

namespace sb::config {
namespace {

bool is_finding_type(std::string_view text) {
  const auto fits = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; };
  return !text.empty() && text.size() <= 32 && text.front() >= 'A' && text.front() <= 'Z' &&
         std::ranges::all_of(text, fits);
}
bool is_bare_file(std::string_view text) {
  return text.size() <= 255 && !text.contains('/') && !text.starts_with('.');
}

constexpr TextForm kFindingType{"^[A-Z][A-Z0-9_]{0,31}$", "a type of findings, such as IBAN", is_finding_type};
constexpr TextForm kBareFile{"^([^./][^/]{0,254})?$", "a file name without folders", is_bare_file};

}  // namespace

Declaration<FlowsConfig> flows_section() {
  using H = FlowHostConfig;
  auto host =
      declare<H>("One host that flows may call.")
          .text("name", &H::name,
                {.about = "`host`, `host:port` or `*.domain`, as the URLs of flows have it.", .required = true})
          .text("via", &H::via, {.about = "Base URL that its requests go to instead; empty is the host itself."})
          .texts(
              "restore", &H::restore,
              {.about = "Types of findings that it gets in clear, over HTTPS at the port of `name` (443) or by `via`; "
                        "rules that tokenise them must say `restore: caller_and_services`.",
               .max = 64,
               .form = &kFindingType});
  using S = FlowSecretConfig;
  auto secret =
      declare<S>("One secret that flows may name under `use.secrets`.")
          .text("name", &S::name, {.about = "Its name in `$secrets` and in authentications.", .required = true})
          .secret("value", &S::value, {.about = "Text, or a JSON object such as {username, password}."});
  using L = LifecycleConfig;
  auto lifecycle =
      declare<L>("What becomes of runs and tasks, as CloudEvents of the DSL: for flows that listen and for Kafka.")
          .texts("types", &L::types,
                 {.about = "Types of events that are told, such as `io.serverlessworkflow.workflow.*`; a `*` stands "
                           "for any text. Without any nothing is told.",
                  .max = 64})
          .texts(
              "flows", &L::flows,
              {.about = "Flows whose runs are told of, as `namespace/name`; a `*` stands for any text. Without any it "
                        "is all of them.",
               .max = 1000})
          .boolean("output", &L::output,
                   {.about = "Whether `completed` says what the run or task gave, as the policy lets it out."});
  using W = WorkLimitConfig;
  const auto limit_of = [](const char* whose, const char* name) {
    return declare<W>(whose)
        .text("name", &W::name, {.about = name, .required = true})
        .integer("limit", &W::limit,
                 {.about = "Runs of it at work at once; 0: no limit.", .unit = "runs", .max = 100'000});
  };
  using A = AtWorkConfig;
  auto at_work =
      declare<A>(
          "How many runs are at work at once; the others wait for their turn, tenants in turn. A run that rests "
          "(a wait, a review, an event), or waits for a run that it started, is not at work.")
          .integer("all", &A::all, {.about = "In all; 0: no limit.", .unit = "runs", .max = 100'000})
          .integer("per_tenant", &A::per_tenant,
                   {.about = "Of each tenant; 0: no limit.", .unit = "runs", .max = 100'000})
          .list("tenants", &A::tenants, limit_of("One tenant's limit.", "Its name."),
                {.about = "Of these tenants, in place of `per_tenant`.", .max = 10'000})
          .list("flows", &A::flows, limit_of("One flow's limit.", "`namespace/name`; all its versions together."),
                {.about = "Of these flows, of all tenants together.", .max = 10'000})
          .integer("queue", &A::queue,
                   {.about = "New runs of one tenant that may wait; beyond it requests are refused (429), and Kafka's "
                             "records and events stay where they are.",
                    .unit = "runs",
                    .max = 100'000});
  using F = FlowsConfig;
  return declare<F>("Flows in the Open Workflow DSL.")
      .path("dir", &F::dir, {.about = "Folder of flow documents; empty is the built-in flows alone."})
      .path("catalog", &F::catalog,
            {.about = "Folder of the catalog `default`: `functions/NAME/VERSION/function.yaml` below it is what flows "
                      "call as `NAME:VERSION@default`, and PATH below it is what `file://PATH` of a proto is; empty is "
                      "no such "
                      "folder."})
      .text(
          "chat", &F::chat,
          {.about = "File in that folder that drives chat completions; empty is the built-in one.", .form = &kBareFile})
      .list("hosts", &F::hosts, host,
            {.about = "Hosts that flows may call; a host that is not here is not called.", .max = 1000})
      .list("secrets", &F::secrets, secret, {.about = "Secrets of flows.", .max = 1000})
      .boolean("shell", &F::shell, {.about = "Whether `run: shell` may start a walled-in shell."})
      .boolean("python", &F::python, {.about = "Whether `run: script` may start a walled-in Python."})
      .section("lifecycle", &F::lifecycle, lifecycle)
      .section("at_work", &F::at_work, at_work)
      .integer("checkpoint_mb", &F::checkpoint_mb,
               {.about = "Checkpoints that are kept of each run, so that it can be retried or forked from its earlier "
                         "steps; 0: none, then it can only be retried where it failed.",
                .unit = "MB",
                .max = 1'000});
}

}  // namespace sb::config
