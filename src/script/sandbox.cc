#include "script/sandbox.h"

#include <fmt/format.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <vector>
#include "script/process_setup.h"

namespace sb::script {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "the sandbox knows x86-64 and AArch64"
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SB_SANITIZED 1
#endif
#endif

// Reading and writing open descriptors, memory, time, and ending. x32 calls have other numbers, so they are not here.
constexpr int kAllowed[] = {
    __NR_read,
    __NR_write,
    __NR_readv,
    __NR_writev,
    __NR_exit,
    __NR_exit_group,
    __NR_brk,
    __NR_munmap,
    __NR_mremap,
    __NR_madvise,
    __NR_futex,
    __NR_clock_gettime,
    __NR_clock_getres,
    __NR_gettimeofday,
    __NR_rt_sigreturn,
    __NR_rt_sigprocmask,
    __NR_sched_yield,
    __NR_getrandom,
    __NR_restart_syscall,
#ifdef SB_SANITIZED
    __NR_getpid,
    __NR_gettid,
    __NR_sigaltstack,
    __NR_sched_getaffinity,
    __NR_rt_sigaction,
#endif
};

std::vector<sock_filter> make_filter() {
  std::vector<sock_filter> program;
  const auto load = [&](std::size_t offset) {
    program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)));
  };
  const auto equal = [&](std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no));
  };
  const auto finish = [&](std::uint32_t action) { program.push_back(BPF_STMT(BPF_RET | BPF_K, action)); };

  load(offsetof(seccomp_data, arch));
  equal(kArchitecture, 1, 0);
  finish(SECCOMP_RET_KILL_PROCESS);
  load(offsetof(seccomp_data, nr));
  for (const int number : kAllowed) {
    equal(static_cast<std::uint32_t>(number), 0, 1);
    finish(SECCOMP_RET_ALLOW);
  }
  // Mapping memory is fine as long as it is not executable (third argument; its low word on little-endian machines).
  for (const int number : {__NR_mmap, __NR_mprotect}) {
    equal(static_cast<std::uint32_t>(number), 0, 4);
    load(offsetof(seccomp_data, args[2]));
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1));
    finish(SECCOMP_RET_KILL_PROCESS);
    finish(SECCOMP_RET_ALLOW);
  }
  finish(SECCOMP_RET_KILL_PROCESS);
  return program;
}

void set_limits() {
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_FSIZE, 0);
  limit(RLIMIT_NPROC, 0);
  limit(RLIMIT_NOFILE, 3);
  limit(RLIMIT_CPU, 3600);  // of the whole worker; each call has its own deadline
#ifndef SB_SANITIZED
  limit(RLIMIT_AS, rlim_t{1024} * 1024 * 1024);  // QuickJS' own limit is per script and far below
#endif
}

}  // namespace

Result<void> enter_sandbox() {
  close_range(3, ~0U, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_DUMPABLE, 0);
  set_limits();
  auto program = make_filter();
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
    return fail(Errc::unsupported,
                fmt::format("script worker: no seccomp filter ({}); scripts in JavaScript need Linux with seccomp",
                            std::strerror(errno)));
  return {};
}

}  // namespace sb::script
