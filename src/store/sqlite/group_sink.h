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
    std::string mark;          ///< 8 random bytes, in the database with the group: of those with its number this one
    std::string previous;      ///< the mark of the one before it
    std::string patchset;  ///< of all tables but data_keys and tenant_tokens, as SQLite's session extension writes it
    std::vector<KeyChange> keys;
  };
  /// What the database knows of its copies.
  struct CopyState {
    std::uint64_t groups = 0;           ///< it has so many
    std::string mark;                   ///< of the newest one
    std::string lineage;                ///< 16 bytes: of this start, never used before
    std::vector<std::string> lineages;  ///< with those of earlier starts
    std::uint64_t base_segment = 0;     ///< of the copy it was made again from, and that segment's SHA-256; 0: of none
    std::string base_hash;
  };
  virtual ~GroupSink() = default;
  /// Before the first group, and before anybody is told of what the database has. May wait. Errors: conflict (the copy
  /// is ahead of the database, or another's), cancelled (told to wait no longer), as the copy's place.
  virtual Result<> opened(const CopyState& state) = 0;
  /// The group is about to be written to disk; it may fail, and another one have its number. On the writer thread.
  virtual void committing(const Group& group) = 0;
  /// The group is on disk, and nobody has heard of it yet. May wait. False: the copy does not have it, and it is no
  /// longer waited for: nothing that others will hold against the copy may be said of it. On the writer thread.
  virtual bool committed(Group group) = 0;
};

}  // namespace sb::store::sqlite
