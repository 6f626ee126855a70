#include "audit/verify_rows.h"

#include <fmt/format.h>

#include "base/json.h"

namespace sb::audit {

void RowVerification::take(std::uint64_t index, const LeafFields& leaf) {
  const bool is_chained = leaf.kind == "run.start" || !leaf.prev_state.empty();
  if (!leaf.run.empty() && is_chained) check_chain(index, leaf);
  if (leaf.kind == "run.start") check_start(index, leaf);
  if (leaf.kind == "run.end") check_end(index, leaf);
  if (leaf.kind == "review.verdict") check_verdict(index, leaf);
  if (leaf.kind == "erasure") erasures_ += runs_erased(leaf);
  if (const auto run = RunId::parse(leaf.run); run && leaf.kind == "run.erased") erased_.insert(*run);
  if (leaf.kind == "hold.place") holds_[hold_of(leaf).id] = hold_of(leaf);
  if (leaf.kind == "hold.release") holds_.erase(hold_of(leaf).id);
}

void RowVerification::finish() {
  finish_counts();
  finish_erasures();
  finish_holds();
}

void RowVerification::check_chain(std::uint64_t index, const LeafFields& leaf) {
  const auto run = RunId::parse(leaf.run);
  if (!run) return report_(fmt::format("leaf {}: its run is no UUID", index));
  if (!chains_[*run].take(leaf))
    report_(fmt::format("leaf {} does not continue the leaves of run {} before it", index, leaf.run));
  if (between_.erase(*run) > 0 && leaf.kind != "run.retry")
    report_(fmt::format("leaf {}: run {} goes on after its end, and nobody retried it", index, leaf.run));
}

bool RowVerification::is_actor(const LeafFields& leaf, std::string_view id) const {
  return !actors_ || leaf.actor == actors_->actor(id);
}

void RowVerification::check_start(std::uint64_t index, const LeafFields& leaf) {
  const auto id = RunId::parse(leaf.run);
  const auto run = id ? record_.run(*id) : fail(Errc::not_found, fmt::format("no run {}", leaf.run));
  if (!run) return report_(fmt::format("leaf {}: {}", index, run.error().detail));
  if (!tells_of_start(leaf, *run) || !is_actor(leaf, run->key))
    report_(fmt::format("leaf {}: the start of run {} is stored otherwise than it is recorded", index, leaf.run));
}

void RowVerification::check_end(std::uint64_t index, const LeafFields& leaf) {
  const auto id = RunId::parse(leaf.run);
  const auto run = id ? record_.run(*id) : fail(Errc::not_found, fmt::format("no run {}", leaf.run));
  if (run && run->end_leaf != index) return check_earlier_end(index, leaf, *id);
  ++ends_;
  if (!run) return report_(fmt::format("leaf {}: {}", index, run.error().detail));
  if (!tells_of_end(leaf, *run))
    report_(fmt::format("leaf {}: the end of run {} is stored otherwise than it is recorded", index, leaf.run));
  chains_.erase(*id);  // nothing continues it
}

// The row says of the last one alone.
void RowVerification::check_earlier_end(std::uint64_t index, const LeafFields& leaf, RunId run) {
  if (!may_go_on(leaf))
    report_(fmt::format("leaf {}: the end of run {} is stored otherwise than it is recorded", index, leaf.run));
  between_.insert(run);
}

void RowVerification::check_verdict(std::uint64_t index, const LeafFields& leaf) {
  ++verdicts_;
  const auto id = review_of(leaf);
  const auto review = id ? record_.review(*id) : fail(Errc::not_found, "its review is no UUID");
  if (!review) return report_(fmt::format("leaf {}: {}", index, review.error().detail));
  if (!tells(leaf, *review) || !is_actor(leaf, review->decided_by)) {
    report_(fmt::format("leaf {}: the verdict on review {} is stored otherwise than it is recorded", index,
                        id->to_string()));
  }
}

void RowVerification::finish_counts() {
  const auto counts = record_.counts();
  if (!counts) return report_(counts.error().detail);
  if (counts->ended_runs != ends_)
    report_(fmt::format("{} runs are stored as ended, the end of {} is recorded", counts->ended_runs, ends_));
  for (const RunId& run : between_)
    report_(fmt::format("run {} has ended by the record, and is stored otherwise", run.to_string()));
  if (counts->open_runs != chains_.size())
    report_(fmt::format("{} runs are stored as going on, by the record {} do", counts->open_runs, chains_.size()));
  if (counts->decided_reviews != verdicts_) {
    report_(fmt::format("{} reviews are stored as decided, the verdict on {} is recorded", counts->decided_reviews,
                        verdicts_));
  }
}

// Keys may only be gone by an erasure. Those before `run.erased` leaves were written are known by their number alone.
void RowVerification::finish_erasures() {
  const auto erased = record_.erased_runs();
  if (!erased) return report_(erased.error().detail);
  if (erased->size() != erasures_)
    report_(fmt::format("the content of {} runs is gone, the erasure of {} is recorded", erased->size(), erasures_));
  for (const RunId& run : *erased) erased_.erase(run);
  for (const RunId& run : erased_)
    report_(fmt::format("run {} is recorded as erased, and its content is there", run.to_string()));
}

void RowVerification::finish_holds() {
  const auto stored = record_.document("legal_holds");
  if (!stored) return report_(stored.error().detail);
  const auto list = parse_json(stored->empty() ? "[]" : *stored);
  if (!list || !list->is_array()) return report_("the list of legal holds is damaged");
  for (const auto& hold : list->get_array()) {
    const HoldClaim claim = hold_of(hold);
    const auto recorded = holds_.extract(claim.id);
    if (!recorded)
      report_(fmt::format("legal hold {} is stored, and not on record", claim.id));
    else if (recorded.mapped() != claim)
      report_(fmt::format("legal hold {} is stored as on another than was recorded", claim.id));
  }
  for (const auto& [id, claim] : holds_) report_(fmt::format("legal hold {} is on record, and not stored", id));
}

}  // namespace sb::audit
