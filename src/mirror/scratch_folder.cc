#include "mirror/scratch_folder.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/files.h"

namespace sb::mirror {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLock = "lock";

}  // namespace

Result<ScratchFolder> ScratchFolder::create(std::string path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return fail(errc_of_errno(errno), fmt::format("cannot create {}: {}", path, std::strerror(errno)));
  auto lock = store::FileLock::acquire(path + "/" + kLock);
  if (!lock && lock.error().code == Errc::conflict)
    return fail(Errc::conflict, fmt::format("another process works in {}; wait until it has done", path));
  if (!lock) return std::unexpected(lock.error());
  std::error_code error;
  for (const auto& left : fs::directory_iterator(path, error)) {
    if (left.path().filename() != kLock) fs::remove_all(left.path(), error);
  }
  if (error) return fail(errc_of_errno(error.value()), fmt::format("cannot empty {}: {}", path, error.message()));
  return ScratchFolder(std::move(path), *std::move(lock));
}

ScratchFolder::ScratchFolder(ScratchFolder&& other) noexcept
    : path_(std::exchange(other.path_, {})), lock_(std::move(other.lock_)) {}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

void ScratchFolder::drop_abandoned(const std::string& path) {
  std::error_code ignored;
  if (fs::exists(path, ignored)) (void)create(path);
}

}  // namespace sb::mirror
