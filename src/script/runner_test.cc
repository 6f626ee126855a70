#include "script/runner.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "script/sandbox.h"
#include "script/testing.h"
#include "script/worker.h"

namespace sb::script {
namespace {

constexpr std::string_view kManifest = R"yaml(
sum:
  kind: javascript
  inline: |
    export default function (input) {
      return { total: input.items.reduce((all, item) => all + item.price, 0) };
    }
plain:
  kind: javascript
  inline: "function main(input) { return [input]; }"
later:
  kind: javascript
  inline: "export default async (input) => { await null; return input + 1; }"
never:
  kind: javascript
  inline: "export default (input) => new Promise(() => {})"
loop:
  kind: javascript
  timeout_ms: 20
  inline: "export default () => { for (;;) {} }"
regex:
  kind: javascript
  timeout_ms: 20
  inline: "export default () => /^(a+)+$/.test('a'.repeat(40) + 'b')"
hog:
  kind: javascript
  timeout_ms: 10000
  memory_mib: 8
  inline: "export default () => { const all = []; for (;;) all.push('x'.repeat(1000) + all.length); }"
deep:
  kind: javascript
  inline: "export default function f(input) { return f(input) + 1; }"
large:
  kind: javascript
  inline: "export default () => 'x'.repeat(2000000)"
nothing:
  kind: javascript
  inline: "export default () => undefined"
throws:
  kind: javascript
  inline: |
    export default (input) => {
      throw new TypeError("card " + input);
    }
random:
  kind: javascript
  inline: "export default () => Math.random()"
clock:
  kind: javascript
  inline: "export default () => Date.now()"
today:
  kind: javascript
  inline: "export default () => new Date().getTime()"
date:
  kind: javascript
  inline: "export default (input) => [new Date(input).toISOString(), new Date(input).getHours(), Date.UTC(2020, 0)]"
outside:
  kind: javascript
  inline: "export default () => [typeof require, typeof fetch, typeof process, typeof std, typeof os, typeof XMLHttpRequest, typeof setTimeout, typeof print]"
module:
  kind: javascript
  inline: "import * as std from 'std'; export default () => std.open('/etc/passwd', 'r').readAsString()"
leak:
  kind: javascript
  inline: "function main(input) { globalThis.seen = (globalThis.seen ?? 0) + 1; Object.prototype.dirty = 1; return [globalThis.seen, input.dirty ?? null]; }"
hello:
  kind: template
  inline: "Hello {{ .name }}!"
first:
  kind: jq
  inline: ".items[0].price"
)yaml";

class Runner : public testing::Test {
 protected:
  Runner() : directory_(kManifest), registry_(*ScriptRegistry::load(directory_.path())) {}

  std::string run(ScriptRunner& runner, std::string name, json::value input = nullptr) {
    std::string text = "did not end";
    asio::co_spawn(
        io_.get_executor(),
        [](ScriptRunner& r, std::string n, json::value i, std::string& out) -> Task<> {
          const auto result = co_await r.run(std::move(n), std::move(i));
          out = result ? to_text(*result) : std::string(to_string(result.error().code)) + ": " + result.error().detail;
        }(runner, std::move(name), std::move(input), text),
        asio::detached);
    io_.restart();
    io_.run();
    return text;
  }
  std::string run(std::string name, json::value input = nullptr) {
    ScriptRunner runner(io_.get_executor(), *registry_);
    return run(runner, std::move(name), std::move(input));
  }

  static constexpr int kCalls = 500;

  void time_calls(ScriptRunner& runner) {
    run(runner, "plain", 1);
    const json::value order = {{"items", {{{"price", 3}}, {{"price", 4.5}}}}};
    for (const char* name : {"sum", "first", "hello"}) {
      int failures = 0;
      const json::value input = std::string_view(name) == "hello" ? json::value{{"name", "Ada"}} : order;
      const auto begin = std::chrono::steady_clock::now();
      asio::co_spawn(
          io_.get_executor(),
          [](ScriptRunner& r, const char* n, const json::value& i, int& failed) -> Task<> {
            for (int call = 0; call < kCalls; ++call) {
              const auto result = co_await r.run(n, i);
              failed += !result;
            }
          }(runner, name, input, failures),
          asio::detached);
      io_.restart();
      io_.run();
      const auto spent = std::chrono::steady_clock::now() - begin;
      EXPECT_EQ(failures, 0) << name;
      std::printf("%s: %.1f us a call\n", name, std::chrono::duration<double, std::micro>(spent).count() / kCalls);
    }
  }

