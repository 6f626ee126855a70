#include "flow/answer_cache.h"

namespace sb::flow {

std::optional<AnswerCache::Answer> AnswerCache::find(const Digest& request, Micros now_us, Micros max_age_us) {
  const std::lock_guard lock(mutex_);
  const auto found = by_request_.find(request);
  if (found == by_request_.end()) return std::nullopt;
  const Micros age = now_us - found->second->since_us;
  if (age >= options_.keep_us) {
    erase(found->second);
    return std::nullopt;
  }
  return age <= max_age_us ? std::optional(found->second->answer) : std::nullopt;
}

void AnswerCache::put(const Digest& request, Answer answer, Micros now_us) {
  const std::lock_guard lock(mutex_);
  if (const auto found = by_request_.find(request); found != by_request_.end()) erase(found->second);
  // Entries stand by age: what is too old goes with what is too many.
  while (!entries_.empty() &&
         (entries_.size() >= options_.entries_max || now_us - entries_.front().since_us >= options_.keep_us)) {
    erase(entries_.begin());
  }
  entries_.push_back({request, std::move(answer), now_us});
  by_request_[request] = std::prev(entries_.end());
}

void AnswerCache::forget(const Digest& request) {
  const std::lock_guard lock(mutex_);
  if (const auto found = by_request_.find(request); found != by_request_.end()) erase(found->second);
}

std::size_t AnswerCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

void AnswerCache::erase(Entries::iterator entry) {
  by_request_.erase(entry->request);
  entries_.erase(entry);
}

}  // namespace sb::flow
