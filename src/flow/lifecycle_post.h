/// Tells others what runs have put into the store's outbox: lifecycle events, to the flows that listen here and to
/// systems outside.
#pragma once

#include <atomic>
#include <boost/asio/basic_waitable_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/json.h"
#include "base/task.h"
#include "flow/carried.h"
#include "store/store.h"

namespace sb::flow {

class EventHub;
class Sealer;

/// Where emitted events go beside the inbox: systems outside.
struct EventsOut {
  std::function<bool(std::string_view type)> wants;
  /// Returns when the event is there to stay. A step in flight is executed again after a crash: then it comes again,
  /// with the same `id`. Errors: what keeps it from being there.
  std::function<Task<Result<>>(json::value event)> write;
};

/// An event that waits in the outbox.
struct Telling {
  json::object event;
  Carried carried;
  bool inside = true;  ///< flows here may hear it

  std::string to_text() const;
  /// Errors: corrupt.
  static Result<Telling> from_text(std::string_view text);
};

/// One for a server; belongs to the executor that its keepers run on.
///
/// Flows here hear everything in the order in which the outbox has it, whatever systems outside take; those get what
/// was heard here, of each run in order. What everybody has is taken out of the outbox, so a crash in between tells it
/// again, under the same id: the hub knows it then. What cannot be told now, and all of its run behind it, waits.
class LifecyclePost {
 public:
  struct Parts {  ///< borrowed; all of it outlives the post
    store::Store& store;
    const Sealer& sealer;
    EventHub& hub;
    std::optional<EventsOut> out{};                         ///< nothing: they stay here
    std::function<void(bool told)> on_event{};              ///< false: given up; empty: nobody counts them
    std::function<void(std::int64_t events)> on_waiting{};  ///< so many at most wait for a system outside
  };
  LifecyclePost(Parts parts, Executor executor)
      : parts_(std::move(parts)), executor_(executor), here_(executor), outside_(executor) {}

  /// There may be something to tell. Any thread.
  void nudge();
  /// Tell flows here, and systems outside, for ever.
  Task<void> keep_here();
  Task<void> keep_outside();
  /// Tells the next ones, as many as are read at once. False: that was all. Errors: what keeps the first of those that
  /// are left from being told.
  Task<Result<bool>> tell_here();
  /// The same of what was heard here.
  Task<Result<bool>> tell_outside();

 private:
  struct Known {
    RunId run;
    std::string tenant, key;  ///< empty: its content is gone
  };
  struct Opened {
    std::int64_t no = 0;
    RunId run;
    std::string tenant;
    Telling telling;
  };
  /// Who tells, and how far it is.
  struct Keeper {
    explicit Keeper(Executor executor) : pause(executor) {}
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor> pause;
    std::atomic<bool> nudged = false;
  };
  struct Writing;

  void nudge(Keeper& keeper);
  Task<void> keep(Keeper& keeper, Task<Result<bool>> (LifecyclePost::*tell)());
  Task<Result<std::optional<Opened>>> open(const store::OutboxRow& row, std::optional<Known>& known);
  Task<Result<>> tell_flows(const Opened& opened);
  Task<std::vector<Result<>>> write_all(std::vector<Opened>& opened);
  Task<Result<>> take_out(std::vector<std::int64_t> told);
  bool goes_outside(const Opened& opened) const;
  void count(bool told) const {
    if (parts_.on_event) parts_.on_event(told);
  }

  Parts parts_;
  Executor executor_;
  Keeper here_, outside_;
  std::int64_t heard_to_ = 0;  ///< the number of the last that flows here have heard since the start
};

}  // namespace sb::flow
