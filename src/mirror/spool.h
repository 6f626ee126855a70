/// Groups of commits that may not be in the mirror yet, on this machine's disk: who was killed with some sends them at
/// the next start, where else a snapshot of the whole database would have to bring them.
///
///     DATA/mirror-spool/000000000118   groups 118 and later, one after the other, each with a checksum
///
/// Written before the database's own commit, and not synced: a kill takes nothing of it, and what a power failure takes
/// of it a snapshot brings. Keys are in it by their number alone: it holds nothing that an erasure would have to reach.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/errors.h"
#include "store/sqlite/group_sink.h"

namespace sb::mirror {

/// What a spool's file holds of one group (pure).
std::string spool_record(const store::sqlite::GroupSink::Group& group);
/// The groups of a file by their marks, up to the first record that is not whole.
std::map<std::string, store::sqlite::GroupSink::Group> parse_spool(std::string_view bytes);

class Spool {
 public:
  using Group = store::sqlite::GroupSink::Group;

  /// Makes the folder. Where that cannot be, nothing is kept.
  explicit Spool(std::string folder);
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  /// On the writer thread.
  void append(const Group& group);
  /// Groups up to this one are in the mirror. Any thread, as read().
  void drop_to(std::uint64_t group);
  /// Groups `first` to `last`, of a life before this one, back from the one that is marked so: another one with its
  /// number may have been written and not committed. Nothing if one of them is missing. Of their keys there is the
  /// number alone.
  std::optional<std::vector<Group>> read(std::uint64_t first, std::uint64_t last, std::string mark);

 private:
  std::string path_of(std::uint64_t first) const;
  bool open_file(std::uint64_t first);
  void close_file();

  const std::string folder_;
  std::mutex mutex_;
  // Under it:
  std::map<std::uint64_t, std::uint64_t> files_;  ///< by the number of the first group; bytes
  std::uint64_t current_ = 0;                     ///< the one of them that this life writes, with file_
  int file_ = -1;
  std::uint64_t newest_ = 0;  ///< group in them
};

}  // namespace sb::mirror
