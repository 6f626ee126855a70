#include "flow/lifecycle_post.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

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
  if (nudged_.exchange(true)) return;
  asio::post(executor_, [this] { pause_.cancel(); });
}

Task<void> LifecyclePost::keep() {
  auto pause = kFirstPause;
  boost::system::error_code ignored;
  asio::steady_timer backing_off(executor_);  // nobody cuts it short: what stands in the way is not what is new
  while (true) {
    nudged_ = false;
    const auto more = co_await tell_some();
    if (!more) {
      log_warn("lifecycle.waiting", {{"code", to_string(more.error().code)}, {"detail", more.error().detail}});
      backing_off.expires_after(pause);
      co_await backing_off.async_wait(asio::redirect_error(use_task, ignored));
      pause = std::min(2 * pause, kLongestPause);
      continue;
    }
    pause = kFirstPause;
    if (*more || nudged_) continue;
    pause_.expires_at(std::chrono::steady_clock::time_point::max());
    co_await pause_.async_wait(asio::redirect_error(use_task, ignored));
  }
}

Task<Result<bool>> LifecyclePost::tell_some() {
  SB_CO_TRY(auto rows, co_await store::read_patiently([&] { return parts_.store.outbox(kTellingsAtOnce); }));
  if (rows.empty()) co_return false;
  const bool more = rows.size() == kTellingsAtOnce;
  std::vector<std::int64_t> told;
  const auto done = co_await tell(std::move(rows), told);
  known_.reset();  // a run may be erased before the next ones
  if (!told.empty()) {
    store::Commit commit;
    commit.told = std::move(told);
    SB_CO_CHECK(co_await parts_.store.commit(std::move(commit)));
  }
  if (!done) co_return std::unexpected(done.error());
  co_return more;
}

// First all of these here, then outside.
Task<Result<>> LifecyclePost::tell(std::vector<store::OutboxRow> rows, std::vector<std::int64_t>& told) {
  std::vector<Opened> opened;
  Result<> failed;
  for (const auto& row : rows) {
    auto one = co_await open(row);
    if (!one) {
      failed = std::unexpected(one.error());
      break;
    }
    if (!*one) {
      told.push_back(row.no);
      count(false);
      continue;
    }
    failed = co_await tell_inside(**one);
    if (!failed) break;
    opened.push_back(**std::move(one));
  }
  for (auto& one : opened) {
    SB_CO_CHECK(co_await tell_outside(one));
    told.push_back(one.no);
    count(true);
  }
  co_return failed;
}

// Nothing: the run's content is gone, or it cannot be read; that will not change.
Task<Result<std::optional<LifecyclePost::Opened>>> LifecyclePost::open(const store::OutboxRow& row) {
  if (!known_ || known_->run != row.run) {
    const auto run = co_await store::read_patiently([&] { return parts_.store.load_run(row.run); });
    if (!run && run.error().code != Errc::not_found) co_return std::unexpected(run.error());
    const auto key = run ? parts_.sealer.key_of(*run) : Result<std::string>(std::string());
    known_ = Known{row.run, run ? run->tenant : std::string(), key.value_or(std::string())};
  }
  if (known_->key.empty()) co_return std::nullopt;
  const auto text = Sealer::open(known_->key, row.run, place::outbox(row.seq), row.sealed);
  auto telling = text ? Telling::from_text(*text) : Result<Telling>(std::unexpected(text.error()));
  if (!telling) {
    log_error("lifecycle.not_told", {{"run", row.run.to_string()}, {"detail", telling.error().detail}});
    co_return std::nullopt;
  }
  co_return Opened{row.no, known_->tenant, *std::move(telling)};
}

Task<Result<>> LifecyclePost::tell_inside(const Opened& opened) {
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

// What a topic refuses for good it refuses to everybody who asks again; whoever writes has counted and logged it.
Task<Result<>> LifecyclePost::tell_outside(Opened& opened) {
  auto& event = opened.telling.event;
  if (!parts_.out || !parts_.out->wants(string_member(event, "type"))) co_return Result<>();
  if (opened.telling.carried.local) keep_content(event);
  const auto written = co_await parts_.out->write(std::move(event));
  if (!written && written.error().code == Errc::unavailable) co_return std::unexpected(written.error());
  co_return Result<>();
}

}  // namespace sb::flow
