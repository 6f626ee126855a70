/// Which runs are being worked on in this process, so that a repeated request joins its run instead of starting
/// another.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/ids.h"
#include "base/task.h"

namespace sb::flow {

class InFlight;

/// One run in work. Resolved once, when it is finished or parked and its state is committed.
class Pending {
 public:
  Pending(RunId run, std::string request_hash) : run_(run), request_hash_(std::move(request_hash)) {}

  RunId run() const { return run_; }
  const std::string& request_hash() const { return request_hash_; }

  /// Whose it is, by pseudonym.
  void belongs_to(std::string subject);
  std::string subject() const;
  void resolve();
  /// Returns when resolved, or after `patience` (then false). Resumes on the caller's executor; any thread.
  Task<bool> wait(std::chrono::milliseconds patience);

 private:
  friend InFlight;  // names it

  RunId run_;
  std::string request_hash_;
  mutable std::mutex mutex_;
  std::string subject_;
  bool resolved_ = false;
  std::list<std::function<void()>> waiters_;
};

/// Thread-safe; shared by all shards. Bounded by the number of requests in flight, and of runs that wait for another.
class InFlight {
 public:
  struct Entry {
    std::shared_ptr<Pending> pending;
    bool owner;  ///< true: the caller runs it and must `leave`
  };

  /// `key` is unique within a tenant; an empty one never joins. A run that is in work already has its owner.
  Entry enter(const std::string& tenant, const std::string& key, RunId run, const std::string& request_hash);
  /// A run that is to be taken up from the store, before it is read: whoever has it is alone with it. Null: it is in
  /// work. The caller must `leave`.
  std::shared_ptr<Pending> take(RunId run);
  /// What `take` gave is found by its key from here on, unless another has it. REQUIRES that nobody was told of it yet.
  void name(const std::shared_ptr<Pending>& pending, const std::string& tenant, const std::string& key,
            const std::string& request_hash);
  void leave(const std::string& tenant, const std::string& key, const std::shared_ptr<Pending>& pending);
  std::shared_ptr<Pending> find(RunId run) const;
  /// Those of a person, by pseudonym: also what the store has not heard of yet.
  std::vector<RunId> runs_of(std::string_view subject) const;
  /// Resolved when the run is left the next time: ended or at rest. Ask for it before the run is read.
  std::shared_ptr<Pending> watch(RunId run);
  std::size_t size() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<Pending>> by_key_;
  std::unordered_map<RunId, std::shared_ptr<Pending>> by_run_;
  std::unordered_map<RunId, std::shared_ptr<Pending>> watched_;
};

}  // namespace sb::flow
