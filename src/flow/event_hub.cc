#include "flow/event_hub.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>

#include "base/bytes.h"
#include "base/crypto.h"
#include "flow/engine.h"

namespace sb::flow {

Result<> check_cloud_event(const json::value& event) {
  if (!event.is_object())
    return fail(Errc::invalid_argument, "an event is a JSON object: a CloudEvent in structured mode");
  for (const auto* name : {"id", "source", "type", "specversion"}) {
    if (string_member(event, name).empty())
      return fail(Errc::invalid_argument, fmt::format("a CloudEvent needs `{}`, as text", name), name);
  }
  if (string_member(event, "specversion") != "1.0")
    return fail(Errc::invalid_argument, "specversion must be 1.0", "specversion");
  return {};
}

Task<Result<EventHub::Receipt>> EventHub::publish(json::value event, std::string tenant, Carried carried) {
  SB_CO_CHECK(check_cloud_event(event));
  const auto source = string_member(event, "source"), id = string_member(event, "id");
  const std::string name = "event:" + pseudonyms_.event(tenant, source, id);
  // Until 0.1 without a key: whoever guessed an id found it in the database.
  const std::string old_name = "event:" + to_hex(sha256(fmt::format("{}\n{}\n{}", tenant, source, id))).substr(0, 32);
  {
    const std::lock_guard lock(mutex_);
    if (!under_way_.insert(name).second)
      co_return fail(Errc::unavailable, "the same event is being delivered; try again");
  }
  const auto leave = [&] {
    const std::lock_guard lock(mutex_);
    under_way_.erase(name);
  };
  Receipt receipt;
  Result<> failed;
  auto known = co_await is_known(name, old_name);
  if (!known || *known) {
    leave();
    if (!known) co_return std::unexpected(known.error());
    receipt.duplicate = true;
    co_return receipt;
  }
  if (auto taken = co_await deliver(std::move(event), tenant, name, std::move(carried)))
    receipt.runs = *taken;
  else
    failed = std::unexpected(taken.error());
  // Last: until this is on disk the sender has no answer, sends again, and runs that have the event already know it
  // (LiveRun::heard).
  if (failed) failed = co_await remember(name, tenant, receipt.runs);
  leave();
  if (!failed) co_return std::unexpected(failed.error());
  co_return receipt;
}

Task<Result<std::size_t>> EventHub::tell(json::value event, std::string tenant, Carried carried) {
  const std::string name =
      "event:" + pseudonyms_.event(tenant, string_member(event, "source"), string_member(event, "id"));
  SB_CO_TRY(const auto known, co_await store_.load_document(name));
  if (known) co_return 0;
  SB_CO_TRY(const auto runs, co_await deliver(std::move(event), tenant, name, std::move(carried)));
  if (runs > 0) SB_CO_CHECK(co_await remember(name, tenant, runs));
  co_return runs;
}

Task<Result<>> EventHub::remember(std::string name, std::string tenant, std::size_t runs) {
  store::Commit commit;
  commit.documents.emplace_back(name, fmt::format(R"({{"at":{}}})", clock_.now_us()));
  store::LeafDraft leaf;
  leaf.kind = "event.in";
  leaf.tenant = std::move(tenant);
  leaf.summary = fmt::format(R"({{"event":"{}","runs":{}}})", name.substr(6), runs);
  leaf.time_us = clock_.now_us();
  commit.leaves.push_back(std::move(leaf));
  co_return co_await store_.commit(std::move(commit));
}

// First to all that are in memory, then to those at rest: a run that goes to rest in between is met there.
Task<Result<std::size_t>> EventHub::deliver(json::value event, std::string tenant, std::string name, Carried carried) {
  std::size_t taken = 0;
  std::set<RunId> told;
  for (const auto& [engine, executor] : members_) {
    SB_CO_TRY(const auto took,
              co_await asio::co_spawn(executor, engine->deliver(event, tenant, carried, told), use_task));
    taken += took;
  }
  for (const auto& [engine, executor] : members_) {
    SB_CO_TRY(const auto took,
              co_await asio::co_spawn(executor, engine->deliver_at_rest(event, tenant, carried, told), use_task));
    taken += took;
  }
  if (members_.empty()) co_return taken;
  const auto& [engine, executor] = members_.front();
  SB_CO_TRY(const auto started,
            co_await asio::co_spawn(executor, engine->start_by_event(event, tenant, name, carried), use_task));
  co_return taken + started;
}

void EventHub::set_timer(RunId run, Micros due_us) const {
  const auto& [engine, executor] = owner(run);
  asio::dispatch(executor, [engine, run, due_us] { engine->set_timer(run, due_us); });
}

Task<Result<bool>> EventHub::is_known(std::string name, std::string old_name) {
  SB_CO_TRY(const auto known, co_await store_.load_document(std::move(name)));
  if (known) co_return true;
  SB_CO_TRY(const auto known_before, co_await store_.load_document(std::move(old_name)));
  co_return known_before.has_value();
}

Task<Result<>> EventHub::command(RunId run, Verb verb, std::string actor) {
  // A run in work is told by the engine that has it; one at rest by any. Between the two it is on its way to the disk.
  constexpr int kTries = 40;
  asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor> pause(
      co_await asio::this_coro::executor);
  for (int tries = 0; tries < kTries; ++tries) {
    std::vector<Member> asked = members_;  // the one whose it is last: it takes it up where it is at rest
    std::ranges::partition(asked, [&](const Member& member) { return !owns(*member.engine, run); });
    for (const auto& member : asked) {
      const bool last = &member == &asked.back();
      auto done = co_await asio::co_spawn(member.executor, member.engine->command(run, verb, actor, last), use_task);
      if (!done) co_return std::unexpected(done.error());
      if (*done) co_return Result<>();
    }
    pause.expires_after(std::chrono::milliseconds(25));
    co_await pause.async_wait(use_task);
  }
  co_return fail(Errc::conflict, "the run is being worked on; try again");
}

}  // namespace sb::flow
