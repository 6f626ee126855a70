#include "flow/lifecycle_post.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>

#include "base/log.h"
#include "flow/event_hub.h"
#include "flow/lifecycle.h"
#include "flow/sealer.h"
#include "store/patient_read.h"

namespace sb::flow {
namespace {

constexpr std::size_t kTellingsAtOnce = 128;
constexpr std::chrono::milliseconds kFirstPause{100}, kLongestPause{10'000};
constexpr int kTextDepth = 80;  // of a telling: what stands around an output that is as deep as may be

// What passes by itself holds up what is behind; what else keeps a flow from hearing (it is gone, or damaged) stays.
bool passes(const Error& error) {
  return error.code == Errc::disk_full || error.code == Errc::unavailable || error.code == Errc::deadline_exceeded;
}

}  // namespace

std::string Telling::to_text() const {
  json::array values;
  for (const auto& value : carried.values) values.push_back(json::array{value.token, value.value});
  return sb::to_text(json::object{{"event", event},
                                  {"inside", inside},
                                  {"local", carried.local},
                                  {"may_restore", carried.may_restore},
                                  {"subject", carried.subject},
                                  {"values", std::move(values)}});
}

Result<Telling> Telling::from_text(std::string_view text) {
  const auto parsed = parse_json(text, kTextDepth);
  const auto* event = parsed ? find_member(*parsed, "event") : nullptr;
  const auto* values = parsed ? find_member(*parsed, "values") : nullptr;
  if (!event || !event->is_object() || !values || !values->is_array())
    return fail(Errc::corrupt, "what a run has to tell is damaged");
  Telling telling{event->get_object(), {}, bool_member(*parsed, "inside")};
  telling.carried.subject = string_member(*parsed, "subject");
  telling.carried.local = bool_member(*parsed, "local");
  telling.carried.may_restore = bool_member(*parsed, "may_restore");
  telling.carried.observes = true;
  for (const auto& value : values->get_array()) {
    const auto* pair = value.if_array();
    if (!pair || pair->size() != 2 || !(*pair)[0].is_string() || !(*pair)[1].is_string())
      return fail(Errc::corrupt, "what a run has to tell is damaged");
    telling.carried.values.push_back({std::string((*pair)[0].get_string()), std::string((*pair)[1].get_string())});
  }
  return telling;
}

void LifecyclePost::nudge() {
  nudge(here_);
}

void LifecyclePost::nudge(Keeper& keeper) {
  if (keeper.nudged.exchange(true)) return;
  asio::post(executor_, [&keeper] { keeper.pause.cancel(); });
}

Task<void> LifecyclePost::keep_here() {
  return keep(here_, &LifecyclePost::tell_here);
}

Task<void> LifecyclePost::keep_outside() {
  return keep(outside_, &LifecyclePost::tell_outside);
}

Task<void> LifecyclePost::keep(Keeper& keeper, Task<Result<bool>> (LifecyclePost::*tell)()) {
  auto pause = kFirstPause;
  boost::system::error_code ignored;
  asio::steady_timer backing_off(executor_);  // nobody cuts it short: what stands in the way is not what is new
  while (true) {
    keeper.nudged = false;
    const auto more = co_await (this->*tell)();
    if (!more) {
      log_warn("lifecycle.waiting", {{"code", to_string(more.error().code)}, {"detail", more.error().detail}});
      backing_off.expires_after(pause);
      co_await backing_off.async_wait(asio::redirect_error(use_task, ignored));
      pause = std::min(2 * pause, kLongestPause);
      continue;
    }
    pause = kFirstPause;
    if (*more || keeper.nudged) continue;
    keeper.pause.expires_at(std::chrono::steady_clock::time_point::max());
    co_await keeper.pause.async_wait(asio::redirect_error(use_task, ignored));
  }
}

Task<Result<bool>> LifecyclePost::tell_here() {
  SB_CO_TRY(auto rows, co_await store::read_patiently([&] { return parts_.store.outbox(heard_to_, kTellingsAtOnce); }));
  std::vector<std::int64_t> told;
  std::int64_t heard_to = heard_to_;
  bool more_outside = false;
  std::optional<Known> known;
  Result<> failed;
  for (const auto& row : rows) {
    const auto opened = co_await open(row, known);
    failed = !opened ? Result<>(std::unexpected(opened.error())) : *opened ? co_await tell_flows(**opened) : Result<>();
    if (!failed) break;
    heard_to = row.no;
    if (*opened && goes_outside(**opened)) {
      more_outside = true;
      continue;
    }
    told.push_back(row.no);
    count(opened->has_value());
  }
  SB_CO_CHECK(co_await take_out(std::move(told)));
  heard_to_ = heard_to;
  if (more_outside) nudge(outside_);
  if (!failed) co_return std::unexpected(failed.error());
  co_return !rows.empty();
}

Task<Result<bool>> LifecyclePost::tell_outside() {
  SB_CO_TRY(auto rows, co_await store::read_patiently([&] { return parts_.store.outbox(0, kTellingsAtOnce); }));
  std::erase_if(rows, [&](const store::OutboxRow& row) { return row.no > heard_to_; });
  if (parts_.on_waiting) parts_.on_waiting(rows.empty() ? 0 : heard_to_ - rows.front().no + 1);
  std::vector<std::int64_t> told;
  std::vector<Opened> opened;
  std::optional<Known> known;
  for (const auto& row : rows) {
    SB_CO_TRY(auto one, co_await open(row, known));
    if (one) {
      opened.push_back(*std::move(one));
    } else {
      told.push_back(row.no);
      count(false);
    }
  }
  const auto written = co_await write_all(opened);
  std::vector<RunId> behind;  // runs of which one could not be told
  Result<> failed;
  for (std::size_t i = 0; i < opened.size(); ++i) {
    // What a topic refuses for good it refuses to everybody who asks again; whoever writes has counted and logged it.
    const bool waits = !written[i] && written[i].error().code == Errc::unavailable;
    if (waits && failed) failed = written[i];
    if (waits) behind.push_back(opened[i].run);
    if (std::ranges::find(behind, opened[i].run) != behind.end()) continue;
    told.push_back(opened[i].no);
    count(true);
  }
  SB_CO_CHECK(co_await take_out(std::move(told)));
  if (!failed) co_return std::unexpected(failed.error());
  co_return !rows.empty();
}

Task<Result<>> LifecyclePost::take_out(std::vector<std::int64_t> told) {
  if (told.empty()) co_return Result<>();
  store::Commit commit;
  commit.told = std::move(told);
  const auto done = co_await parts_.store.commit(std::move(commit));
  if (!done) co_return std::unexpected(done.error());
  co_return Result<>();
}

// Nothing: the run's content is gone, or it cannot be read; that will not change. `known`: the run of the last row,
// mostly that of the next one; one that is erased meanwhile is known for a page.
Task<Result<std::optional<LifecyclePost::Opened>>> LifecyclePost::open(const store::OutboxRow& row,
                                                                       std::optional<Known>& known) {
  if (!known || known->run != row.run) {
    const auto run = co_await store::read_patiently([&] { return parts_.store.load_run(row.run); });
    if (!run && run.error().code != Errc::not_found) co_return std::unexpected(run.error());
    const auto key = run ? parts_.sealer.key_of(*run) : Result<std::string>(std::string());
    known = Known{row.run, run ? run->tenant : std::string(), key.value_or(std::string())};
  }
  if (known->key.empty()) co_return std::nullopt;
  const auto text = Sealer::open(known->key, row.run, place::outbox(row.seq), row.sealed);
  auto telling = text ? Telling::from_text(*text) : Result<Telling>(std::unexpected(text.error()));
  if (!telling) {
    log_error("lifecycle.not_told", {{"run", row.run.to_string()}, {"detail", telling.error().detail}});
    co_return std::nullopt;
  }
  co_return Opened{row.no, row.run, known->tenant, *std::move(telling)};
}

Task<Result<>> LifecyclePost::tell_flows(const Opened& opened) {
  if (!opened.telling.inside) co_return Result<>();
  auto carried = opened.telling.carried;
  const auto runs = co_await parts_.hub.tell(opened.telling.event, opened.tenant, std::move(carried));
  if (!runs && passes(runs.error())) co_return std::unexpected(runs.error());
  if (!runs) {
    log_error("lifecycle.not_heard",
              {{"event", string_member(opened.telling.event, "id")}, {"detail", runs.error().detail}});
  }
  co_return Result<>();
}

bool LifecyclePost::goes_outside(const Opened& opened) const {
  return parts_.out && parts_.out->wants(string_member(opened.telling.event, "type"));
}

struct LifecyclePost::Writing {
  Writing(std::size_t events, Executor executor) : results(events), left(events), all(executor) {
    all.expires_at(std::chrono::steady_clock::time_point::max());
  }
  std::vector<Result<>> results;
  std::size_t left;
  asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor> all;
};

// All are under way at once, begun in order: each alone would wait for its acknowledgement.
Task<std::vector<Result<>>> LifecyclePost::write_all(std::vector<Opened>& opened) {
  const auto writing = std::make_shared<Writing>(opened.size(), executor_);
  for (std::size_t i = 0; i < opened.size(); ++i) {
    auto& event = opened[i].telling.event;
    if (!goes_outside(opened[i])) {  // the configuration is another one since it was heard
      --writing->left;
      continue;
    }
    if (opened[i].telling.carried.local) keep_content(event);
    asio::co_spawn(executor_, parts_.out->write(std::move(event)),
                   [writing, i](const std::exception_ptr& failed, Result<> result) {
                     writing->results[i] =
                         failed ? fail(Errc::unavailable, "the event could not be written") : std::move(result);
                     if (--writing->left == 0) writing->all.cancel();
                   });
  }
  boost::system::error_code ignored;
  if (writing->left > 0) co_await writing->all.async_wait(asio::redirect_error(use_task, ignored));
  co_return std::move(writing->results);
}

}  // namespace sb::flow
