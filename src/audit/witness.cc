#include "audit/witness.h"

#include <fmt/format.h>

#include <algorithm>
#include "audit/outside_thread.h"

namespace sb::audit {
namespace {

constexpr unsigned kDoublingsMax = 16;

}  // namespace

void Witness::remember(std::string_view note, const NoteVerifier& log) {
  const auto head = open_tree_head(note, log);
  auto cosignature = key_.find(note);
  if (!head || !cosignature || !*cosignature) return;
  note_ = note;
  cosignature_ = **std::move(cosignature);
  cosigned_size_ = old_size_ = head->size;
}

bool Witness::is_due(std::uint64_t size, Time now) const {
  return size > cosigned_size_ && now >= not_before_;
}

Witness::Judgement Witness::heard(std::string_view note, std::uint64_t size, int status, std::string_view body,
                                  Time now) {
  switch (status) {
    case 200:
      return take(note, size, body, now);
    case 409:
      return conflict(size, body, now);
    case 403:
      return refused("it does not accept the log's signature (403): is this log's key registered there?", now);
    case 404:
      return refused("it does not know the log's name (404): register the log there", now);
    case 422:
      return refused(fmt::format("the log does not continue what it cosigned at {} leaves (422): somebody showed it "
                                 "another history of this log",
                                 old_size_),
                     now);
    default:
      return not_heard(fmt::format("it answers {}", status), now);
  }
}

Witness::Judgement Witness::take(std::string_view note, std::uint64_t size, std::string_view body, Time now) {
  std::string cosigned(note);
  cosigned += body;
  auto found = key_.find(cosigned);
  if (!found) return not_heard("its answer does not verify: " + found.error().detail, now);
  if (!*found) return not_heard("its answer holds no cosignature of the configured key", now);
  std::string shown = std::string(note) + (*found)->line;
  // It signed what it was asked to, and not a longer text that its answer made of it.
  if (const auto again = key_.find(shown); !again || !*again)
    return not_heard("its cosignature is over another text than the tree head", now);
  cosignature_ = **std::move(found);
  note_ = std::move(shown);
  cosigned_size_ = old_size_ = size;
  told_ = false;
  trouble_ = 0;
  not_before_ = {};
  return {Verdict::cosigned, {}};
}

Witness::Judgement Witness::conflict(std::uint64_t size, std::string_view body, Time now) {
  const auto told = told_size(body);
  if (!told) return not_heard("it answers 409 without saying which size it knows", now);
  if (*told > size) {
    return refused(
        fmt::format("it cosigned {} leaves of this log, which now has {} (409): the log was rolled back", *told, size),
        now);
  }
  // What it just told is not what it knows: others ask it about this log too, or it does not keep its word.
  if (std::exchange(told_, true)) return not_heard("its size of this log changes from one answer to the next", now);
  old_size_ = *told;
  return {Verdict::ask_again, {}};
}

Witness::Judgement Witness::not_heard(std::string why, Time now) {
  ++failures_;
  pause(now);
  return {Verdict::failed, std::move(why)};
}

Witness::Judgement Witness::refused(std::string why, Time now) {
  ++refusals_;
  pause(now);
  return {Verdict::refused, std::move(why)};
}

void Witness::pause(Time now) {
  told_ = false;
  not_before_ = now + std::min(first_pause_ * (std::int64_t{1} << std::min(trouble_++, kDoublingsMax)), kLongestPause);
}

}  // namespace sb::audit
