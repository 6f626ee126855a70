#include "mirror/placement.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <ranges>

#include "base/files.h"
#include "store/data_dir.h"

namespace sb::mirror {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> system_error(const char* action, const std::string& path, int error) {
  return fail(errc_of_errno(error), fmt::format("cannot {} {}: {}", action, path, std::strerror(error)));
}

}  // namespace

Result<> sync_folder(const std::string& path) {
  const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const int error = folder >= 0 && ::fsync(folder) == 0 ? 0 : errno;
  if (folder >= 0) ::close(folder);
  return error == 0 ? Result<>() : system_error("sync", path, error);
}

// The lock is the store's own: a server that is started here meanwhile does not get it.
Result<ClaimedFolder> ClaimedFolder::claim(const std::string& path) {
  ClaimedFolder claimed;
  std::error_code error;
  if (!fs::exists(path, error)) claimed.made_ = path;
  fs::create_directories(path, error);
  fs::permissions(path, fs::perms::owner_all, error);
  if (error) return system_error("create", path, error.value());
  claimed.lock_path_ = fmt::format("{}/{}.lock", path, store::DataDir::kDatabase);
  claimed.lock_is_ours_ = !fs::exists(claimed.lock_path_, error);
  auto lock = store::FileLock::acquire(claimed.lock_path_);
  if (!lock) {
    claimed.keep();
    return std::unexpected(lock.error());
  }
  claimed.lock_ = *std::move(lock);
  return claimed;
}

ClaimedFolder::~ClaimedFolder() {
  if (lock_path_.empty()) return;
  if (lock_is_ours_) ::unlink(lock_path_.c_str());
  if (!made_.empty()) ::rmdir(made_.c_str());
}

Result<> Placement::move(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return system_error("put in place", to, errno);
  done_.push_back({from, to});
  return sync_folder(fs::path(to).parent_path().string());
}

Result<> Placement::put(const std::string& name) {
  const std::string from = from_ + "/" + name;
  const std::string to = to_ + "/" + name;
  std::error_code ignored;
  if (fs::exists(to, ignored)) SB_CHECK(move(to, from + ".before"));
  return move(from, to);
}

Placement::~Placement() {
  for (const Moved& moved : done_ | std::views::reverse) ::rename(moved.to.c_str(), moved.from.c_str());
}

}  // namespace sb::mirror
