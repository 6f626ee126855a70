#include "api/openings.h"

namespace sb::api {

Task<Result<>> Openings::record(Opening opening) {
  std::string key = opening.actor + '\0' + opening.run.to_string() + '\0' + opening.summary;
  if (is_known(key)) co_return Result<>();
  store::Commit commit;
  store::LeafDraft leaf;
  leaf.kind = "record.opened";
  leaf.tenant = std::move(opening.tenant);
  leaf.run = opening.run;
  leaf.actor = std::move(opening.actor);
  leaf.summary = std::move(opening.summary);
  leaf.time_us = clock_.now_us();
  commit.leaves.push_back(std::move(leaf));
  SB_CO_CHECK(co_await store_.commit(std::move(commit)));
  remember(std::move(key));
  co_return Result<>();
}

bool Openings::is_known(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = seen_.find(key);
  return found != seen_.end() && clock_.steady() - found->second < kWindow;
}

void Openings::remember(std::string key) {
  const std::lock_guard lock(mutex_);
  if (seen_.size() >= kMaxRemembered) seen_.clear();
  seen_[std::move(key)] = clock_.steady();
}

}  // namespace sb::api
