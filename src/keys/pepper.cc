#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "base/bytes.h"
#include "keys/key.h"

namespace sb {
namespace {

constexpr std::size_t kPepperBytes = 32;

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

std::unexpected<Error> system_failure(const std::filesystem::path& file, std::string_view what, int number) {
  const auto code = number == ENOSPC || number == EDQUOT  ? Errc::disk_full
                    : number == EACCES || number == EPERM ? Errc::permission_denied
                                                          : Errc::internal;
  return fail(code, fmt::format("{}: cannot {}: {}", file.string(), what, std::generic_category().message(number)));
}

// Empty where the file is not there.
Result<std::optional<Secret>> read_pepper(const std::filesystem::path& path) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file && errno == ENOENT) return std::nullopt;
  if (!file) return system_failure(path, "read the server's secret", errno);
  struct stat info{};
  if (::fstat(file.fd(), &info) != 0) return system_failure(path, "look at the server's secret", errno);
  if ((info.st_mode & 077) != 0) {
    return fail(Errc::permission_denied,
                fmt::format("{0}: others may read the server's secret; run: chmod 600 {0}", path.string()));
  }
  std::array<char, 2 * kPepperBytes + 2> text{};
  const auto size = ::read(file.fd(), text.data(), text.size());
  const auto bytes = from_hex(trim(std::string_view(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0)));
  if (!bytes || bytes->size() != kPepperBytes) {
    return fail(Errc::corrupt, fmt::format("{}: not the server's secret (64 hex digits); restore it from the backup: "
                                           "without it no API key is known",
                                           path.string()));
  }
  return Secret(*bytes);
}

// Written beside and linked into place: the file is whole or absent, and the first of two writers wins.
Result<> create_pepper(const std::filesystem::path& path, Entropy& entropy) {
  std::array<std::uint8_t, kPepperBytes> bytes;
  entropy.fill(bytes);
  const Secret text(to_hex(bytes) + "\n");
  auto scratch = path;
  scratch += fmt::format(".{}.{:016x}", ::getpid(), entropy.next_u64());
  {
    const File file(::open(scratch.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file) return system_failure(path, "create the server's secret", errno);
    const auto written = ::write(file.fd(), text.reveal().data(), text.reveal().size());
    if (written != static_cast<ssize_t>(text.reveal().size()) || ::fsync(file.fd()) != 0) {
      const int number = written >= 0 && errno == 0 ? ENOSPC : errno;
      ::unlink(scratch.c_str());
      return system_failure(path, "write the server's secret", number);
    }
  }
  const int linked = ::link(scratch.c_str(), path.c_str()) == 0 ? 0 : errno;
  ::unlink(scratch.c_str());
  if (linked != 0 && linked != EEXIST) return system_failure(path, "put the server's secret in place", linked);
  const auto parent = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const File folder(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.fd()) != 0) return system_failure(path, "make the server's secret durable", errno);
  return {};
}

}  // namespace

Pepper::Pepper(Secret bytes) : bytes_(std::move(bytes)) {
  SB_ASSERT(bytes_.reveal().size() == kPepperBytes);
}

Result<Pepper> Pepper::load_or_create(const std::filesystem::path& file, Entropy& entropy) {
  SB_TRY(auto found, read_pepper(file));
  if (!found) {
    SB_CHECK(create_pepper(file, entropy));
    SB_TRY(found, read_pepper(file));
  }
  if (!found) return fail(Errc::internal, fmt::format("{}: vanished after it was written", file.string()));
  return Pepper(std::move(*found));
}

}  // namespace sb
