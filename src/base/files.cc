#include "base/files.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace sb {

Errc errc_of_errno(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return Errc::disk_full;
    case ENOENT:
    case ENOTDIR:
      return Errc::not_found;
    case EACCES:
    case EPERM:
    case EROFS:
      return Errc::permission_denied;
    default:
      return Errc::internal;
  }
}

namespace {

std::unexpected<Error> system_error(const std::string& path) {
  const int error = errno;
  return fail(errc_of_errno(error), fmt::format("{}: {}", path, std::strerror(error)));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Result<> write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const auto written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error(path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

Result<> store_file(const std::string& path, std::string_view bytes) {
  const std::string partial = path + ".partial";
  {
    const Descriptor file(::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (file.get() < 0) return system_error(partial);
    SB_CHECK(write_all(file.get(), bytes, partial));
    if (::fsync(file.get()) != 0) return system_error(partial);
  }
  if (::rename(partial.c_str(), path.c_str()) != 0) return system_error(path);
  const auto parent = std::filesystem::path(path).parent_path().string();
  const Descriptor folder(::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0 || ::fsync(folder.get()) != 0) return system_error(parent);
  return {};
}

Result<> replace_file(const std::string& path, std::string_view bytes) {
  const std::string partial = path + ".partial";
  {
    std::ofstream file(partial, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) return fail(Errc::internal, fmt::format("{}: cannot be written", partial));
  }
  std::error_code error;
  std::filesystem::rename(partial, path, error);
  if (error) return fail(Errc::internal, fmt::format("{}: {}", path, error.message()));
  return {};
}

}  // namespace sb
