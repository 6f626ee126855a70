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

/// One for a server; belongs to the executor that keep() runs on.
///
/// In the order in which the outbox has them. What was told is taken out of it, so a crash in between tells it again,
/// under the same id: the hub knows it then. Where it cannot be told now everything behind it waits.
class LifecyclePost {
 public:
  struct Parts {  ///< borrowed; all of it outlives the post
    store::Store& store;
    const Sealer& sealer;
    EventHub& hub;
    std::optional<EventsOut> out{};             ///< nothing: they stay here
    std::function<void(bool told)> on_event{};  ///< false: given up; empty: nobody counts them
  };
  LifecyclePost(Parts parts, Executor executor) : parts_(std::move(parts)), executor_(executor), pause_(executor) {}

  /// There may be something to tell. Any thread.
  void nudge();
  /// Tells, for ever.
  Task<void> keep();
  /// Tells the next ones, as many as are read at once. False: that was all. Errors: what keeps the first of those that
  /// are left from being told.
  Task<Result<bool>> tell_some();

 private:
  struct Opened {
    std::int64_t no = 0;
    std::string tenant;
    Telling telling;
  };
  Task<Result<std::optional<Opened>>> open(const store::OutboxRow& row);
  Task<Result<>> tell_inside(const Opened& opened);
  Task<Result<>> tell_outside(Opened& opened);
  Task<Result<>> tell(std::vector<store::OutboxRow> rows, std::vector<std::int64_t>& told);
  void count(bool told) const {
    if (parts_.on_event) parts_.on_event(told);
  }

  struct Known {
    RunId run;
    std::string tenant, key;  ///< empty: its content is gone
  };

  Parts parts_;
  Executor executor_;
  asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor> pause_;
  std::atomic<bool> nudged_ = false;
  std::optional<Known> known_;  ///< the run of the last row: mostly that of the next one
};

}  // namespace sb::flow
