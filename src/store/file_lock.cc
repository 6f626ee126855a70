#include "store/file_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/bytes.h"

namespace sb::store {

Result<FileLock> FileLock::acquire(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    return fail(
        Errc::permission_denied,
        fmt::format("cannot open {}: {}; the server's user must own its data directory", path, std::strerror(errno)));
  }
  FileLock lock(descriptor);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    std::array<char, 16> text{};
    const auto size = ::pread(descriptor, text.data(), text.size(), 0);
    const std::string_view holder = size > 0 ? trim({text.data(), static_cast<std::size_t>(size)}) : "unknown";
    return fail(Errc::conflict,
                fmt::format("{} is held by process {}: another server uses this data directory; stop it or "
                            "choose another directory",
                            path, holder));
  }
  const std::string own = fmt::format("{}\n", ::getpid());
  // The number is for people; a full disk must not keep the server from starting.
  if (::ftruncate(descriptor, 0) == 0) [[maybe_unused]]
    const auto written = ::pwrite(descriptor, own.data(), own.size(), 0);
  return lock;
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace sb::store
