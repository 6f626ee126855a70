#include "flow/in_flight.h"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

namespace sb::flow {

void Pending::belongs_to(std::string subject) {
  const std::lock_guard lock(mutex_);
  subject_ = std::move(subject);
}

std::string Pending::subject() const {
  const std::lock_guard lock(mutex_);
  return subject_;
}

void Pending::resolve() {
  std::list<std::function<void()>> waiters;
  {
    const std::lock_guard lock(mutex_);
    resolved_ = true;
    waiters.swap(waiters_);
  }
  for (auto& wake : waiters) wake();
}

Task<bool> Pending::wait(std::chrono::milliseconds patience) {
  const auto executor = co_await asio::this_coro::executor;
  using Timer =
      asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;
  // The waker may come after the wait gave up, and be kept for longer than the timer's context.
  auto timer = std::make_shared<Timer>(executor, patience);
  auto woken = std::make_shared<bool>(false);
  std::list<std::function<void()>>::iterator place;
  {
    const std::lock_guard lock(mutex_);
    if (resolved_) co_return true;
    place = waiters_.insert(waiters_.end(), [executor, waiting = std::weak_ptr(timer), woken] {
      asio::post(executor, [waiting, woken] {
        *woken = true;
        if (const auto sleeping = waiting.lock()) sleeping->cancel();
      });
    });
  }
  boost::system::error_code ignored;
  co_await timer->async_wait(asio::redirect_error(use_task, ignored));
  if (*woken) co_return true;
  const std::lock_guard lock(mutex_);
  if (!resolved_) waiters_.erase(place);
  co_return false;
}

InFlight::Entry InFlight::enter(const std::string& tenant, const std::string& key, RunId run,
                                const std::string& request_hash) {
  const std::lock_guard lock(mutex_);
  if (!key.empty()) {
    if (const auto found = by_key_.find({tenant, key}); found != by_key_.end()) return {found->second, false};
  }
  auto pending = std::make_shared<Pending>(run, request_hash);
  const auto [entry, is_alone] = by_run_.emplace(run, pending);
  if (!is_alone) return {entry->second, false};
  if (!key.empty()) by_key_.emplace(std::pair(tenant, key), pending);
  return {pending, true};
}

std::shared_ptr<Pending> InFlight::take(RunId run) {
  const std::lock_guard lock(mutex_);
  auto pending = std::make_shared<Pending>(run, std::string());
  return by_run_.emplace(run, pending).second ? pending : nullptr;
}

void InFlight::name(const std::shared_ptr<Pending>& pending, const std::string& tenant, const std::string& key,
                    const std::string& request_hash) {
  if (key.empty()) return;
  const std::lock_guard lock(mutex_);
  if (by_key_.contains({tenant, key})) return;
  pending->request_hash_ = request_hash;
  by_key_.emplace(std::pair(tenant, key), pending);
}

void InFlight::leave(const std::string& tenant, const std::string& key, const std::shared_ptr<Pending>& pending) {
  std::shared_ptr<Pending> watched;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = by_key_.find({tenant, key}); found != by_key_.end() && found->second == pending)
      by_key_.erase(found);
    const auto own = by_run_.find(pending->run());
    const bool is_own = own != by_run_.end() && own->second == pending;
    if (is_own) by_run_.erase(own);
    if (auto node = is_own ? watched_.extract(pending->run()) : decltype(watched_)::node_type())
      watched = std::move(node.mapped());
  }
  pending->resolve();
  if (watched) watched->resolve();
}

std::shared_ptr<Pending> InFlight::watch(RunId run) {
  const std::lock_guard lock(mutex_);
  auto& watched = watched_[run];
  if (!watched) watched = std::make_shared<Pending>(run, std::string());
  return watched;
}

std::shared_ptr<Pending> InFlight::find(RunId run) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_run_.find(run);
  return found == by_run_.end() ? nullptr : found->second;
}

std::vector<RunId> InFlight::runs_of(std::string_view subject) const {
  const std::lock_guard lock(mutex_);
  std::vector<RunId> runs;
  for (const auto& [run, pending] : by_run_) {
    if (pending->subject() == subject) runs.push_back(run);
  }
  return runs;
}

std::size_t InFlight::size() const {
  const std::lock_guard lock(mutex_);
  return by_run_.size();
}

}  // namespace sb::flow
