/// One thread with everything a request needs: listener, client, gateway, engine, handlers.
#pragma once

#include <atomic>
#include <memory>
#include <thread>

#include "kafka/source.h"
#include "server/services.h"

namespace sb::server {

/// How many shards the configuration asks for; 0 in it is one a core.
std::size_t shard_count(const Config& config);

class Shard {
 public:
  /// Errors: unavailable (the address is taken), invalid_argument (certificate).
  static Result<std::unique_ptr<Shard>> create(Services& services, std::uint16_t port, std::atomic<bool>& ready);
  ~Shard();

  std::uint16_t port() const;
  void start();
  /// Takes over runs that a stopped server left open. Any thread.
  void recover(std::vector<RunId> runs);
  /// Wakes runs at rest when their time comes. Any thread.
  void watch_timers();
  /// Starts flows by their schedule; one shard of a server does. Any thread.
  void keep_schedules();
  /// Removes what containers flows have left; one shard of a server does. Any thread.
  void keep_containers();
  /// Tells what runs have to tell; one shard of a server does, whatever is told now: what was before is told still.
  /// Before start() of any shard.
  void adopt_post();
  /// ...from here on. Any thread.
  void start_post();
  /// A source of records becomes this shard's; before start().
  void adopt(std::unique_ptr<kafka::Source> source);
  /// Its sources take records from here on. Any thread.
  void start_sources();
  /// They take no more, and what they have dealt with is committed; until the deadline. Any other thread; before drain.
  void stop_sources(std::chrono::steady_clock::time_point deadline);
  kafka::Engines engine();
  /// Runs beside the requests; dropped where it waits when the shard ends. Any thread.
  void spawn(std::function<Task<void>()> work);
  /// Finishes what is in flight, until the deadline. Any thread; then `join`.
  void drain(std::chrono::milliseconds deadline);
  void join();
  model::DeploymentStats deployment_stats(std::size_t deployment) const;

 private:
  Shard() = default;
  struct Parts;
  std::unique_ptr<Parts> parts_;
  std::thread thread_;
};

}  // namespace sb::server
