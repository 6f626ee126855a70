/// Who receives what each group of commits changed, to keep a copy elsewhere (mirror/).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/errors.h"

namespace sb::store::sqlite {

class GroupSink {
 public:
  /// A run's wrapped data key came, or (empty) went.
  struct KeyChange {
    std::int64_t run = 0;  ///< runs.no
    std::string subject;
    std::string wrapped;
  };
  struct Group {
    std::uint64_t number = 0;  ///< from 1, without gaps, as long as the database lives
    std::string patchset;      ///< of all tables but data_keys, as SQLite's session extension writes it
    std::vector<KeyChange> keys;
  };
  virtual ~GroupSink() = default;
  /// Before the first group: the database has this many. Errors: conflict (the copy is ahead of the database).
  virtual Result<> opened(std::uint64_t groups) = 0;
  /// The group is on disk, and nobody has heard of it yet. May wait. On the writer thread.
  virtual void committed(Group group) = 0;
};

}  // namespace sb::store::sqlite
