/// A commit in the form the writer stores it. Packing happens on the caller's thread: the writer is the one serial
/// part.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "store/sqlite/codec.h"
#include "store/store.h"

namespace sb::store::sqlite {

struct PreparedCommit {
  Commit commit;  ///< without what is packed below
  std::vector<StepKey> steps;
  std::string body;      ///< journal row: format byte and sections; empty: nothing but, perhaps, leaves
  std::string state;     ///< where the open run stands; empty: it has ended, or nothing changed
  std::string question;  ///< of the review, packed
  std::string verdict;
  std::size_t size_bytes = 0;  ///< about what it holds in memory, for the queue's bound
};

/// Errors: invalid_argument (create and update at once, or for different runs), too_large.
Result<std::unique_ptr<PreparedCommit>> prepare(Commit&& commit);

}  // namespace sb::store::sqlite
