/// The router in force: a document's, tightened by a guard that watches whether its promise still holds, where one is
/// configured; replaced by another while queries come.
///
/// Shared by all shards; thread-safe. A lock is held for some tens of nanoseconds a query, longer only where the guard
/// tunes anew. What it changed is the caller's to record.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/record_writer.h"
#include "triage/dataset.h"
#include "triage/promise_guard.h"
#include "triage/router.h"

namespace sb::triage {

/// The labelled texts as the classifier of `router` sees them, without those that a rule decides: nobody asks it then.
std::vector<Watched> watched(const Router& router, std::span<const Example> labelled, const RouteMap& routes);

struct PromiseChange {
  PromiseState before, after;
  std::string_view cause;      ///< "traffic", "verdicts"
  std::uint64_t observed = 0;  ///< queries so far
  Suspicion proved{};          ///< of verdicts; none: they are not the cause
  bool tightens() const { return after.threshold > before.threshold || after.wrong_scripts < before.wrong_scripts; }
};

/// What a leaf of the record says of it. `trial`: whose candidate it is; empty: of the router in force.
RecordJson record_of(const PromiseChange& change, std::string_view trial = {});

class LiveRouter {
 public:
  /// Nobody watches.
  explicit LiveRouter(std::shared_ptr<const Router> router);
  /// `promise` names what is promised and on which texts it rests: a stored state of another one counts for nothing.
  LiveRouter(std::shared_ptr<const Router> router, PromiseGuard guard, std::string promise);

  std::shared_ptr<const Router> current() const;
  bool is_watched() const;
  /// The next query of the traffic. Nothing: all is as it was.
  std::optional<PromiseChange> saw(const RouteDecision& decision);
  /// As PromiseGuard::judged.
  std::optional<PromiseChange> judged(bool wrong, double errs);

  /// Of the guard; where nobody watches, that of a guard that has seen nothing.
  PromiseState state() const;
  std::uint64_t observed() const;
  /// What a restart must not forget, as JSON; and back. What is of another promise, or no such text, changes nothing.
  std::string state_json() const;
  void resume(std::string_view state_json);

  /// From the next query on `next` decides, with its guard.
  void replace(std::unique_ptr<LiveRouter> next);

 private:
  template <class Tell>
  std::optional<PromiseChange> told(std::string_view cause, Tell&& tell);
  void renew();  // under the lock

  mutable std::mutex mutex_;
  std::shared_ptr<const Router> base_;
  std::string promise_;
  std::optional<PromiseGuard> guard_;
  std::shared_ptr<const Router> current_;
};

}  // namespace sb::triage
