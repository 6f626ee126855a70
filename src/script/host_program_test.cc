// Programs of the operator's: what they are given, and how they end.
#include "script/host_program.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <optional>

namespace sb::script {
namespace {

HostProgram shell(std::string command) {
  HostProgram program;
  program.arguments = {"/bin/sh", "-c", std::move(command)};
  program.environment = {"PATH=/usr/bin:/bin"};
  return program;
}

Result<ProcessResult> run_it(HostProgram program, CancelSource* cancel = nullptr) {
  asio::io_context io;
  std::optional<Result<ProcessResult>> result;
  program.cancel = cancel;
  asio::co_spawn(io, run_host_program(std::move(program)),
                 [&](const std::exception_ptr&, Result<ProcessResult> came) { result = std::move(came); });
  io.run();
  return *std::move(result);
}

TEST(HostProgram, HasItsInputWholeAndGivesBothStreamsAndItsStatus) {
  auto program = shell("wc -c; cat >&2 </dev/null; echo oops >&2; exit 3");
  program.input = std::string(3 << 20, 'x');
  const auto result = run_it(std::move(program));
  ASSERT_TRUE(result) << result.error().detail;
  EXPECT_EQ(result->code, 3);
  EXPECT_EQ(result->output, "3145728\n");
  EXPECT_EQ(result->error, "oops\n");
}

TEST(HostProgram, MayWriteToBothStreamsAsMuchAsThePipesDoNotHold) {
  const auto result = run_it(shell("head -c 500000 /dev/zero >&2; head -c 500000 /dev/zero; cat"));
  ASSERT_TRUE(result) << result.error().detail;
  EXPECT_EQ(result->output.size(), 500'000U);
  EXPECT_EQ(result->error.size(), 500'000U);
}

TEST(HostProgram, WhoWritesTooMuchIsKilled) {
  auto program = shell("yes >&2");
  program.output_bytes_max = 100'000;
  program.keeps_output = false;
  const auto result = run_it(std::move(program));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::too_large);
}

TEST(HostProgram, IsKilledWithItsChildrenWhenItsTimeIsUp) {
  auto program = shell("sleep 1000 & echo $!; wait");
  program.time_max = std::chrono::milliseconds(100);
  const auto result = run_it(std::move(program));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::deadline_exceeded);
}

TEST(HostProgram, IsKilledWhenItIsNotWantedAnyMore) {
  asio::io_context io;
  CancelSource cancel;
  std::optional<Result<ProcessResult>> result;
  auto program = shell("sleep 1000");
  program.cancel = &cancel;
  asio::co_spawn(io, run_host_program(std::move(program)),
                 [&](const std::exception_ptr&, Result<ProcessResult> came) { result = std::move(came); });
  asio::post(io, [&] { cancel.cancel(); });
  io.run();
  ASSERT_TRUE(result && !*result);
  EXPECT_EQ(result->error().code, Errc::cancelled);
  EXPECT_EQ(run_it(shell("true"), &cancel).error().code, Errc::cancelled);
}

TEST(HostProgram, NobodyWaitsForWhatHoldsItsStreamsBehindIt) {
  const auto result = run_it(shell("sleep 1000 & echo $!"));
  ASSERT_TRUE(result) << result.error().detail;
  const auto left = std::atoi(result->output.c_str());
  EXPECT_GT(left, 0);
  EXPECT_EQ(::kill(left, SIGKILL), 0);
}

TEST(HostProgram, WhatIsNotThereEndsAsAShellWouldSayIt) {
  auto program = shell("");
  program.arguments = {"/no/such/program"};
  const auto result = run_it(std::move(program));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->code, 127);
  EXPECT_EQ(find_program("/no/such/program").error().code, Errc::not_found);
  EXPECT_EQ(find_program("no-such-program").error().code, Errc::not_found);
  EXPECT_TRUE(find_program("sh")->starts_with('/'));
}

TEST(HostProgram, TheEnvironmentHasNoSecretsOfTheServer) {
  ::setenv("OPENAI_API_KEY", "sk-live", 1);
  ::setenv("DOCKER_HOST", "unix:///run/other.sock", 1);
  const auto environment = host_environment();
  const auto has = [&](std::string_view text) { return std::ranges::find(environment, text) != environment.end(); };
  EXPECT_TRUE(has("DOCKER_HOST=unix:///run/other.sock"));
  EXPECT_FALSE(has("OPENAI_API_KEY=sk-live"));
  ::unsetenv("OPENAI_API_KEY");
  ::unsetenv("DOCKER_HOST");
}

}  // namespace
}  // namespace sb::script
