/// Who receives what each group of commits changed, to keep a copy elsewhere (mirror/).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/errors.h"
#include "store/store.h"

namespace sb::store::sqlite {

class GroupSink {
 public:
  /// What must be able to go, and so is in no patchset, came, was sealed anew, or went: a run's data key, or the value
  /// behind a tenant's placeholder.
  struct KeyChange {
    SealedKind kind = SealedKind::data_key;
    std::int64_t no = 0;  ///< runs.no or tenant_tokens.no
    std::string subject;
    std::string sealed;  ///< empty: it went
    std::string tenant;  ///< of a placeholder, as `token`
    std::string token;
    bool replaces = false;  ///< there was one of that number before
  };
  struct Group {
    std::uint64_t number = 0;  ///< from 1, without gaps, as long as the database lives
    std::string patchset;  ///< of all tables but data_keys and tenant_tokens, as SQLite's session extension writes it
    std::vector<KeyChange> keys;
  };
  virtual ~GroupSink() = default;
  /// Before the first group: the database has this many. Errors: conflict (the copy is ahead of the database).
  virtual Result<> opened(std::uint64_t groups) = 0;
  /// The group is on disk, and nobody has heard of it yet. May wait. On the writer thread.
  virtual void committed(Group group) = 0;
};

}  // namespace sb::store::sqlite
