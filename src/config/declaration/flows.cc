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
bool is_container_word(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-';
  };
  return !text.empty() && text.size() <= 128 && text.front() != '-' && text.front() != '.' &&
         std::ranges::all_of(text, fits);
}
// The host's own network is no network of containers.
bool is_network(std::string_view text) {
  return is_container_word(text) && text != "host";
}
bool is_user(std::string_view text) {
  const auto colon = text.find(':');
  return text.empty() || (is_container_word(text.substr(0, colon)) &&
                          (colon == std::string_view::npos || is_container_word(text.substr(colon + 1))));
}
// No comma or quote: the runtime reads a mount as a list.
bool is_mountable(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-' || c == '/';
  };
  return text.size() > 1 && text.size() <= 1024 && text.front() == '/' && std::ranges::all_of(text, fits);
}
bool is_program(std::string_view text) {
  return !text.empty() && text.size() <= 1024 && (text.front() == '/' || !text.contains('/')) && text.front() != '-';
}
bool is_bare_file(std::string_view text) {
  return text.size() <= 255 && !text.contains('/') && !text.starts_with('.');
}

constexpr TextForm kFindingType{"^[A-Z][A-Z0-9_]{0,31}$", "a type of findings, such as IBAN", is_finding_type};
constexpr TextForm kNetwork{"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$",
                            "the name of a network of the runtime's, but not host", is_network};
constexpr TextForm kUser{"^([A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?)?$",
                         "a user or user:group, by name or number", is_user};
constexpr TextForm kMountable{"^/[A-Za-z0-9_./-]{1,1023}$", "an absolute path of letters, digits, `.`, `_` and `-`",
                              is_mountable};
constexpr TextForm kProgram{"^(/.*|[^/-][^/]*)$", "the name of a program, or its absolute path", is_program};
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
  using V = ContainerVolumeConfig;
  auto volume = declare<V>("One folder of the host that containers may have.")
                    .text("folder", &V::folder,
                          {.about = "Its absolute path, as flows name it; folders below it are not meant.",
                           .form = &kMountable,
                           .required = true})
                    .boolean("write", &V::write, {.about = "Whether containers may write there."});
  using C = ContainersConfig;
  auto containers =
      declare<C>(
          "Containers that flows may run (`run: container`), by a runtime of this machine. All run without "
          "capabilities "
          "and without gaining privileges. Without this section a flow with a container is refused.")
          .text("runtime", &C::runtime,
                {.about = "A program that takes Docker's command line: docker, podman, nerdctl; its name or path.",
                 .form = &kProgram,
                 .required = true})
          .texts(
              "images", &C::images,
              {.about = "Images that may run, as flows name them, such as `registry.example.org/team/*` or, by digest "
                        "alone, `registry.example.org/team/*@sha256:*`; a `*` stands for any text without `/`. "
                        "Without any none runs.",
               .max = 1000})
          .list("volumes", &C::volumes, volume, {.about = "Folders of the host that they may have.", .max = 100})
          .text("network", &C::network,
                {.about = "Network of the runtime's that they are in; `none` is no network.", .form = &kNetwork})
          .text("user", &C::user,
                {.about = "User, or user:group, that they run as; empty is the image's.", .form = &kUser})
          .boolean("read_only", &C::read_only,
                   {.about = "Whether their root is read-only, with 64 MB of their own at /tmp."})
          .boolean("pull", &C::pull,
                   {.about = "Whether images may be pulled; else those run that are on this machine already."})
          .integer("memory_mb", &C::memory_mb, {.about = "Memory of each.", .unit = "MB", .min = 6, .max = 1'048'576})
          .integer("cpu_percent", &C::cpu_percent,
                   {.about = "Processor time of each; 100 is one processor.", .unit = "%", .min = 1, .max = 25'600})
          .integer("pids", &C::pids,
                   {.about = "Processes and threads of each.", .unit = "processes", .min = 1, .max = 100'000})
          .integer("seconds", &C::seconds,
                   {.about = "Time of each; then it is stopped.", .unit = "s", .min = 1, .max = 604'800})
          .integer("output_kb", &C::output_kb,
                   {.about = "What each may write to stdout, and to stderr; beyond it it is stopped.",
                    .unit = "KB",
                    .min = 1,
                    .max = 65'536})
          .integer("at_once", &C::at_once,
                   {.about = "Containers that run at once; others wait.", .unit = "containers", .min = 1, .max = 1'000})
          .integer("keep_hours", &C::keep_hours,
                   {.about = "How long those stay after their end that their flow does not want removed (the DSL's "
                             "`cleanup: never`, which is its default); 0: for ever.",
                    .unit = "h",
                    .max = 8'760});
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
      .section("containers", &F::containers, containers)
      .section("lifecycle", &F::lifecycle, lifecycle)
      .section("at_work", &F::at_work, at_work)
      .integer("checkpoint_mb", &F::checkpoint_mb,
               {.about = "Checkpoints that are kept of each run, so that it can be retried or forked from its earlier "
                         "steps; 0: none, then it can only be retried where it failed.",
                .unit = "MB",
                .max = 1'000});
}

}  // namespace sb::config
