/// A disk that fails by plan, for everything that a test keeps below one folder.
///
/// Below SQLite it is a VFS, made the default one; below the files that the published log and a folder mirror write it
/// is the linker's --wrap of the system calls (see mirror/CMakeLists.txt). It counts every operation that changes
/// something, and at the one that the plan names the process is taken for dead: that write is torn, nothing reaches the
/// disk any more. `leave` then makes the folder as the next process finds it:
///
/// - after a kill, all that was written is there;
/// - after power loss, of what was not synced each sector (512 bytes) is there or not, whatever the others are; a file
///   that was replaced and not synced is the new one, the old one, empty or torn.
///
/// All drawn from the seed. One disk at a time; thread-safe.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"

namespace sb::testing {

class FaultDisk {
 public:
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
  enum class Verdict { go, full, crash, dead };

  /// What lies below `root` now is on the disk. REQUIRES no other FaultDisk.
  FaultDisk(std::string root, std::uint64_t seed);
  ~FaultDisk();
  FaultDisk(const FaultDisk&) = delete;
  FaultDisk& operator=(const FaultDisk&) = delete;

  /// The process dies at the operation after the next `operations`.
  void die_after(std::uint64_t operations);
  /// The `count` operations after the next `operations` find no room where they write.
  void fill_after(std::uint64_t operations, std::uint64_t count);
  bool dead() const;
  std::uint64_t operations() const;
  /// Makes `folder` as the next process finds `root`. REQUIRES that nobody uses `root` any more.
  void leave(const std::string& folder, bool power_loss);
  /// Every file that ever took the name `name`, in their order: what others may have read there.
  std::vector<std::string> contents_of(const std::string& name) const;

  // For the shims in fault_disk.cc, each under lock():
  struct Write {
    std::uint64_t offset = 0;
    std::string bytes;
    bool is_truncate = false;  ///< to `offset`
  };
  /// A database file: what is on the disk for certain, and what was done since its last sync.
  struct Journaled {
    std::optional<std::string> synced;
    std::vector<Write> since;
  };
  std::unique_lock<std::mutex> lock() const { return std::unique_lock(mutex_); }
  bool holds(const std::string& path) const { return path.starts_with(root_ + "/"); }
  Verdict next(const std::string& path, bool writes);
  std::uint64_t draw(std::uint64_t below) { return below == 0 ? 0 : entropy_.next_u64() % below; }
  Journaled& journaled(const std::string& path);
  void forget(const std::string& path) { journaled_[path] = {}; }
  static void sync(Journaled& file);
  void sync_content(const std::string& path);
  void sync_names(const std::string& folder);
  void sync_all();
  void renamed(const std::string& path);

 private:
  std::optional<std::string> after_power_loss(const Journaled& file);
  std::optional<std::string> after_power_loss(const std::string& path, const std::string& now);

  const std::string root_;
  SeededEntropy entropy_;
  mutable std::mutex mutex_;
  bool dead_ = false;
  std::uint64_t operations_ = 0;
  std::uint64_t dies_at_ = kNever;
  std::uint64_t full_from_ = kNever;
  std::uint64_t full_until_ = kNever;
  std::map<std::string, Journaled> journaled_;
  std::map<std::string, std::string> names_;  ///< plain files whose name is on the disk, with what they held then
  std::set<std::string> synced_contents_;     ///< of plain files, whatever their name
  std::vector<std::pair<std::string, std::string>> renamed_;
};

}  // namespace sb::testing
