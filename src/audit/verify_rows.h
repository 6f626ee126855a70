/// What leaves say of runs, reviews, erasures and holds against the rows that the database has of them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "audit/leaf.h"
#include "audit/run_chain.h"
#include "audit/stored_claims.h"
#include "keys/pseudonym.h"
#include "store/sqlite/record_reader.h"

namespace sb::audit {

/// Takes all leaves in their order. One thread.
class RowVerification {
 public:
  using Report = std::function<void(std::string problem)>;

  /// `actors`: nothing where who did something cannot be known, for want of the data directory's secret.
  RowVerification(store::sqlite::RecordReader& record, const Pseudonyms* actors, Report report)
      : record_(record), actors_(actors), report_(std::move(report)) {}

  void take(std::uint64_t index, const LeafFields& leaf);
  /// No leaf follows: what is stored must be what was recorded, and no more.
  void finish();

 private:
  void check_chain(std::uint64_t index, const LeafFields& leaf);
  void check_start(std::uint64_t index, const LeafFields& leaf);
  void check_end(std::uint64_t index, const LeafFields& leaf);
  void check_earlier_end(std::uint64_t index, const LeafFields& leaf, RunId run);
  void check_verdict(std::uint64_t index, const LeafFields& leaf);
  bool is_actor(const LeafFields& leaf, std::string_view id) const;
  void finish_counts();
  void finish_erasures();
  void finish_holds();

  store::sqlite::RecordReader& record_;
  const Pseudonyms* actors_;
  Report report_;
  std::unordered_map<RunId, RunChain> chains_;  ///< of runs that go on, or go on later
  std::unordered_set<RunId> between_;           ///< of those: they have ended, and are to be retried
  std::uint64_t ends_ = 0;
  std::uint64_t verdicts_ = 0;
  std::uint64_t erasures_ = 0;  ///< runs, by the leaves of erasures
  std::unordered_set<RunId> erased_;
  std::map<std::string, HoldClaim> holds_;  ///< that stand
};

}  // namespace sb::audit
