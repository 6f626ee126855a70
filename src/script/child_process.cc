#include "script/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>
#include <filesystem>
#include "script/process_setup.h"

namespace sb::script {
namespace {

using Descriptor = asio::posix::basic_stream_descriptor<Executor>;
using Timer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

constexpr int kNoWalls = 125;

constexpr __u64 kRead = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr __u64 kAll = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;  // every right of the first version

// Between fork and exec: system calls only.
bool allow_below(int ruleset, const char* path, __u64 rights) {
  const int at = ::open(path, O_PATH | O_CLOEXEC);
  if (at < 0) return true;  // what is not there need not be allowed
  landlock_path_beneath_attr rule{};
  rule.parent_fd = at;
  rule.allowed_access = rights;
  const auto added = ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
  ::close(at);
  return added == 0;
}

bool wall_in_files(const char* folder) {
  landlock_ruleset_attr attributes{};
  attributes.handled_access_fs = kAll;
  const auto ruleset = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0));
  if (ruleset < 0) return false;
  bool fine = allow_below(ruleset, folder, kAll);
  for (const char* path : {"/usr", "/bin", "/lib", "/lib64", "/etc/alternatives"})
    fine = fine && allow_below(ruleset, path, kRead);
  constexpr __u64 kFile = LANDLOCK_ACCESS_FS_READ_FILE;
  for (const char* path : {"/etc/ld.so.cache", "/etc/localtime", "/dev/urandom", "/dev/zero"})
    fine = fine && allow_below(ruleset, path, kFile);
  fine = fine && allow_below(ruleset, "/dev/null", kFile | LANDLOCK_ACCESS_FS_WRITE_FILE);
  return fine && ::syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
}

struct Child {
  std::string folder;
  std::vector<char*> arguments, environment;
  std::size_t memory;
  rlim_t seconds;
  std::array<int, 3> streams;
};

[[noreturn]] void become(const Child& child) {
  for (int i = 0; i < 3; ++i) ::dup2(child.streams[static_cast<std::size_t>(i)], i);
  ::syscall(SYS_close_range, 3, ~0U, 0);
  ::setsid();
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC) != 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::chdir(child.folder.c_str()) != 0 || !wall_in_files(child.folder.c_str()))
    ::_exit(kNoWalls);
  limit(RLIMIT_CPU, child.seconds);
  limit(RLIMIT_AS, child.memory);
  limit(RLIMIT_FSIZE, 64 << 20);
  limit(RLIMIT_NOFILE, 64);
  limit(RLIMIT_CORE, 0);
  ::execve(child.arguments[0], child.arguments.data(), child.environment.data());
  ::_exit(127);
}

/// A folder that goes away with everything in it.
class Folder {
 public:
  static Result<Folder> make() {
    std::string name = (std::filesystem::temp_directory_path() / "signalbox-process-XXXXXX").string();
    if (!::mkdtemp(name.data())) return fail(Errc::unavailable, "no working folder can be made for a process");
    return Folder(std::move(name));
  }
  Folder(Folder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  Folder& operator=(Folder&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~Folder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  explicit Folder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

Task<void> write_all(Descriptor& to, const std::string& text) {
  boost::system::error_code ignored;  // a program need not read its input
  co_await asio::async_write(to, asio::buffer(text), asio::redirect_error(use_task, ignored));
  to.close(ignored);
}

/// Reads to the end; false where there is more than `most`.
Task<bool> read_to_end(Descriptor& from, std::string& into, std::size_t most) {
  std::array<char, 8192> piece;
  while (true) {
    boost::system::error_code error;
    const auto size = co_await from.async_read_some(asio::buffer(piece), asio::redirect_error(use_task, error));
    if (error) co_return true;
    if (into.size() + size > most) co_return false;
    into.append(piece.data(), size);
  }
}

struct Pipes {
  int ends[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
  bool open() {
    for (auto& pair : ends) {
      if (::pipe2(pair, O_CLOEXEC) != 0) return false;
    }
    return true;
  }
  int take(int stream, int side) { return std::exchange(ends[stream][side], -1); }
  void close_side(int stream, int side) {
    if (const int at = take(stream, side); at >= 0) ::close(at);
  }
  ~Pipes() {
    for (int stream = 0; stream < 3; ++stream) {
      close_side(stream, 0);
      close_side(stream, 1);
    }
  }
};

}  // namespace

Task<Result<ProcessResult>> run_process(ProcessSpec spec) {
  SB_CO_TRY(const Folder folder, Folder::make());
  Pipes pipes;
  if (!pipes.open()) co_return fail(Errc::unavailable, "no pipe can be made for a process");
  std::vector<std::string> environment;
  for (const auto& [name, value] : spec.environment) environment.push_back(name + "=" + value);
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(spec.time_max).count() + 1;
  const Child child{
      folder.path(),         pointers(spec.arguments),     pointers(environment),
      spec.memory_bytes_max, static_cast<rlim_t>(seconds), {pipes.ends[0][0], pipes.ends[1][1], pipes.ends[2][1]}};
  const pid_t pid = ::fork();
  if (pid == 0) become(child);
  if (pid < 0) co_return fail(Errc::unavailable, "no process can be started");
  pipes.close_side(0, 0);
  pipes.close_side(1, 1);
  pipes.close_side(2, 1);
  const auto executor = co_await asio::this_coro::executor;
  Descriptor input(executor, pipes.take(0, 1)), output(executor, pipes.take(1, 0)), error(executor, pipes.take(2, 0));
  Timer timer(executor, spec.time_max);
  bool late = false;
  const auto end = [&] {
    ::kill(-pid, SIGKILL);
    ::kill(pid, SIGKILL);
  };
  timer.async_wait([&](const boost::system::error_code& stopped) {
    if (stopped) return;
    late = true;
    end();
    boost::system::error_code ignored;
    for (auto* stream : {&input, &output, &error}) stream->close(ignored);
  });
  // One after the other is enough: what a program may write fits the pipe of the stream that is read later, or it waits
  // until its time is up.
  ProcessResult result;
  co_await write_all(input, spec.input);
  bool whole = co_await read_to_end(output, result.output, spec.output_bytes_max);
  whole = whole && co_await read_to_end(error, result.error, spec.output_bytes_max);
  if (!whole) end();
  int status = 0;
  while (::waitpid(pid, &status, WNOHANG) == 0) {
    Timer pause(executor, std::chrono::milliseconds(2));
    co_await pause.async_wait(use_task);
  }
  end();  // and what it left behind
  timer.cancel();
  if (late)
    co_return fail(Errc::deadline_exceeded, fmt::format("the process ran longer than {} ms", spec.time_max.count()));
  if (!whole)
    co_return fail(Errc::too_large, fmt::format("the process wrote more than {} bytes", spec.output_bytes_max));
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (result.code == kNoWalls && result.output.empty())
    co_return fail(Errc::unsupported,
                   "this machine cannot wall in a process (user namespaces, Landlock): it was not run");
  co_return result;
}

}  // namespace sb::script
