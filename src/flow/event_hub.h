/// Events that reach the server, and all engines they may be for.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/task.h"
#include "flow/carried.h"
#include "keys/pseudonym.h"
#include "store/store.h"

namespace sb::flow {

class Engine;

/// Shared by all shards; thread-safe once every engine has joined.
class EventHub {
 public:
  struct Receipt {
    std::size_t runs = 0;  ///< that took it, or were started by it
    bool duplicate = false;
  };

  EventHub(store::Store& store, const Clock& clock, Pseudonyms pseudonyms)
      : store_(store), clock_(clock), pseudonyms_(std::move(pseudonyms)) {}
  void join(Engine& engine, Executor executor) { members_.push_back({&engine, executor}); }
  /// Every run at rest is one engine's: it alone wakes it, by time or event. So a run is never taken up twice, and an
  /// event that comes while it is taken up finds it.
  bool owns(const Engine& engine, RunId run) const { return members_.empty() || owner(run).engine == &engine; }
  /// Tells whose it is that the run is at rest until `due_us`. REQUIRES that an engine has joined.
  void set_timer(RunId run, Micros due_us) const;

  /// Gives a CloudEvent (structured JSON) to every run of `tenant` that listens for it, and every flow that it starts,
  /// as that tenant's run. `carried`: with the event of a run. Returns when they have it on disk: an event that was
  /// acknowledged is not lost, and the same `source` and `id` again is nothing new. Errors: invalid_argument (no
  /// CloudEvent 1.0), those of the store, and unavailable (a run that wants it is being worked on: send it again).
  Task<Result<Receipt>> publish(json::value event, std::string tenant, Carried carried);

  /// The same for an event of the server's own, kept by the caller until this has returned well: where nobody takes it
  /// nothing is written. The number that took it; 0 as well where it came before. Errors: as publish.
  Task<Result<std::size_t>> tell(json::value event, std::string tenant, Carried carried);

  enum class Verb { suspend, resume, cancel };
  /// A person's wish for a run, wherever it is. Errors: not_found, conflict (not in a state that allows it).
  Task<Result<>> command(RunId run, Verb verb, std::string actor);

 private:
  /// Whether the event came before. Errors: as the store's.
  Task<Result<bool>> is_known(std::string name, std::string old_name);
  struct Member {
    Engine* engine;
    Executor executor;
  };
  const Member& owner(RunId run) const { return members_[std::hash<RunId>()(run) % members_.size()]; }
  Task<Result<std::size_t>> deliver(json::value event, std::string tenant, std::string name, Carried carried);
  /// On disk that it was taken: the same again is nothing new.
  Task<Result<>> remember(std::string name, std::string tenant, std::size_t runs);

  store::Store& store_;
  const Clock& clock_;
  const Pseudonyms pseudonyms_;
  std::vector<Member> members_;
  std::mutex mutex_;
  std::set<std::string> under_way_;
};

/// Errors: invalid_argument, naming the attribute.
Result<> check_cloud_event(const json::value& event);

}  // namespace sb::flow
