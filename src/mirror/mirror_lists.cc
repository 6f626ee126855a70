// Keys and values behind placeholders in a mirror: they come with segments, and go with erasures.
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/log.h"
#include "mirror/mirror.h"

namespace sb::mirror {
namespace {

constexpr std::size_t kListsAtOnce = 64;

}  // namespace

// Of what came and went in one segment nothing sealed is written.
std::vector<ListEntry> Mirror::listed(SealedKind kind, const std::vector<Group>& groups) {
  std::map<std::int64_t, ListEntry> came;
  for (const Group& group : groups) {
    for (const KeyChange& change : group.keys) {
      if (change.kind != kind) continue;
      // Older lists have it as it was before: the newest one counts, and a snapshot takes the older away. Thousands of
      // them, rewritten now, would keep those waiting who wait for this segment.
      if (change.replaces) sealed_anew_at_ = Steady::now();
      if (!change.sealed.empty())
        came[change.no] = {change.no, change.subject, change.sealed, change.tenant, change.token};
      else if (const auto it = came.find(change.no); it != came.end() && kind == SealedKind::data_key)
        it->second = ListEntry{change.no, {}, {}, {}, {}};
      else if (it != came.end())
        came.erase(it);
    }
  }
  std::vector<ListEntry> entries;
  for (auto& [no, entry] : came) entries.push_back(std::move(entry));
  return entries;
}

void Mirror::seal_lists(Segment& segment, Outgoing& outgoing) {
  for (const auto kind : {SealedKind::data_key, SealedKind::token}) {
    const auto entries = listed(kind, outgoing.groups);
    if (entries.empty()) continue;
    segment.lists.push_back({kind, entries.front().no, entries.back().no});
    const std::string name = text_of(kind, name_of(segment.lists.back(), segment));
    outgoing.lists.push_back({name, seal_object(options_.key, name, encode_list(kind, entries), system_entropy())});
  }
}

Result<> Mirror::drop_erased(const std::vector<Erased>& erased) {
  for (const auto kind : {SealedKind::data_key, SealedKind::token}) {
    std::set<std::int64_t> numbers;
    for (const Erased& one : erased) {
      if (one.kind == kind) numbers.insert(one.no);
    }
    if (numbers.empty()) continue;
    if (job_) job_->erased(kind, numbers);
    SB_CHECK(drop_listed(kind, numbers));
  }
  return {};
}

Result<> Mirror::drop_listed(SealedKind kind, const std::set<std::int64_t>& numbers) {
  SB_TRY(std::vector<std::string> names, target_->list(list_prefix(kind)));
  std::erase_if(names, [&](const std::string& name) {
    const auto list = parse_list_name(name);
    const auto first = list ? numbers.lower_bound(list->first) : numbers.end();
    return first == numbers.end() || *first > list->last;
  });
  for (std::span<const std::string> rest = names; !rest.empty();) {
    const auto some = rest.first(std::min(rest.size(), kListsAtOnce));
    SB_CHECK(rewrite_lists(kind, numbers, some));
    rest = rest.subspan(some.size());
  }
  return {};
}

Result<> Mirror::rewrite_lists(SealedKind kind, const std::set<std::int64_t>& numbers,
                               std::span<const std::string> names) {
  SB_TRY(const auto sealed, target_->get_all(names));
  std::vector<Object> changed;
  for (std::size_t i = 0; i < names.size(); ++i) {
    auto plain = open_object(options_.key, names[i], sealed[i]);
    auto opened = plain ? parse_list(kind, *plain) : std::unexpected(plain.error());
    if (!opened) {
      SB_CHECK(give_up_list(names[i], opened.error()));
      continue;
    }
    std::vector<ListEntry>& entries = *opened;
    if (!take_out(kind, entries, numbers)) continue;
    changed.push_back({names[i], seal_object(options_.key, names[i], encode_list(kind, entries), system_entropy())});
  }
  SB_CHECK(target_->put_all(changed));
  // Also where an attempt whose answer was lost has taken it out: the versions before are there still.
  for (const std::string& name : names) forget_or_tell(*target_, name);
  return {};
}

// What was erased cannot be taken out of a damaged list, and may be read from it in part: it goes as a whole. A restore
// would have refused it too; a new snapshot has what else was in it.
Result<> Mirror::give_up_list(const std::string& name, const Error& why) {
  log_error("mirror.list_damaged", {{"object", name}, {"detail", why.detail}});
  SB_CHECK(target_->remove(name));
  sealed_anew_at_ = Steady::now();
  return {};
}

// Those that came with what the snapshot that counts stands in for, with another snapshot, or with a segment that was
// never written.
Result<> Mirror::find_stale_lists() {
  stale_lists_.clear();
  for (const auto kind : {SealedKind::data_key, SealedKind::token}) {
    SB_TRY(const auto names, target_->list(list_prefix(kind)));
    for (const std::string& name : names) {
      const auto list = parse_list_name(name);
      if (!list) continue;
      const bool counts = list->of_segment ? list->number > snapshot_segment_ && list->number <= segment_
                                           : SnapshotId{list->number, list->tag} == snapshot_;
      if (!counts) stale_lists_.push_back(name);
    }
  }
  return {};
}

Result<> Mirror::remove_stale_lists(std::size_t max) {
  for (std::size_t i = 0; i < max && !stale_lists_.empty(); ++i) {
    const auto removed = target_->remove(stale_lists_.back());
    if (!removed && removed.error().code != Errc::permission_denied) return removed;
    if (removed)
      forget_or_tell(*target_, stale_lists_.back());
    else
      log_error("mirror.lists_stay", {{"object", stale_lists_.back()}, {"detail", removed.error().detail}});
    stale_lists_.pop_back();
  }
  return {};
}

}  // namespace sb::mirror
