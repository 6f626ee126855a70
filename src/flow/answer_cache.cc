#include "flow/answer_cache.h"

#include <utility>

#include "base/errors.h"

namespace sb::flow {
namespace {

// Nodes of the list and of the tables, and what the allocator adds: bench/engine/cache_bench.
constexpr std::size_t kEntryBytes = 500;

std::size_t bytes_of(const AnswerCache::Answer& answer, const std::optional<Question>& question) {
  return kEntryBytes + answer.model.size() + answer.data_key.size() + answer.output.size() +
         (question ? question->meaning.size() : 0);
}

}  // namespace

AnswerCache::Claim::Claim(AnswerCache& cache, const RunId& run) : cache_(cache), run_(run) {
  const std::lock_guard lock(cache_.mutex_);
  cache_.claimed_.insert(run_);
}

AnswerCache::Claim::~Claim() {
  const std::lock_guard lock(cache_.mutex_);
  cache_.claimed_.erase(run_);
}

std::shared_ptr<const AnswerCache::Answer> AnswerCache::find(const Digest& request, Micros now_us, Micros max_age_us) {
  const std::lock_guard lock(mutex_);
  const auto found = by_request_.find(request);
  if (found == by_request_.end()) return nullptr;
  const Micros age = now_us - found->second->since_us;
  if (age >= options_.keep_us) {
    erase(found->second);
    return nullptr;
  }
  return age <= max_age_us ? found->second->answer : nullptr;
}

std::optional<AnswerCache::Alike> AnswerCache::find_alike(const Question& question, float at_least, Micros now_us,
                                                          Micros max_age_us) {
  const std::lock_guard lock(mutex_);
  for (;;) {
    const auto near = alike_.nearest(question);
    if (!near || near->similarity < at_least) return std::nullopt;
    const auto found = by_run_.find(near->run);
    SB_ASSERT(found != by_run_.end());
    const Micros age = now_us - found->second->since_us;
    if (age < options_.keep_us) {
      if (age > max_age_us) return std::nullopt;
      return Alike{found->second->answer, near->similarity};
    }
    erase(found->second);
  }
}

void AnswerCache::put(const Claim& claim, const Digest& request, std::optional<Question> question, Answer answer,
                      Micros now_us) {
  SB_ASSERT(&claim.cache_ == this && claim.run_ == answer.run);
  const std::size_t bytes = bytes_of(answer, question);
  const std::lock_guard lock(mutex_);
  if (!claimed_.contains(answer.run)) return;
  if (const auto found = by_request_.find(request); found != by_request_.end()) erase(found->second);
  if (bytes > options_.bytes_max) return;
  // Entries stand by age: what is too old goes with what is too many.
  while (!entries_.empty() && (entries_.size() >= options_.entries_max || bytes_ + bytes > options_.bytes_max ||
                               now_us - entries_.front().since_us >= options_.keep_us)) {
    erase(entries_.begin());
  }
  Entry entry{request, std::nullopt, std::make_shared<const Answer>(std::move(answer)), now_us, bytes};
  const RunId run = entry.answer->run;
  if (question) {
    entry.scope = question->scope;
    if (const auto pushed_out = alike_.add(*std::move(question), run)) by_run_.at(*pushed_out)->scope.reset();
  }
  bytes_ += bytes;
  entries_.push_back(std::move(entry));
  by_request_[request] = by_run_[run] = std::prev(entries_.end());
}

void AnswerCache::forget(std::span<const RunId> runs) {
  const std::lock_guard lock(mutex_);
  for (const RunId& run : runs) {
    claimed_.erase(run);
    if (const auto found = by_run_.find(run); found != by_run_.end()) erase(found->second);
  }
}

std::size_t AnswerCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

std::size_t AnswerCache::size_bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

void AnswerCache::erase(Entries::iterator entry) {
  const RunId run = entry->answer->run;
  if (entry->scope) alike_.remove(*entry->scope, run);
  bytes_ -= entry->bytes;
  by_request_.erase(entry->request);
  by_run_.erase(run);
  entries_.erase(entry);
}

}  // namespace sb::flow