  asio::io_context io_;
  ScriptFolder directory_;
  std::unique_ptr<ScriptRegistry> registry_;
};

TEST_F(Runner, CallsScriptsOfEveryKind) {
  const json::value order = {{"items", {{{"price", 3}}, {{"price", 4.5}}}}};
  ScriptRunner runner(io_.get_executor(), *registry_);
  EXPECT_EQ(run(runner, "first", order), "3");
  EXPECT_EQ(run(runner, "hello", {{"name", "Ada"}}), "\"Hello Ada!\"");
  EXPECT_EQ(runner.counters().workers_started, 0U);
  EXPECT_EQ(run(runner, "sum", order), R"({"total":7.5E0})");
  EXPECT_EQ(run(runner, "plain", "\u00e9\""), "[\"\u00e9\\\"\"]");
  EXPECT_EQ(run(runner, "later", 41), "42");
  EXPECT_EQ(run(runner, "date", 0), R"(["1970-01-01T00:00:00.000Z",0,1577836800000])");
  EXPECT_EQ(runner.counters().workers_started, 1U);
  EXPECT_EQ(runner.counters().calls, 4U);
  EXPECT_EQ(run(runner, "summ"), "not_found: there is no script summ; did you mean sum?");
}

TEST_F(Runner, StopsScriptsAtTheirLimits) {
  ScriptRunner runner(io_.get_executor(), *registry_);
  EXPECT_EQ(run(runner, "loop"), "deadline_exceeded: script loop: it ran longer than 20 ms");
  EXPECT_EQ(run(runner, "regex"), "deadline_exceeded: script regex: it ran longer than 20 ms");
  EXPECT_EQ(run(runner, "hog"), "too_large: script hog: it needed more than 8 MiB");
  EXPECT_EQ(run(runner, "large"), "too_large: script large: its result is over 1048576 bytes");
  EXPECT_EQ(run(runner, "deep"), "invalid_argument: script deep: it threw RangeError at line 1");
  EXPECT_EQ(run(runner, "sum", json::string(2'000'000, 'x')), "too_large: script sum: the input is over 1048576 bytes");
  // None of these cost a worker.
  EXPECT_EQ(run(runner, "plain", 1), "[1]");
  EXPECT_EQ(runner.counters().workers_started, 1U);
  EXPECT_EQ(runner.counters().workers_killed, 0U);
}

TEST_F(Runner, TellsWhatWentWrongWithoutTheData) {
  EXPECT_EQ(run("throws", "4111-1111"), "invalid_argument: script throws: it threw TypeError at line 2");
  EXPECT_EQ(
      run("nothing"),
      "invalid_argument: script nothing: it returned something that JSON has no form for (undefined, a function)");
  EXPECT_EQ(run("never"),
            "invalid_argument: script never: its promise never settles: there is nothing to wait for in a script");
}

TEST_F(Runner, GivesScriptsNoClockNoRandomnessNoWayOut) {
  for (const char* name : {"random", "clock", "today"})
    EXPECT_EQ(run(name), "invalid_argument: script " + std::string(name) + ": it threw TypeError at line 1");
  EXPECT_EQ(run("outside"),
            R"(["undefined","undefined","undefined","undefined","undefined","undefined","undefined","undefined"])");
  EXPECT_TRUE(run("module").starts_with("invalid_argument: script module: ")) << run("module");
}

TEST_F(Runner, KeepsNothingFromCallToCall) {
  ScriptRunner runner(io_.get_executor(), *registry_);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(run(runner, "leak", json::object()), "[1,1]");
  EXPECT_EQ(run(runner, "plain", json::object()), "[{}]");
  EXPECT_EQ(runner.counters().workers_started, 1U);
}

TEST_F(Runner, ReplacesWorkersThatFail) {
  RunnerOptions options;
  const struct {
    const char* mode;
    const char* answer;
  } kModes[] = {
      {"test-die", "unavailable: script loop: its worker died; it was replaced"},
      {"test-garbage",
       "unavailable: script loop: the script worker gave an answer that is not of its protocol; it was replaced"},
      {"test-half", "unavailable: script loop: its worker died; it was replaced"},
      {"test-hang", "deadline_exceeded: script loop: it did not stop within 30 ms; its worker was killed"},
  };
  for (const auto& mode : kModes) {
    options.arguments = {mode.mode};
    // Only the one that hangs is meant to meet its end by time, however slow the machine is.
    options.grace = std::chrono::milliseconds(std::string_view(mode.mode) == "test-hang" ? 10 : 60'000);
    ScriptRunner runner(io_.get_executor(), *registry_, options);
    for (std::uint64_t i = 1; i <= 2; ++i) {
      EXPECT_EQ(run(runner, "loop"), mode.answer);
      EXPECT_EQ(runner.counters().workers_started, i);
      EXPECT_EQ(runner.counters().workers_killed, i);
    }
  }
  options.program = "/nonexistent/worker";
  ScriptRunner runner(io_.get_executor(), *registry_, options);
  EXPECT_TRUE(run(runner, "loop").starts_with("unavailable: ")) << run(runner, "loop");
}

TEST_F(Runner, RetiresWorkersAfterTheirShare) {
  RunnerOptions options;
  options.calls_per_worker = 2;
  ScriptRunner runner(io_.get_executor(), *registry_, options);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(run(runner, "plain", i), "[" + std::to_string(i) + "]");
  EXPECT_EQ(runner.counters().workers_started, 3U);
}

TEST_F(Runner, QueuesAFewAndRefusesTheRest) {
  RunnerOptions options;
  options.workers_max = 1;
  options.queue_max = 2;
  options.queue_wait = std::chrono::seconds(60);
  ScriptRunner runner(io_.get_executor(), *registry_, options);
  std::vector<std::string> answers;
  for (int i = 0; i < 5; ++i) {
    asio::co_spawn(
        io_.get_executor(),
        [](ScriptRunner& r, int n, std::vector<std::string>& out) -> Task<> {
          const auto result = co_await r.run("plain", n);
          out.push_back(result ? to_text(*result) : std::string(to_string(result.error().code)));
        }(runner, i, answers),
        asio::detached);
  }
  io_.restart();
  io_.run();
  std::ranges::sort(answers);
  EXPECT_EQ(answers, (std::vector<std::string>{"[0]", "[1]", "[2]", "unavailable", "unavailable"}));
  EXPECT_EQ(runner.counters().workers_started, 1U);
  EXPECT_EQ(runner.counters().refused, 2U);
}

TEST_F(Runner, FindsMistakesBeforeTheFirstCall) {
  ScriptFolder bad("a:\n  kind: javascript\n  inline: |\n    export default (x) => {\n      return x +;\n    }\n");
  const auto registry = ScriptRegistry::load(bad.path());
  ASSERT_TRUE(registry);
  const auto verify = [&](const ScriptRegistry& scripts) {
    ScriptRunner runner(io_.get_executor(), scripts);
    std::string text = "did not end";
    asio::co_spawn(
        io_.get_executor(),
        [](ScriptRunner& r, std::string& out) -> Task<> {
          const auto result = co_await r.verify();
          out = result ? "fine" : result.error().detail;
        }(runner, text),
        asio::detached);
    io_.restart();
    io_.run();
    return text;
  };
  EXPECT_TRUE(verify(**registry).starts_with("script a: SyntaxError at line 2: ")) << verify(**registry);
  ScriptFolder good("a:\n  kind: javascript\n  inline: \"export default (x) => x\"\n");
  EXPECT_EQ(verify(**ScriptRegistry::load(good.path())), "fine");
}

TEST_F(Runner, PrintsWhatACallCosts) {
  rusage before{}, after{};
  getrusage(RUSAGE_CHILDREN, &before);
  {
    ScriptRunner runner(io_.get_executor(), *registry_);
    time_calls(runner);
  }
  // Waited for by now. Wall time depends on the machine's load, this does not.
  getrusage(RUSAGE_CHILDREN, &after);
  const auto us = [](const rusage& r) {
    return 1e6 * static_cast<double>(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           static_cast<double>(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
  };
  std::printf("worker: %.1f us of CPU a call, start included\n", (us(after) - us(before)) / kCalls);
}

TEST(SandboxDeathTest, KillsWhatReachesOut) {
  const auto inside = [](auto action) {
    if (!enter_sandbox()) _exit(1);
    action();
    _exit(0);
  };
  EXPECT_EXIT(inside([] {}), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(inside([] { open("/etc/passwd", O_RDONLY); }), testing::KilledBySignal(SIGSYS), "");
  EXPECT_EXIT(inside([] { socket(AF_INET, SOCK_STREAM, 0); }), testing::KilledBySignal(SIGSYS), "");
  EXPECT_EXIT(inside([] { fork(); }), testing::KilledBySignal(SIGSYS), "");
  EXPECT_EXIT(inside([] { execl("/bin/true", "true", nullptr); }), testing::KilledBySignal(SIGSYS), "");
  EXPECT_EXIT(inside([] { kill(getppid(), 0); }), testing::KilledBySignal(SIGSYS), "");
}

}  // namespace
}  // namespace sb::script

// The test binary is its own worker, and every kind of broken one.
int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  char request[4096];
  if (mode == "script-worker") return sb::script::script_worker_main();
  if (mode.starts_with("test-") && read(0, request, sizeof request) < 0) return 1;
  if (mode == "test-die") return 1;
  if (mode == "test-garbage") return write(1, "HTTP/1.1 200 OK\r\n\r\n", 19) == 19 && read(0, request, 1) ? 0 : 1;
  if (mode == "test-half") return write(1, "\x10\0\0\0r12", 7) == 7 ? 0 : 1;
  if (mode == "test-hang") return pause();
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
