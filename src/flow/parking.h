/// Timers of runs at rest that come next; those that are far stay in the store.
#pragma once

#include <limits>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "store/store.h"

namespace sb::flow {

/// Belongs to one engine. Memory is bounded: at most twice `near_max` are here.
///
/// Until begin_page() is called for the first time it knows of no store: then all that it is told is here.
class Parking {
 public:
  explicit Parking(std::size_t near_max) : near_max_(near_max) {}

  /// The run is at rest until `due_us`, whatever was known of it. Kept where it is near; the store has it anyway.
  void set(const RunId& run, Micros due_us) {
    forget(run);
    if (store_has_more_ && !loading_ && due_us > seen_.due_us) return;
    insert(run, due_us);
    if (!loading_) leave_the_far_to_the_store();
  }
  void forget(const RunId& run) {
    const auto known = times_.find(run);
    if (known == times_.end()) return;
    by_time_.erase({known->second, run});
    times_.erase(known);
  }
  /// Takes out one whose time has come.
  std::optional<RunId> take_due(Micros now) {
    if (by_time_.empty() || by_time_.begin()->first > now) return std::nullopt;
    const RunId run = by_time_.begin()->second;
    forget(run);
    return run;
  }
  Micros next_due() const { return by_time_.empty() ? 0 : by_time_.begin()->first; }
  std::size_t size() const { return times_.size(); }

  /// Few are left, and the store has more; or it is to be read from its beginning.
  bool wants_page() const {
    return store_has_more_ && !loading_ && (from_the_beginning_ || times_.size() < near_max_ / 2);
  }
  /// The store may have timers of which nothing was said here.
  void expect_store() {
    store_has_more_ = from_the_beginning_ = true;
    seen_ = {};
  }
  /// What to ask the store for, `near_max` of them. What comes meanwhile is kept, however far: the answer may lack it.
  store::Timer begin_page() {
    loading_ = true;
    from_the_beginning_ = false;
    return seen_;
  }
  /// The answer: those of `page` that are `ours`.
  template <class Ours>
  void end_page(const std::vector<store::Timer>& page, Ours ours) {
    loading_ = false;
    if (!from_the_beginning_) {
      store_has_more_ = page.size() >= near_max_;
      if (!page.empty()) seen_ = page.back();
    }
    for (const auto& timer : page) {
      if (!ours(timer.run)) continue;
      forget(timer.run);
      insert(timer.run, timer.due_us);
    }
    leave_the_far_to_the_store();
  }
  /// There was no answer.
  void drop_page() { loading_ = false; }

 private:
  void insert(const RunId& run, Micros due_us) {
    by_time_.emplace(due_us, run);
    times_.emplace(run, due_us);
  }
  void leave_the_far_to_the_store() {
    if (by_time_.size() <= 2 * near_max_) return;
    auto far = std::next(by_time_.begin(), static_cast<std::ptrdiff_t>(near_max_));
    seen_ = {far->first, 0, {}};  // with all of that very time: some may be here, and are told again
    store_has_more_ = true;
    while (far != by_time_.end()) {
      times_.erase(far->second);
      far = by_time_.erase(far);
    }
  }

  const std::size_t near_max_;
  std::set<std::pair<Micros, RunId>> by_time_;
  std::unordered_map<RunId, Micros> times_;
  store::Timer seen_;  ///< of the store's timers those up to here were seen
  bool store_has_more_ = false;
  bool from_the_beginning_ = false;
  bool loading_ = false;
};

}  // namespace sb::flow
