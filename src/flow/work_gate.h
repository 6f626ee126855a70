/// How many runs are at work at once, per flow, per tenant and in all, and whose turn is next.
///
/// A run is at work from its turn on until it ends, rests, or waits for runs that it started itself. Whoever finds no
/// place waits: by age within a tenant, past those whose flow has no place; tenants in turn, one run each. Shared by
/// all shards; thread-safe. It has no clock and does no I/O.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace sb::flow {

/// 0: no limit.
struct WorkLimits {
  std::size_t all = 0;
  std::size_t per_tenant = 0;
  std::map<std::string, std::size_t, std::less<>> tenants{};  ///< of these, in place of per_tenant
  std::map<std::string, std::size_t, std::less<>> flows{};    ///< "namespace/name", all versions and tenants together
  std::size_t queue = 1'000;                                  ///< new runs of one tenant that wait

  bool any() const { return all != 0 || per_tenant != 0 || !tenants.empty() || !flows.empty(); }
};

class WorkGate {
 public:
  enum class Turn : std::uint8_t {
    first,  ///< it was at work before, and others wait for it to go on
    last,   ///< a new one
  };

  /// A run's place at work, or in the queue; given back, or left, with it. The gate outlives it.
  class Ticket {
   public:
    ~Ticket() { gate_.leave(*this); }
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    bool at_work() const { return at_work_; }

   private:
    friend WorkGate;
    Ticket(WorkGate& gate, std::string tenant, std::string flow, std::function<void()> granted)
        : gate_(gate), tenant_(std::move(tenant)), flow_(std::move(flow)), granted_(std::move(granted)) {}
    WorkGate& gate_;
    const std::string tenant_, flow_;
    std::function<void()> granted_;
    std::tuple<Turn, Micros, std::uint64_t> order_{};
    std::atomic<bool> at_work_ = false;
  };

  explicit WorkGate(WorkLimits limits) : limits_(std::move(limits)) {}

  /// Whether a new run may come: there is a place, or room where its tenant's runs wait. One that is refused counts.
  bool takes(std::string_view tenant, std::string_view flow);
  /// `since_us`: when the run began. `granted`: called once when its turn comes, on any thread; never where it is at
  /// work at once.
  std::unique_ptr<Ticket> join(std::string tenant, std::string flow, Turn turn, Micros since_us,
                               std::function<void()> granted);

  struct Stats {
    std::size_t at_work = 0;
    std::size_t queued = 0;
    std::uint64_t refused = 0;
  };
  Stats stats() const;

 private:
  using Order = std::tuple<Turn, Micros, std::uint64_t>;
  struct Tenant {
    std::size_t at_work = 0;
    std::size_t new_ones = 0;                                              ///< that wait
    std::map<std::string, std::map<Order, Ticket*>, std::less<>> waiting;  ///< by flow
  };

  void leave(Ticket& ticket);
  bool has_place(std::string_view tenant, std::string_view flow) const;
  std::size_t limit_of(std::string_view tenant) const;
  void begin(Tenant& tenant, Ticket& ticket);
  void forget(Tenant& tenant, const Ticket& ticket);
  Ticket* next_of(const std::string& name, Tenant& tenant);
  Ticket* next();
  /// Whose turn it is now, told when the lock is gone.
  std::vector<std::function<void()>> hand_out();

  const WorkLimits limits_;
  mutable std::mutex mutex_;
  std::map<std::string, Tenant, std::less<>> tenants_;             ///< with runs at work, or that wait
  std::map<std::string, std::size_t, std::less<>> flows_at_work_;  ///< of those with a limit
  std::set<std::string> waiting_;                                  ///< tenants
  std::string served_last_;                                        ///< the tenant
  std::uint64_t joined_ = 0;
  Stats stats_;
};

}  // namespace sb::flow
