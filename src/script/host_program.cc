#include "script/host_program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "script/process_setup.h"

extern char** environ;

namespace sb::script {
namespace {

using HostDescriptor = asio::posix::basic_stream_descriptor<Executor>;
using HostTimer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

// What a program leaves behind may hold its streams open: nobody waits for that.
constexpr std::chrono::milliseconds kStreamsPatience{500};

/// A descriptor that is closed with its owner.
class OwnedDescriptor {
 public:
  explicit OwnedDescriptor(int at = -1) : at_(at) {}
  ~OwnedDescriptor() { close(); }
  OwnedDescriptor(const OwnedDescriptor&) = delete;
  OwnedDescriptor& operator=(const OwnedDescriptor&) = delete;
  int get() const { return at_; }
  int take() { return std::exchange(at_, -1); }
  void set(int at) {
    close();
    at_ = at;
  }
  void close() {
    if (at_ >= 0) ::close(take());
  }

 private:
  int at_;
};

/// Shared by who waits for it and by the readers of its streams.
struct HostRun {
  explicit HostRun(const Executor& executor)
      : exited(executor), streams{HostDescriptor(executor), HostDescriptor(executor)}, drained(executor) {}

  pid_t pid = -1;
  bool reaped = false;
  bool late = false, cancelled = false, too_large = false;
  HostDescriptor exited;  ///< readable when it has ended
  std::array<HostDescriptor, 2> streams;
  std::array<std::string, 2> texts;
  std::array<std::size_t, 2> sizes{};
  std::size_t open_streams = 0;
  HostTimer drained;  ///< cancelled when the last stream is at its end

  void end() const {
    if (reaped) return;
    ::kill(-pid, SIGKILL);
    ::kill(pid, SIGKILL);
  }
};

/// Memory with the text in it, to be read from its beginning; the null device where there is none. -1: not to be had.
int input_of(const std::optional<std::string>& text) {
  if (!text) return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int at = ::memfd_create("input", MFD_CLOEXEC);
  if (at < 0) return -1;
  std::string_view left = *text;
  while (!left.empty()) {
    const auto written = ::write(at, left.data(), left.size());
    if (written <= 0) {
      ::close(at);
      return -1;
    }
    left.remove_prefix(static_cast<std::size_t>(written));
  }
  ::lseek(at, 0, SEEK_SET);
  return at;
}

// Between fork and exec: system calls only.
[[noreturn]] void become_program(const std::array<int, 3>& streams, char* const* arguments, char* const* environment) {
  for (int i = 0; i < 3; ++i) ::dup2(streams[static_cast<std::size_t>(i)], i);
  ::syscall(SYS_close_range, 3, ~0U, 0);
  ::setsid();
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::execve(arguments[0], arguments, environment);
  ::_exit(127);
}

Task<void> read_stream(std::shared_ptr<HostRun> run, std::size_t which, std::size_t most, bool keeps) {
  std::array<char, 16384> piece;
  while (true) {
    boost::system::error_code error;
    const auto size =
        co_await run->streams[which].async_read_some(asio::buffer(piece), asio::redirect_error(use_task, error));
    if (error) break;
    run->sizes[which] += size;
    if (run->sizes[which] > most) {
      run->too_large = true;
      run->end();
      break;
    }
    if (keeps) run->texts[which].append(piece.data(), size);
  }
  if (--run->open_streams == 0) run->drained.cancel();
}

Task<void> until_drained(HostRun& run) {
  run.drained.expires_after(kStreamsPatience);
  boost::system::error_code ignored;
  while (run.open_streams > 0 && HostTimer::clock_type::now() < run.drained.expiry())
    co_await run.drained.async_wait(asio::redirect_error(use_task, ignored));
  for (auto& stream : run.streams) stream.close(ignored);
}

/// Null: it cannot be started.
std::shared_ptr<HostRun> start_program(const Executor& executor, HostProgram& program) {
  const OwnedDescriptor input(input_of(program.input));
  std::array<OwnedDescriptor, 2> ours, theirs;
  for (std::size_t i = 0; i < 2; ++i) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return nullptr;
    ours[i].set(ends[0]);
    theirs[i].set(ends[1]);
  }
  if (input.get() < 0) return nullptr;
  const auto arguments = pointers(program.arguments);
  const auto environment = pointers(program.environment);
  const std::array streams{input.get(), theirs[0].get(), theirs[1].get()};
  auto run = std::make_shared<HostRun>(executor);
  run->pid = ::fork();
  if (run->pid == 0) become_program(streams, arguments.data(), environment.data());
  if (run->pid < 0) return nullptr;
  const auto handle = static_cast<int>(::syscall(SYS_pidfd_open, run->pid, 0));
  if (handle < 0) {
    run->end();
    ::waitpid(run->pid, nullptr, 0);
    return nullptr;
  }
  run->exited.assign(handle);
  for (std::size_t i = 0; i < 2; ++i) run->streams[i].assign(ours[i].take());
  return run;
}

}  // namespace

