/// Cancellation of work in flight, within one thread.
#pragma once

#include <functional>
#include <map>
#include <utility>

namespace sb {

/// Tells those who registered that the work is no longer wanted (the client went away, a deadline passed).
/// Not thread-safe: lives and fires on the shard that owns the run.
class CancelSource {
 public:
  CancelSource() = default;
  CancelSource(const CancelSource&) = delete;
  CancelSource& operator=(const CancelSource&) = delete;

  bool cancelled() const { return cancelled_; }

  /// Fires each callback once. Later registrations fire at once.
  void cancel() {
    if (std::exchange(cancelled_, true)) return;
    for (auto callbacks = std::exchange(callbacks_, {}); auto& [id, callback] : callbacks) callback();
  }

 private:
  friend class CancelRegistration;
  bool cancelled_ = false;
  int next_id_ = 0;
  std::map<int, std::function<void()>> callbacks_;
};

/// Keeps a callback registered for as long as it lives. A null source never fires. The source outlives it.
class CancelRegistration {
 public:
  CancelRegistration(CancelSource* source, std::function<void()> callback) : source_(source) {
    if (!source_) return;
    if (source_->cancelled_) {
      callback();
      source_ = nullptr;
      return;
    }
    id_ = source_->next_id_++;
    source_->callbacks_.emplace(id_, std::move(callback));
  }
  ~CancelRegistration() {
    if (source_) source_->callbacks_.erase(id_);
  }
  CancelRegistration(const CancelRegistration&) = delete;
  CancelRegistration& operator=(const CancelRegistration&) = delete;

 private:
  CancelSource* source_;
  int id_ = -1;
};

}  // namespace sb
