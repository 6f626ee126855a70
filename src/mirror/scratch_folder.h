/// A folder for what is there only while a command works: it holds what an erasure would have to reach, so nothing of
/// it stays.
#pragma once

#include <string>
#include <string_view>

#include "base/errors.h"
#include "store/file_lock.h"

namespace sb::mirror {

class ScratchFolder {
 public:
  /// Makes it, for its owner alone; what a killed process left there goes. Errors: conflict (another process works
  /// there), permission_denied, disk_full.
  static Result<ScratchFolder> create(std::string path);
  /// Takes it away with all that is in it.
  ~ScratchFolder();
  ScratchFolder(ScratchFolder&& other) noexcept;
  ScratchFolder& operator=(ScratchFolder&&) = delete;

  const std::string& path() const { return path_; }
  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }

  /// Takes away what a killed process left there; where one works there, nothing.
  static void drop_abandoned(const std::string& path);

 private:
  ScratchFolder(std::string path, store::FileLock lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  std::string path_;  ///< empty: moved from
  store::FileLock lock_;
};

}  // namespace sb::mirror