Task<Result<ProcessResult>> run_host_program(HostProgram program) {
  const Executor executor = co_await asio::this_coro::executor;
  if (program.cancel && program.cancel->cancelled()) co_return fail(Errc::cancelled, "it is not wanted any more");
  const auto run = start_program(executor, program);
  if (!run) co_return fail(Errc::unavailable, "no process can be started");
  run->open_streams = run->streams.size();
  for (std::size_t i = 0; i < run->streams.size(); ++i)
    asio::co_spawn(executor, read_stream(run, i, program.output_bytes_max, program.keeps_output), asio::detached);
  HostTimer timer(executor, program.time_max);
  timer.async_wait([run](const boost::system::error_code& stopped) {
    if (stopped) return;
    run->late = true;
    run->end();
  });
  const CancelRegistration unwanted(program.cancel, [run] {
    run->cancelled = true;
    run->end();
  });
  boost::system::error_code ignored;
  co_await run->exited.async_wait(HostDescriptor::wait_read, asio::redirect_error(use_task, ignored));
  int status = 0;
  ::waitpid(run->pid, &status, 0);
  run->reaped = true;
  timer.cancel();
  co_await until_drained(*run);
  if (run->cancelled) co_return fail(Errc::cancelled, "it is not wanted any more");
  if (run->too_large)
    co_return fail(Errc::too_large, fmt::format("more than {} bytes were written", program.output_bytes_max));
  if (run->late)
    co_return fail(Errc::deadline_exceeded, fmt::format("it took longer than {} ms", program.time_max.count()));
  ProcessResult result;
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.output = std::move(run->texts[0]);
  result.error = std::move(run->texts[1]);
  co_return result;
}

std::vector<std::string> host_environment() {
  constexpr std::string_view kNames[] = {"PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR"};
  constexpr std::string_view kPrefixes[] = {"XDG_",        "DOCKER_",  "CONTAINER_", "CONTAINERS_",
                                            "CONTAINERD_", "NERDCTL_", "BUILDAH_",   "REGISTRY_AUTH_FILE="};
  std::vector<std::string> made;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text = *entry;
    const auto name = text.substr(0, text.find('='));
    if (std::ranges::find(kNames, name) != std::end(kNames) ||
        std::ranges::any_of(kPrefixes, [&](auto prefix) { return text.starts_with(prefix); }))
      made.emplace_back(text);
  }
  return made;
}

Result<std::string> find_program(const std::string& name) {
  const auto can_run = [](const std::string& path) { return ::access(path.c_str(), X_OK) == 0; };
  if (name.contains('/')) {
    if (can_run(name)) return name;
    return fail(Errc::not_found, fmt::format("{} is not there, or is no program", name));
  }
  const char* path = std::getenv("PATH");
  for (const auto folder : split(path ? path : "/usr/local/bin:/usr/bin:/bin", ':')) {
    std::string whole = fmt::format("{}/{}", folder, name);
    if (folder.starts_with('/') && can_run(whole)) return whole;
  }
  return fail(Errc::not_found, fmt::format("there is no program {} in PATH", name));
}

}  // namespace sb::script
