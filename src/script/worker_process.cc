#include "script/worker_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <vector>
#include "script/process_setup.h"

namespace sb::script {
namespace {

// Local time is UTC for every script; sanitizers of a test build keep their settings.
std::vector<std::string> worker_environment() {
  std::vector<std::string> variables{"TZ=UTC0", "LANG=C"};
  for (const char* name : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"})
    if (const char* value = std::getenv(name)) variables.push_back(fmt::format("{}={}", name, value));
  return variables;
}

/// posix_spawn's settings: descriptors 0 and 1 are the socket, no inherited signal mask, a process group of its own so
/// that a terminal's ^C reaches the server alone.
struct SpawnSettings {
  explicit SpawnSettings(int socket) {
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, socket, 0);
    posix_spawn_file_actions_adddup2(&actions, socket, 1);
    posix_spawnattr_init(&attributes);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

}  // namespace

Result<std::shared_ptr<WorkerProcess>> WorkerProcess::start(Executor executor, const std::string& program,
                                                            const std::vector<std::string>& arguments) {
  int ends[2];
  // A socket and not pipes: writing to a dead worker is an error then, not a signal.
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return fail(Errc::unavailable, fmt::format("cannot start a script worker: {}", std::strerror(errno)));
  std::vector<std::string> words{program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  auto variables = worker_environment();
  const SpawnSettings settings(ends[1]);
  pid_t pid = -1;
  const int failed = posix_spawn(&pid, program.c_str(), &settings.actions, &settings.attributes, pointers(words).data(),
                                 pointers(variables).data());
  close(ends[1]);
  if (failed != 0) {
    close(ends[0]);
    return fail(Errc::unavailable, fmt::format("cannot start a script worker: {}", std::strerror(failed)));
  }
  WorkerSocket socket(executor, asio::local::stream_protocol(), ends[0]);
  return std::shared_ptr<WorkerProcess>(new WorkerProcess(executor, std::move(socket), pid));
}

WorkerProcess::WorkerProcess(Executor executor, WorkerSocket socket, pid_t pid)
    : socket_(std::move(socket)), timer_(executor), pid_(pid) {}

WorkerProcess::~WorkerProcess() {
  kill_now();
  // Dies at once: nothing in a worker can wait in the kernel for anything but its socket.
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void WorkerProcess::kill_now() {
  if (!std::exchange(killed_, true)) kill(pid_, SIGKILL);
}

Task<Result<WorkerAnswer>> WorkerProcess::exchange(std::string frame, std::chrono::milliseconds limit,
                                                   std::size_t answer_bytes_max) {
  const std::size_t turn = ++turns_;
  timer_.expires_after(limit);
  std::weak_ptr<WorkerProcess> weak = weak_from_this();
  timer_.async_wait([weak, turn](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self && self->turns_ == turn) self->kill_now();
  });
  char prefix[5];
  auto [write_error, written] = co_await asio::async_write(socket_, asio::buffer(frame), asio::as_tuple(use_task));
  boost::system::error_code read_error = write_error;
  WorkerAnswer answer;
  if (!read_error)
    std::tie(read_error, written) = co_await asio::async_read(socket_, asio::buffer(prefix), asio::as_tuple(use_task));
  const std::uint32_t size = read_error ? 0 : read_u32(prefix);
  if (!read_error && (size < 1 || size - 1 > answer_bytes_max ||
                      std::string_view("rsxtmln").find(prefix[4]) == std::string_view::npos)) {
    kill_now();
    timer_.cancel();
    co_return fail(Errc::unavailable, "the script worker gave an answer that is not of its protocol; it was replaced");
  }
  if (!read_error) {
    answer.outcome = static_cast<Outcome>(prefix[4]);
    answer.text.resize(size - 1);
    std::tie(read_error, written) =
        co_await asio::async_read(socket_, asio::buffer(answer.text), asio::as_tuple(use_task));
  }
  timer_.cancel();
  ++turns_;  // a timer that has fired already must not hit the next call
  if (!read_error) co_return answer;
  if (killed_)
    co_return fail(Errc::deadline_exceeded,
                   fmt::format("it did not stop within {} ms; its worker was killed", limit.count()));
  kill_now();
  co_return fail(Errc::unavailable, "its worker died; it was replaced");
}

}  // namespace sb::script
