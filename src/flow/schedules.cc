// Flows that start by themselves: every, cron, after, on.
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/log.h"
#include "flow/dsl/cron.h"
#include "flow/engine.h"

namespace sb::flow {
namespace {

using Timer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;
constexpr std::chrono::milliseconds kLook{250};  // how soon a flow that was just registered is seen
constexpr std::string_view kTenant = "default";

/// The highest version of each flow that has a schedule.
std::vector<std::shared_ptr<const Flow>> scheduled(const FlowRegistry& flows) {
  std::vector<std::shared_ptr<const Flow>> found;
  for (auto& flow : flows.list()) {
    if (!flow->schedule.any()) continue;
    const auto newest = flows.find(flow->ns, flow->name);
    if (newest && *newest == flow) found.push_back(std::move(flow));
  }
  return found;
}

}  // namespace

void Engine::keep_schedules() {
  asio::co_spawn(io_, schedule_loop(), asio::detached);
}

// Times that pass while the server is down are not made up for: a schedule says when, not how often.
Task<void> Engine::schedule_loop() {
  std::map<std::string, Micros> next;
  Timer timer(io_);
  while (true) {
    const Micros now = parts_.clock.now_us();
    for (const auto& flow : scheduled(parts_.flows)) {
      const auto& schedule = flow->schedule;
      if (!schedule.every && schedule.cron.empty()) continue;
      const auto following = [&](Micros after) -> Micros {
        if (schedule.every) return after + schedule.every->fixed_us;
        const auto cron = Cron::parse(schedule.cron);
        return cron ? cron->next(after).value_or(std::numeric_limits<Micros>::max())
                    : std::numeric_limits<Micros>::max();
      };
      const auto [at, fresh] = next.try_emplace(flow->id(), following(now));
      if (at->second > now) continue;
      const Micros due = at->second;
      at->second = std::max(following(due), now);
      Carried nothing;
      auto launched = co_await launch(flow, std::string(kTenant), {}, "{}",
                                      fmt::format("schedule:{}:{}", flow->id(), due), std::move(nothing));
      if (!launched) log_warn("schedule.not_started", {{"flow", flow->id()}, {"detail", launched.error().detail}});
    }
    timer.expires_after(kLook);
    co_await timer.async_wait(use_task);
  }
}

// `after`: again, so long after a run has ended.
void Engine::schedule_again(const LiveRun& run) {
  const auto& after = run.machine.flow().schedule.after;
  if (!after) return;
  asio::co_spawn(
      io_,
      [](Engine& engine, std::string flow, std::string tenant, std::string cause, Micros pause) -> Task<void> {
        Timer timer(engine.io_, std::chrono::microseconds(pause));
        co_await timer.async_wait(use_task);
        const auto again = engine.parts_.flows.find_id(flow);
        if (!again) co_return;
        Carried nothing;
        auto launched =
            co_await engine.launch(*again, std::move(tenant), {}, "{}", "after:" + cause, std::move(nothing), true);
        if (!launched) log_warn("schedule.not_started", {{"flow", flow}, {"detail", launched.error().detail}});
      }(*this, run.row.flow, run.row.tenant, run.row.id.to_string(), after->fixed_us),
      asio::detached);
}

// Whoever sent the last event sends it again: the others have been acknowledged.
void Engine::gather_again(const std::string& place, const Gathered& before) {
  if (before.events.empty() || gathered_.try_emplace(place, before).second) return;
  log_error("schedule.events_lost", {{"events", before.events.size()}});  // others have come meanwhile
}

Task<Result<std::size_t>> Engine::start_by_event(json::value event, std::string tenant, std::string name,
                                                 Carried carried) {
  std::size_t started = 0;
  for (const auto& flow : scheduled(parts_.flows)) {
    const auto& on = flow->schedule.on;
    if (!on) continue;
    const std::string place = tenant + '\0' + flow->id();
    auto& gathered = gathered_[place];
    const Gathered before = on->kind == EventStrategy::Kind::all ? gathered : Gathered();
    // Events of several runs come together: in placeholders of their own, of those that are taken.
    policy::TokenVault vault = gathered.vault;
    SB_CO_TRY(const std::string text, policy::carry_into(vault, to_text(event), carried.values));
    SB_CO_TRY(const json::value came, parse_json(text));
    Scope bare;
    bool mine = on->kind == EventStrategy::Kind::any && on->filters.empty();
    std::optional<std::size_t> filter;
    for (std::size_t i = 0; i < on->filters.size() && !mine; ++i) {
      if (on->kind == EventStrategy::Kind::all && gathered.matched.contains(i)) continue;
      const auto fits = matches_event(on->filters[i], came, bare, gathered.correlated);
      mine = fits && *fits;
      if (mine) filter = i;
    }
    if (!mine) {
      if (gathered.events.empty()) gathered_.erase(place);
      continue;
    }
    if (filter) gathered.matched.insert(*filter);
    const bool starts = on->kind != EventStrategy::Kind::all || gathered.matched.size() == on->filters.size();
    if (starts && !takes(tenant, *flow)) {  // before the event is taken: whoever sent it sends it again
      if (filter) gathered.matched.erase(*filter);
      if (gathered.events.empty()) gathered_.erase(place);
      co_return std::unexpected(queue_full());
    }
    gathered.events.push_back(read_event(came, flow->schedule.read));
    gathered.vault = std::move(vault);
    if (gathered.carried.subject.empty()) gathered.carried.subject = carried.subject;
    gathered.carried.local = gathered.carried.local || carried.local;
    gathered.carried.may_restore = gathered.carried.may_restore && carried.may_restore;
    gathered.carried.observes = gathered.carried.observes || carried.observes;
    if (!starts) continue;
    const std::string input = to_text(gathered.events);
    Carried with = std::move(gathered.carried);
    SB_CO_TRY(with.values, policy::carried_values(gathered.vault, input));
    gathered_.erase(place);
    const auto launched =
        co_await launch(flow, tenant, {}, input, fmt::format("{}:{}", name, flow->id()), std::move(with));
    if (!launched) {
      gather_again(place, before);
      co_return std::unexpected(launched.error());
    }
    ++started;
  }
  co_return started;
}

}  // namespace sb::flow
