/// One process at a time.
#pragma once

#include <string>
#include <utility>

#include "base/errors.h"

namespace sb::store {

/// Holds an advisory lock (flock) on a file from construction to destruction; a process that dies lets go of it.
class FileLock {
 public:
  /// Creates `path` where it is missing and writes our process id into it.
  /// Errors: conflict (another process holds it; names its id), permission_denied.
  static Result<FileLock> acquire(const std::string& path);

  FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileLock& operator=(FileLock&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace sb::store
