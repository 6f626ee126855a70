#include "server/signals.h"

#include <signal.h>

namespace sb::server {
namespace {

constexpr int kEnd = SIGUSR2;  // to our thread alone

sigset_t ours() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, kEnd}) sigaddset(&set, signal);
  return set;
}

}  // namespace

Signals::Signals() {
  ::signal(SIGPIPE, SIG_IGN);
  const sigset_t set = ours();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::thread([this] { run(); });
}

Signals::~Signals() {
  pthread_kill(thread_.native_handle(), kEnd);
  thread_.join();
}

Signals::OnStop::OnStop(Signals& signals, std::function<void()> work) : signals_(signals) {
  const std::lock_guard lock(signals_.mutex_);
  if (signals_.stop_asked_) work();
  signals_.on_stop_ = std::move(work);
}

Signals::OnStop::~OnStop() {
  const std::lock_guard lock(signals_.mutex_);
  signals_.on_stop_ = nullptr;
}

bool Signals::stop_asked() const {
  const std::lock_guard lock(mutex_);
  return stop_asked_;
}

int Signals::next() {
  std::unique_lock lock(mutex_);
  came_.wait(lock, [&] { return !waiting_.empty(); });
  const int signal = waiting_.front();
  waiting_.pop_front();
  return signal;
}

void Signals::run() {
  const sigset_t set = ours();
  for (int signal = 0; sigwait(&set, &signal) == 0 && signal != kEnd;) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(signal);
    if (signal != SIGHUP) {
      stop_asked_ = true;
      if (on_stop_) on_stop_();
    }
    came_.notify_one();
  }
}

}  // namespace sb::server
