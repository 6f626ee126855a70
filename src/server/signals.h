/// SIGTERM, SIGINT and SIGHUP, taken by a thread that waits for them: no handler ever runs in the middle of anything.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace sb::server {

class Signals {
 public:
  /// REQUIRES that no other thread runs yet: those to come inherit that they are blocked. SIGPIPE is ignored from here
  /// on.
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  /// As long as it lives, SIGTERM and SIGINT also do `work`, on the thread of the signals.
  class OnStop {
   public:
    OnStop(Signals& signals, std::function<void()> work);
    ~OnStop();
    OnStop(const OnStop&) = delete;
    OnStop& operator=(const OnStop&) = delete;

   private:
    Signals& signals_;
  };

  bool stop_asked() const;
  /// The next one, in the order they came. Waits.
  int next();

 private:
  void run();

  mutable std::mutex mutex_;
  std::condition_variable came_;
  // Under it:
  std::deque<int> waiting_;
  std::function<void()> on_stop_;
  bool stop_asked_ = false;
  std::thread thread_;
};

}  // namespace sb::server
