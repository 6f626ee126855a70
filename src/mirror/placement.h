/// What a restore made beside is put in place by renames, and taken back unless all of it could be.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/errors.h"
#include "store/file_lock.h"

namespace sb::mirror {

/// A data directory in the making: no server and no other restore works on it. Unless keep() is called, nothing of it
/// stays that was not there before.
class ClaimedFolder {
 public:
  /// Makes the folder where it is missing. Errors: conflict (a server or a restore has it), permission_denied,
  /// disk_full.
  static Result<ClaimedFolder> claim(const std::string& path);
  ~ClaimedFolder();
  ClaimedFolder(ClaimedFolder&& other) noexcept = default;
  ClaimedFolder& operator=(ClaimedFolder&&) = delete;

  void keep() { lock_path_.clear(); }

 private:
  ClaimedFolder() = default;
  std::string made_;           ///< the folder, where it is ours
  std::string lock_path_;      ///< empty: moved from, or kept
  bool lock_is_ours_ = false;  ///< the file was not there
  std::optional<store::FileLock> lock_;
};

class Placement {
 public:
  /// Both on one file system; borrows nothing.
  Placement(std::string from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}
  ~Placement();
  Placement(const Placement&) = delete;
  Placement& operator=(const Placement&) = delete;

  /// Moves FROM/name to TO/name, durably before the next one; what was there, to FROM/name.before. Errors: disk_full,
  /// permission_denied, internal.
  Result<> put(const std::string& name);
  void keep() { done_.clear(); }

 private:
  struct Moved {
    std::string from;
    std::string to;
  };
  Result<> move(const std::string& from, const std::string& to);

  const std::string from_;
  const std::string to_;
  std::vector<Moved> done_;
};

/// Errors: disk_full, permission_denied, internal.
Result<> sync_folder(const std::string& path);

}  // namespace sb::mirror
