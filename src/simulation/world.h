/// A server in virtual time: engines, store, record and gateway, on a disk that dies, life after life.
///
/// Every engine has its io_context; one thread does one handler after the other, from a context that the seed draws.
/// A life is wired as server/serve.cc and server/shard.cc do it, without HTTP: who uses the server calls the engines.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <memory>
#include <string>
#include <vector>

#include "flow/engine.h"
#include "simulation/agenda.h"
#include "simulation/books.h"
#include "simulation/simulated_models.h"
#include "simulation/staged_store.h"
#include "testing/fault_disk.h"

namespace sb::simulation {

inline constexpr std::string_view kTenant = "acme";

class World {
 public:
  struct Parts {
    std::string folder;     ///< its own
    std::string template_;  ///< a folder as `prepare` made it
    VirtualTime& time;
    Draws& draws;
    History& history;
    Books& books;
    SimulatedModels& models;
    std::size_t engines = 1;
  };
  /// Makes an empty database, which every world begins with.
  static void prepare(const std::string& folder);

  explicit World(Parts parts);
  ~World();

  /// A process starts, and begins to take up what the last one left. False: the disk died meanwhile.
  bool start();
  /// It dies where it stands, or where the disk let it.
  void crash(bool power_loss);
  /// It ends in peace: all is written and shown.
  void stop();
  /// The disk dies at the operation after the next so many.
  void die_after(std::uint64_t operations) { disk_->die_after(operations); }
  /// The next start does.
  void die_while_starting(std::uint64_t operations) { dies_at_start_ = operations; }
  bool is_up() const { return life_ != nullptr; }
  bool is_dead() const { return disk_ && disk_->dead(); }

  /// One handler. False: none is due.
  bool step();
  std::optional<Micros> next() const;

  void fill_disk(bool is_full) { free_bytes_ = is_full ? 0 : std::uint64_t{1} << 40; }
  void slow_disk(Micros factor);

  const KeyId& key() const { return key_; }
  const flow::FlowRegistry& flows() const { return flows_; }
  std::size_t engines() const { return parts_.engines; }
  flow::Engine& engine(std::size_t index);
  flow::EventHub& events();
  flow::InFlight& in_flight();
  RunId new_run() { return RunId::generate(parts_.time, parts_.draws.entropy()); }
  /// Nobody waits in memory for anything.
  bool is_at_rest() const;
  /// On an engine's thread. `done` is not called where the process dies before.
  template <class T>
  void ask(std::size_t engine, Task<T> task, std::function<void(T)> done) {
    asio::co_spawn(context_of(engine), std::move(task),
                   [told = std::move(done)](const std::exception_ptr& thrown, T value) {
                     if (thrown) std::rethrow_exception(thrown);
                     told(std::move(value));
                   });
  }

  /// What lies on the disk at the end. REQUIRES stop().
  void verify();

 private:
  struct Life;
  asio::io_context& context_of(std::size_t engine);
  Task<> recover();
  void bury(bool in_peace);

  Parts parts_;
  int number_ = 0;
  std::string root_;
  std::unique_ptr<sb::testing::FaultDisk> disk_;
  std::optional<std::uint64_t> dies_at_start_;
  std::atomic<std::uint64_t> free_bytes_{std::uint64_t{1} << 40};
  std::vector<std::string> heads_;  ///< every tree head that was shown
  TenantKeys tenant_keys_{std::string(32, 'm')};
  flow::Sealer sealer_;
  flow::FlowRegistry flows_;
  model::Catalog catalog_;
  std::shared_ptr<const policy::Policy> policy_;
  const KeyId key_;
  flow::WorkLimits at_work_;  ///< of every life
  std::unique_ptr<Life> life_;
};

}  // namespace sb::simulation
