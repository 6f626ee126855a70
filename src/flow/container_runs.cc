// `run: container`: started, or found again after a crash; awaited; removed when what came of it is on disk.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/bytes.h"
#include "base/log.h"
#include "flow/engine.h"
#include "script/host_program.h"
#include "store/patient_read.h"

namespace sb::flow {
namespace {

using ContainerTimer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

constexpr std::chrono::seconds kRuntimePatience{60};  // a busy machine starts a container in some seconds
constexpr std::chrono::minutes kPullPatience{10};
constexpr std::chrono::milliseconds kLookAgain{100};
constexpr int kLooksForBeginning = 50;  // 5 s: whoever made it before a crash may be about to start it
constexpr std::chrono::minutes kSweepEach{1};
constexpr Micros kSecondUs = 1'000'000;
constexpr Micros kUnwatchedUs = 120 * kSecondUs;  // beyond its time: whoever waits for it has stopped it by then

Problem not_run(const Error& error) {
  switch (error.code) {
    case Errc::deadline_exceeded:
      return standard_problem("timeout", 408, "The container took too long", error.detail);
    case Errc::too_large:
      return standard_problem("runtime", 500, "The container wrote too much", error.detail);
    case Errc::permission_denied:
      return standard_problem("authorization", 403, "The container may not run here", error.detail);
    case Errc::invalid_argument:
      return standard_problem("validation", 400, "The container is not described as it must be", error.detail);
    case Errc::unsupported:
      return standard_problem("configuration", 501, "The container may not run here", error.detail);
    default:
      return standard_problem("runtime", 500, "The container could not be run", error.detail);
  }
}

/// The last line that says something: runtimes put what went wrong there, and Docker one more to point at its help.
std::string last_words(std::string_view text) {
  constexpr std::size_t kMost = 300;
  std::string_view said;
  for (const auto line : split(trim(text), '\n')) {
    if (const auto words = trim(line); !words.empty() && !words.starts_with("Run '") && !words.starts_with("See '"))
      said = words;
  }
  return std::string(said.substr(0, kMost));
}

/// A client of the runtime that hands a container its input; it goes on by itself.
struct Feeding {
  CancelSource stop;
  std::optional<Result<script::ProcessResult>> done;
};

Task<void> feed(std::shared_ptr<Feeding> feeding, script::HostProgram client) {
  client.cancel = &feeding->stop;
  feeding->done = co_await script::run_host_program(std::move(client));
}

}  // namespace

Task<std::expected<Engine::CallResult, Problem>> Engine::container(LiveRun& run, Machine::Call call,
                                                                   CancelSource& cancel) {
  const auto& options = options_.containers;
  if (!options.configured() || !parts_.containers_going)
    co_return std::unexpected(not_run(Error(Errc::unsupported, "flows.containers is not in signalbox.yaml")));
  const auto with = handed(run, call, "/run/container");
  if (!with) co_return std::unexpected(with.error());
  if (run.guard.needs_local() && options.network != "none")
    co_return std::unexpected(
        standard_problem("authorization", 403, "Blocked by policy",
                         "the policy lets models of our own alone see what this run was given: no container with a "
                         "network has it"));
  const auto spec = ContainerSpec::read(*with);
  if (!spec) co_return std::unexpected(not_run(spec.error()));
  if (const auto fine = check_container(*spec, options); !fine) co_return std::unexpected(not_run(fine.error()));
  const RunId id = run.row.id;
  const std::string name = container_name(options, id, call.id);
  std::optional<GoingContainers::Mark> going;  // before anybody may want it anew: a suspended run is resumed at once
  const CancelRegistration unwanted(&cancel, [&] { going.emplace(*parts_.containers_going, name); });
  give_slot(run);  // after a restart others need not wait until it has ended
  const auto place = co_await container_place(run, cancel);
  if (!place) co_return std::unexpected(not_run(place.error()));
  auto ran = co_await run_container(*spec, id, call.id, cancel);
  if (!ran) {
    co_await remove_container(name);
    co_return std::unexpected(not_run(ran.error()));
  }
  if (spec->keep_us) run.containers.push_back({call.id, name, spec->keep_us});
  co_return process_ended(run, call, *ran);
}

// Tenants in turn, like runs at work.
Task<Result<std::unique_ptr<WorkGate::Ticket>>> Engine::container_place(const LiveRun& run, CancelSource& cancel) {
  if (!parts_.container_gate) co_return nullptr;
  const auto turn = std::make_shared<ContainerTimer>(io_, ContainerTimer::time_point::max());
  auto ticket = parts_.container_gate->join(run.row.tenant, {}, WorkGate::Turn::first, run.row.created_us,
                                            [&io = io_, turn] { asio::post(io, [turn] { turn->cancel(); }); });
  const CancelRegistration unwanted(&cancel, [turn] { turn->cancel(); });
  boost::system::error_code ignored;
  while (!ticket->at_work() && !cancel.cancelled()) co_await turn->async_wait(asio::redirect_error(use_task, ignored));
  if (cancel.cancelled()) co_return fail(Errc::cancelled, "it is not wanted any more");
  co_return ticket;
}

Task<Result<script::ProcessResult>> Engine::run_container(const ContainerSpec& spec, RunId id, std::uint32_t effect,
                                                          CancelSource& cancel) {
  SB_CO_TRY(const auto state, co_await start_container(spec, id, effect, cancel));
  const Micros started_us = state.started_us != 0 ? state.started_us : parts_.clock.now_us();
  co_return co_await await_container(container_name(options_.containers, id, effect), started_us, cancel);
}

// Its name is taken by one container alone: whoever comes second, after a crash, finds the first one's.
Task<Result<ContainerState>> Engine::start_container(const ContainerSpec& spec, RunId id, std::uint32_t effect,
                                                     CancelSource& cancel) {
  const auto& options = options_.containers;
  const std::string name = container_name(options, id, effect);
  while (parts_.containers_going->contains(name) && !cancel.cancelled()) {
    ContainerTimer pause(io_, kLookAgain);
    co_await pause.async_wait(use_task);
  }
  if (cancel.cancelled()) co_return fail(Errc::cancelled, "it is not wanted any more");
  std::string why;
  for (int tries = 0; tries < 2; ++tries) {
    auto there = co_await inspect_container(name);
    for (int looks = 0; there && !there->began && looks < kLooksForBeginning && !cancel.cancelled(); ++looks) {
      ContainerTimer pause(io_, kLookAgain);
      co_await pause.async_wait(use_task);
      there = co_await inspect_container(name);
    }
    if (there && there->began) co_return there;
    if (there) co_await remove_container(name);
    script::HostProgram client;
    client.arguments = run_command(options, spec, id, effect);
    client.environment = options.environment;
    client.input = spec.input;
    client.time_max = options.pull ? std::chrono::milliseconds(kPullPatience) : kRuntimePatience;
    if (spec.input) client.time_max += std::chrono::seconds(options.seconds);
    const auto feeding = std::make_shared<Feeding>();
    const CancelRegistration unwanted(&cancel, [feeding] { feeding->stop.cancel(); });
    asio::co_spawn(io_, feed(feeding, std::move(client)), asio::detached);
    // With an input its client may go on as long as the container does.
    do {
      ContainerTimer pause(io_, kLookAgain);
      co_await pause.async_wait(use_task);
      if (spec.input || feeding->done) there = co_await inspect_container(name);
    } while (!feeding->done && !(spec.input && there && there->began));
    if (feeding->done && !*feeding->done) co_return std::unexpected(feeding->done->error());
    if (there && there->began) co_return there;
    // The client ended between two looks.
    if (there = co_await inspect_container(name); there && there->began) co_return there;
    if (there) co_await remove_container(name);
    const auto& said = **feeding->done;
    why = fmt::format("the runtime ended with status {}: {}", said.code, last_words(said.error));
    if (!said.error.contains("in use")) break;
  }
  co_return fail(Errc::internal, std::move(why));
}

// The first look at what it writes counts it alone, and ends with the container; the second has it whole, whether the
// container began in this life of the server or in an earlier one.
Task<Result<script::ProcessResult>> Engine::await_container(std::string name, Micros started_us, CancelSource& cancel) {
  const auto& options = options_.containers;
  const auto left = [&] {
    const Micros us = started_us + (options.seconds * kSecondUs) - parts_.clock.now_us();
    return std::chrono::milliseconds(std::max<Micros>(us, 0) / 1000);
  };
  script::HostProgram logs;
  logs.environment = options.environment;
  logs.output_bytes_max = static_cast<std::size_t>(options.output_kb) << 10;
  logs.cancel = &cancel;
  script::HostProgram follow = logs;
  follow.arguments = logs_command(options, name, true);
  follow.keeps_output = false;
  follow.time_max = left();
  if (const auto followed = co_await script::run_host_program(std::move(follow)); !followed) {
    if (followed.error().code != Errc::deadline_exceeded) co_return std::unexpected(followed.error());
    co_return fail(Errc::deadline_exceeded, fmt::format("it ran longer than {} s", options.seconds));
  }
  script::HostProgram wait = logs;
  wait.arguments = wait_command(options, name);
  wait.time_max = std::max(left(), std::chrono::milliseconds(kRuntimePatience));
  SB_CO_CHECK(co_await script::run_host_program(std::move(wait)));
  SB_CO_TRY(const auto state, co_await inspect_container(name));
  if (!state.ended) co_return fail(Errc::internal, "the runtime does not say that the container has ended");
  logs.arguments = logs_command(options, name, false);
  SB_CO_TRY(auto written, co_await script::run_host_program(std::move(logs)));
  if (written.code != 0)
    co_return fail(Errc::internal,
                   fmt::format("the runtime does not give what the container wrote: {}", last_words(written.error)));
  written.code = state.code;
  co_return written;
}

Task<Result<script::ProcessResult>> Engine::ask_runtime(std::vector<std::string> command, CancelSource* cancel) {
  script::HostProgram asked;
  asked.arguments = std::move(command);
  asked.environment = options_.containers.environment;
  asked.time_max = kRuntimePatience;
  asked.cancel = cancel;
  co_return co_await script::run_host_program(std::move(asked));
}

Task<Result<ContainerState>> Engine::inspect_container(std::string name) {
  SB_CO_TRY(const auto said, co_await ask_runtime(inspect_command(options_.containers, name)));
  if (said.code != 0) co_return fail(Errc::not_found, "there is no such container");
  co_return ContainerState::read(said.output);
}

Task<void> Engine::remove_container(std::string name) {
  const auto removed = co_await ask_runtime(remove_command(options_.containers, name));
  if (removed && removed->code == 0) co_return;
  if (const auto there = co_await inspect_container(name); !there && there.error().code == Errc::not_found) co_return;
  log_warn("container.not_removed", {{"container", name}});
}

Task<void> Engine::remove_container_later(SpentContainer container) {
  if (*container.keep_us > 0) {
    ContainerTimer pause(io_, std::chrono::microseconds(*container.keep_us));
    co_await pause.async_wait(use_task);
  }
  co_await remove_container(std::move(container.name));
}

void Engine::release_containers(std::vector<SpentContainer> spent) {
  for (auto& container : spent) asio::co_spawn(io_, remove_container_later(std::move(container)), asio::detached);
}

void Engine::keep_containers() {
  if (options_.containers.configured()) asio::co_spawn(io_, sweep_containers(), asio::detached);
}

Task<void> Engine::sweep_containers() {
  for (;;) {
    ContainerTimer pause(io_, kSweepEach);
    co_await pause.async_wait(use_task);
    const auto listed = co_await ask_runtime(list_command(options_.containers));
    if (!listed || listed->code != 0) {
      log_warn("containers.not_listed", {{"detail", "the runtime does not answer"}});
      continue;
    }
    for (const auto name : split(listed->output, '\n')) {
      if (!trim(name).empty()) co_await sweep_container(std::string(trim(name)));
    }
  }
}

// A container whose run goes on is its run's. Of what is left: one that runs for a run that has ended, or waits to be
// resumed, is of no use to anybody; one that has ended stays as long as its flow wanted.
Task<void> Engine::sweep_container(std::string name) {
  const auto state = co_await inspect_container(name);
  if (!state) co_return;
  const auto label = [&](std::string_view which) {
    const auto found = state->labels.find(which);
    return found == state->labels.end() ? std::string() : found->second;
  };
  const auto id = RunId::parse(label(kContainerRun));
  if (!id) co_return;
  const auto row = co_await store::read_patiently([&] { return parts_.store.load_run(*id); });
  if (!row && row.error().code != Errc::not_found) co_return;
  const Micros now = parts_.clock.now_us();
  const bool is_over = !row || store::is_final(row->status);
  bool is_spent = false;
  if (state->ended) {
    std::int64_t keep_s = std::atoll(label(kContainerKeep).c_str());
    if (keep_s < 0) keep_s = options_.containers.keep_hours > 0 ? options_.containers.keep_hours * 3600 : -1;
    is_spent = is_over && keep_s >= 0 && now >= state->ended_us + (keep_s * kSecondUs);
  } else {
    const Micros most = (std::atoll(label(kContainerSeconds).c_str()) * kSecondUs) + kUnwatchedUs;
    const bool is_unwatched = state->began && state->started_us != 0 && now > state->started_us + most;
    is_spent = is_over || row->status == store::RunStatus::suspended || is_unwatched;
  }
  if (is_spent) co_await remove_container(std::move(name));
}

}  // namespace sb::flow
