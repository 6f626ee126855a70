/// Up to where a partition's records are dealt with, when several are in work at once and end in any order.
#pragma once

#include <cstdint>
#include <optional>
#include <set>

#include "base/errors.h"

namespace sb::kafka {

/// One partition, from its assignment to its end. Bounded by the records in work. Not thread-safe.
class OffsetTracker {
 public:
  /// REQUIRES an offset above all before.
  void begin(std::int64_t offset) {
    SB_ASSERT(offset >= next_);
    if (committable_ < 0) committable_ = offset;
    in_work_.insert(offset);
    next_ = offset + 1;
  }

  /// What may be committed now, where that is more than before: every record below it is dealt with.
  /// REQUIRES that the record was begun, and not ended.
  std::optional<std::int64_t> done(std::int64_t offset) {
    SB_ASSERT(in_work_.erase(offset) == 1);
    const auto dealt_with = in_work_.empty() ? next_ : *in_work_.begin();
    if (dealt_with <= committable_) return std::nullopt;
    committable_ = dealt_with;
    return dealt_with;
  }

  std::size_t in_work() const { return in_work_.size(); }
  /// The offset behind the newest record that came; 0: none has.
  std::int64_t next() const { return next_; }

 private:
  std::set<std::int64_t> in_work_;
  std::int64_t next_ = 0;
  std::int64_t committable_ = -1;  ///< as of the last answer; before the first record -1
};

}  // namespace sb::kafka
