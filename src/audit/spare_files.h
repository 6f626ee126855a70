/// Files and folders of the published log that nobody wants any more, to be written over and named anew.
///
/// A busy log throws away nearly as many files as it makes: partial tiles, tree heads. Some file systems spend more on
/// that than on what is in them (ext4 without a journal looks, for each new file, at all that were deleted within the
/// last five seconds). A file rests before it is written over: who has it open may be reading it still.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace sb::audit {

/// Not thread-safe. Whatever the disk refuses is only not spared.
class SpareFiles {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// `folder`: its own, on the file system of those it gets; emptied when it is first used.
  explicit SpareFiles(std::string folder, std::chrono::milliseconds rest = std::chrono::seconds(5))
      : folder_(std::move(folder)), rest_(rest) {}
  /// Nothing of them is left.
  ~SpareFiles();
  SpareFiles(const SpareFiles&) = delete;
  SpareFiles& operator=(const SpareFiles&) = delete;

  /// Where a file is to be written, from its start, that will be moved to where it is wanted.
  std::string take_file(Time now);
  /// The file goes.
  void take_in(const std::string& path, Time now);
  /// The folder goes, with its files.
  void take_in_folder(const std::string& path, Time now);
  /// A spare folder is at `path` now, where there was nothing. False: there is none.
  bool place_folder(const std::string& path);

 private:
  struct File {
    std::string path;
    Time since;
  };
  std::string next_name();

  const std::string folder_;
  const std::chrono::milliseconds rest_;
  bool open_ = false;
  std::uint64_t names_ = 0;
  std::deque<File> files_;  ///< the oldest first
  std::vector<std::string> folders_;
};

}  // namespace sb::audit
