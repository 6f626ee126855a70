// What a flow says of a container, and the command line that comes of it.
#include "flow/containers.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "flow/dsl/catalogs.h"
#include "flow/dsl/functions.h"

namespace sb::flow {
namespace {

using testing::Test;

const std::string kDigest = "sha256:" + std::string(64, 'a');

ContainerOptions podman() {
  ContainerOptions options;
  options.runtime = "/usr/bin/podman";
  options.images = {"registry.test/team/*", "pinned/*@sha256:*", "alpine:3.20"};
  options.volumes = {{"/srv/in", false}, {"/srv/out", true}};
  options.instance = "abc";
  return options;
}

RunId some_run() {
  return *RunId::parse("0197a000-0000-7000-8000-000000000001");
}

ContainerSpec spec_of(std::string_view with) {
  auto spec = ContainerSpec::read(*parse_json(with));
  EXPECT_TRUE(spec) << spec.error().detail;
  return *std::move(spec);
}

std::vector<std::string> command_of(std::string_view with, const ContainerOptions& options = podman()) {
  const auto spec = spec_of(with);
  EXPECT_TRUE(check_container(spec, options));
  return run_command(options, spec, some_run(), 7);
}

bool has(const std::vector<std::string>& command, std::string_view argument) {
  return std::ranges::find(command, argument) != command.end();
}

TEST(Container, RunsWithoutPrivilegesNetworkOrMoreThanItsShare) {
  const auto command = command_of(R"({"image": "alpine:3.20"})");
  const std::vector<std::string> expected{"/usr/bin/podman",
                                          "run",
                                          "--name=signalbox-abc-0197a000-0000-7000-8000-000000000001-7",
                                          "--detach",
                                          "--pull=never",
                                          "--network=none",
                                          "--cap-drop=ALL",
                                          "--security-opt=no-new-privileges",
                                          "--read-only",
                                          "--tmpfs=/tmp:rw,noexec,nosuid,nodev,size=64m",
                                          "--memory=256m",
                                          "--cpus=1.00",
                                          "--pids-limit=128",
                                          "--log-driver=json-file",
                                          "--stop-timeout=2",
                                          "--label=dev.signalbox.instance=abc",
                                          "--label=dev.signalbox.run=0197a000-0000-7000-8000-000000000001",
                                          "--label=dev.signalbox.effect=7",
                                          "--label=dev.signalbox.seconds=300",
                                          "--label=dev.signalbox.keep-seconds=-1",
                                          "alpine:3.20"};
  EXPECT_EQ(command, expected);
}

TEST(Container, TheOperatorsWishesAreOptions) {
  auto options = podman();
  options.network = "jobs";
  options.user = "1000:1000";
  options.read_only = false;
  options.pull = true;
  options.memory_mb = 64;
  options.cpu_percent = 205;
  options.pids = 9;
  const auto command = command_of(R"({"image": "alpine:3.20"})", options);
  for (const auto* wanted : {"--network=jobs", "--user=1000:1000", "--memory=64m", "--cpus=2.05", "--pids-limit=9",
                             "--pull=missing", "--cap-drop=ALL", "--security-opt=no-new-privileges"})
    EXPECT_TRUE(has(command, wanted)) << wanted;
  EXPECT_FALSE(has(command, "--read-only"));
  EXPECT_TRUE(has(command_of(R"({"image": "alpine:3.20", "pullPolicy": "always"})", options), "--pull=always"));
  EXPECT_TRUE(has(command_of(R"({"image": "alpine:3.20", "pullPolicy": "never"})", options), "--pull=never"));
}

TEST(Container, WhatTheFlowSaysIsThereAsItIs) {
  const auto command = command_of(R"({"image": "alpine:3.20", "name": "the-box", "command": "cat; echo $1",
      "arguments": ["a b", 3], "stdin": {"a": 1}, "environment": {"A": "x=y\nz", "N": 5},
      "volumes": {"/srv/in": "/in", "/srv/out": "/data/out"}, "lifetime": {"cleanup": "eventually", "after": "PT90S"}})");
  for (const auto* wanted :
       {"--interactive", "--attach=stdin", "--env=A=x=y\nz", "--env=N=5", "--label=dev.signalbox.name=the-box",
        "--mount=type=bind,source=/srv/in,target=/in,readonly", "--mount=type=bind,source=/srv/out,target=/data/out",
        "--label=dev.signalbox.keep-seconds=90"})
    EXPECT_TRUE(has(command, wanted)) << wanted;
  EXPECT_FALSE(has(command, "--detach"));
  const std::vector<std::string> end{"alpine:3.20", "sh", "-c", "cat; echo $1", "sh", "a b", "3"};
  ASSERT_GT(command.size(), end.size());
  EXPECT_TRUE(std::equal(end.begin(), end.end(), command.end() - static_cast<std::ptrdiff_t>(end.size())));
}

TEST(Container, ArgumentsStandBehindTheImageWhateverTheyAre) {
  const auto command = command_of(R"({"image": "alpine:3.20", "arguments": ["--privileged", "-v", "/:/host", ""]})");
  const auto image = std::ranges::find(command, "alpine:3.20");
  EXPECT_LT(image, std::ranges::find(command, "--privileged"));
  EXPECT_EQ(command.end() - image, 5);
  EXPECT_TRUE(std::all_of(command.begin() + 2, image, [](const auto& option) { return option.starts_with("--"); }));
}

struct HostileCase {
  const char* name;
  const char* with;
};

class HostileContainer : public testing::TestWithParam<HostileCase> {};

TEST_P(HostileContainer, IsRefused) {
  auto options = podman();
  options.images.emplace_back("*");
  const auto spec = ContainerSpec::read(*parse_json(GetParam().with));
  EXPECT_FALSE(spec && check_container(*spec, options));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, HostileContainer,
    testing::Values(
        HostileCase{"image_is_an_option", R"({"image": "--privileged"})"},
        HostileCase{"image_is_a_short_option", R"({"image": "-v"})"}, HostileCase{"no_image", R"({"image": ""})"},
        HostileCase{"image_has_a_space", R"({"image": "alpine --privileged"})"},
        HostileCase{"image_has_a_line_end", R"({"image": "alpine\n"})"},
        HostileCase{"image_is_a_path", R"({"image": "/etc"})"}, HostileCase{"image_goes_up", R"({"image": "a/../b"})"},
        HostileCase{"image_is_a_transport", R"({"image": "docker-archive:/tmp/x.tar"})"},
        HostileCase{"image_is_a_url", R"({"image": "docker://evil.test/x"})"},
        HostileCase{"image_with_half_a_digest", R"({"image": "a@sha256:abc"})"},
        HostileCase{"image_is_no_text", R"({"image": ["alpine"]})"},
        HostileCase{"name_is_an_option", R"({"image": "alpine", "name": "--privileged"})"},
        HostileCase{"name_with_an_equals_sign", R"({"image": "alpine", "name": "a=b"})"},
        HostileCase{"variable_is_an_option", R"({"image": "alpine", "environment": {"--privileged": "x"}})"},
        HostileCase{"variable_with_an_equals_sign", R"({"image": "alpine", "environment": {"A=B": "x"}})"},
        HostileCase{"variable_without_a_name", R"({"image": "alpine", "environment": {"": "x"}})"},
        HostileCase{"variable_that_is_a_pattern", R"({"image": "alpine", "environment": {"A*": "x"}})"},
        HostileCase{"text_with_a_nul", "{\"image\": \"alpine\", \"arguments\": [\"a\\u0000b\"]}"},
        HostileCase{"folder_nobody_named", R"({"image": "alpine", "volumes": {"/etc": "/in"}})"},
        HostileCase{"folder_below_a_named_one", R"({"image": "alpine", "volumes": {"/srv/in/x": "/in"}})"},
        HostileCase{"folder_beside_it", R"({"image": "alpine", "volumes": {"/srv/in/..": "/in"}})"},
        HostileCase{"folder_with_more_options",
                    R"({"image": "alpine", "volumes": {"/srv/in,bind-propagation=shared": "/in"}})"},
        HostileCase{"target_with_an_option", R"({"image": "alpine", "volumes": {"/srv/in": "/in:rw"}})"},
        HostileCase{"target_with_more_options", R"({"image": "alpine", "volumes": {"/srv/in": "/in,readonly=false"}})"},
        HostileCase{"target_is_the_root", R"({"image": "alpine", "volumes": {"/srv/in": "/"}})"},
        HostileCase{"target_of_the_system", R"({"image": "alpine", "volumes": {"/srv/in": "/proc/sys"}})"},
        HostileCase{"target_goes_up", R"({"image": "alpine", "volumes": {"/srv/in": "/a/../proc"}})"},
        HostileCase{"volumes_are_a_list", R"({"image": "alpine", "volumes": ["/:/host"]})"},
        HostileCase{"pull_where_none_is_pulled", R"({"image": "alpine", "pullPolicy": "always"})"}),
    [](const auto& info) { return info.param.name; });

TEST(Container, TooMuchForACommandLineIsRefusedBeforeItIsOne) {
  json::object with{{"image", "alpine"}, {"arguments", json::array{json::string(std::string(200'000, 'x'))}}};
  EXPECT_FALSE(ContainerSpec::read(with));
  json::array many;
  for (int i = 0; i < 10; ++i) many.push_back(json::string(std::string(100'000, 'x')));
  with["arguments"] = many;
  EXPECT_FALSE(ContainerSpec::read(with));
  with["arguments"] = json::array();
  with["stdin"] = json::string(std::string(2'000'000, 'x'));
  EXPECT_TRUE(ContainerSpec::read(with));
}

TEST(Container, ImagesRunByPatternAndByDigestWhereItSaysSo) {
  const auto options = podman();
  const auto may = [&](const std::string& image) { return check_image(image, options).has_value(); };
  EXPECT_TRUE(may("registry.test/team/tool"));
  EXPECT_TRUE(may("registry.test/team/tool:1.2"));
  EXPECT_TRUE(may("registry.test/team/tool@" + kDigest));
  EXPECT_FALSE(may("registry.test/team/deep/tool"));
  EXPECT_FALSE(may("registry.test.evil/team/tool"));
  EXPECT_TRUE(may("alpine:3.20"));
  EXPECT_FALSE(may("alpine"));
  EXPECT_FALSE(may("evil.test/alpine:3.20"));
  EXPECT_FALSE(may("pinned/tool:1"));
  EXPECT_TRUE(may("pinned/tool:1@" + kDigest));
  EXPECT_EQ(check_image("other", options).error().code, Errc::permission_denied);
  EXPECT_FALSE(check_image("alpine", ContainerOptions()));
}

TEST(Container, WhatTheRuntimeSaysIsRead) {
  const auto running = ContainerState::read(
      R"({"state":{"Status":"running","ExitCode":0,"StartedAt":"2026-11-27T18:46:24.370223998Z"},"labels":null})");
  ASSERT_TRUE(running);
  EXPECT_TRUE(running->began && !running->ended);
  EXPECT_EQ(running->started_us, 1'795'805'184'000'000);
  const auto ended = ContainerState::read(
      R"({"state":{"Status":"exited","ExitCode":3,"FinishedAt":"2026-11-27T19:46:24+01:00"},"labels":{"a":"b"}})");
  ASSERT_TRUE(ended);
  EXPECT_TRUE(ended->began && ended->ended);
  EXPECT_EQ(ended->code, 3);
  EXPECT_EQ(ended->ended_us, running->started_us);
  EXPECT_EQ(ended->labels.at("a"), "b");
  const auto made = ContainerState::read(R"({"state":{"Status":"created"}})");
  ASSERT_TRUE(made);
  EXPECT_FALSE(made->began);
  EXPECT_FALSE(ContainerState::read("no such container"));
  EXPECT_EQ(container_time("0001-01-01T00:00:00Z"), 0);
  EXPECT_EQ(container_time(""), 0);
}

FlowReport checked(std::string_view container, const ContainerOptions* options) {
  const std::string text = std::string("document: {dsl: '1.0.3', namespace: a, name: b, version: '1.0.0'}\ndo:\n") +
                           "  - box:\n      run: {container: " + std::string(container) + "}\n";
  return check_flow(text, builtin_functions(), Cataloged(), options);
}

TEST(Container, AFlowIsHeldAgainstTheConfigurationWhenItIsRegistered) {
  const auto options = podman();
  const ContainerOptions none;
  const auto refused = [](const FlowReport& report, std::string_view why) {
    ASSERT_FALSE(report.flow);
    EXPECT_NE(report.findings.front().message.find(why), std::string::npos) << report.findings.front().message;
  };
  EXPECT_TRUE(checked("{image: 'alpine:3.20'}", &options).flow);
  EXPECT_TRUE(checked("{image: '${ .image }', environment: {'A': '${ .b }'}}", &options).flow);
  refused(checked("{image: 'alpine:3.20'}", &none), "flows.containers is not in signalbox.yaml");
  refused(checked("{image: other}", &options), "flows.containers.images");
  refused(checked("{image: '--privileged'}", &options), "no name of an image");
  refused(checked("{image: 'alpine:3.20', ports: {80: 80}}", &options), "`ports` is not supported");
  refused(checked("{image: 'alpine:3.20', volumes: {/etc: /in}}", &options), "flows.containers.volumes");
  refused(checked("{image: 'alpine:3.20', pullPolicy: always}", &options), "flows.containers.pull");
  refused(checked("{image: 'alpine:3.20', pullPolicy: sometimes}", &options), "is one of ifNotPresent");
  refused(checked("{image: 'alpine:3.20', lifetime: {cleanup: eventually}}", &options), "needs `after`");
  refused(checked("{image: 'alpine:3.20', lifetime: {cleanup: always, after: PT1S}}", &options), "eventually");
  refused(checked("{image: 'alpine:3.20', privileged: true}", &options), "the DSL has no `privileged` here");
  refused(checked("{command: ls}", &options), "needs `image`");
}

TEST(Container, AFlowAloneIsValidWithAWarning) {
  const auto report = checked("{image: other}", nullptr);
  ASSERT_TRUE(report.flow);
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_TRUE(report.findings.front().warning);
}

}  // namespace
}  // namespace sb::flow
