// Runs with several effects under way, runs at rest, and what wakes them.
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>

#include "base/bytes.h"
#include "base/log.h"
#include "flow/dsl/cron.h"
#include "flow/engine.h"
#include "flow/steps.h"

namespace sb::flow {
namespace {

constexpr std::size_t kMostHeard = 64;  // events that a run knows again

using Signal =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

constexpr std::chrono::hours kLongWait{1};

std::chrono::steady_clock::duration until(Micros due, Micros now) {
  if (due == 0) return kLongWait;
  return std::min<std::chrono::steady_clock::duration>(kLongWait,
                                                       std::chrono::microseconds(std::max<Micros>(due - now, 0)));
}

}  // namespace

// Whether what is known of the run must be on its way to the disk before a next effect.
bool Engine::owes_checkpoint(const LiveRun& run) {
  switch (run.durability) {
    case Durability::sync:
      // Of a run that was at rest it is not there yet, and perhaps no room for it: then an answer would only be paid.
      return !run.stored || !run.steps.empty() || run.row.status != store::RunStatus::running;
    case Durability::async:
      return run.owes;
    case Durability::exit:
      break;
  }
  return false;
}

// On disk that it is about to happen, then under way. (A service is called by no run that a crash would make forget.)
Task<Result<>> Engine::begin_effect(LiveRun& run, const Machine::Call& due) {
  if (!run.stored || run.durability == Durability::sync || owes_checkpoint(run)) {
    run.row.state = run.machine.checkpoint();
    SB_CO_CHECK(co_await commit(run, store::RunStatus::running));
  }
  live_[run.row.id] = &run;
  run.machine.started(due.id);
  asio::co_spawn(
      io_,
      [](Engine& engine, std::shared_ptr<LiveRun> live, Machine::Call call) -> Task<void> {
        CancelSource cancel;
        live->under_way[call.id] = &cancel;
        auto step = task_step(*call.task, call.attempt, engine.parts_.clock.now_us());
        LiveRun::EffectResult result{call.id, std::move(step), {}, {}, {}, nullptr};
        auto came = co_await engine.effect(*live, call, cancel);
        result.step.ended_us = engine.parts_.clock.now_us();
        live->under_way.erase(call.id);
        if (came) {
          result.decision = std::move(came->decision);
          result.output = std::move(came->output);
          result.authorization = std::move(came->authorization);
        } else {
          result.is_answer = came.error().is_answer;
          auto problem = engine.treated(*live, std::move(came.error()));
          if (problem.instance.empty()) problem.instance = call.task->ref;
          result.step.error = to_text(problem.to_json());
          result.problem = std::move(problem);
          if (const auto given = live->given.find(call.id); given != live->given.end())
            result.decision = live->guard.given_decision(given->second);
        }
        result.gave = live->given.erase(call.id) > 0;
        live->results.push_back(std::move(result));
        if (live->signal) live->signal->cancel();
      }(*this, run.shared_from_this(), due),
      asio::detached);
  co_return Result<>();
}

// Waits for one effect to come back, for time to pass, or for somebody's wish.
Task<void> Engine::next_result(LiveRun& run) {
  const auto drop_unwanted = [&] {
    for (const auto& [id, source] : run.under_way) {
      if (!run.machine.wants(id)) source->cancel();
    }
  };
  drop_unwanted();
  if (run.results.empty()) {
    if (!run.signal) run.signal.emplace(io_);
    run.signal->expires_after(until(run.machine.due(), parts_.clock.now_us()));
    boost::system::error_code ignored;
    co_await run.signal->async_wait(asio::redirect_error(use_task, ignored));
  }
  run.machine.tick(parts_.clock.now_us());
  drop_unwanted();
  while (!run.results.empty()) {
    auto result = std::move(run.results.front());
    run.results.pop_front();
    const bool wanted = run.machine.wants(result.id);
    if (wanted || result.gave) record(run, std::move(result.step), std::move(result.decision));
    if (!wanted) continue;
    run.owes = true;
    for (auto& container : run.containers) container.is_told = container.is_told || container.effect == result.id;
    if (result.problem) {
      take_failure(run, result.id, *std::move(result.problem), result.is_answer && run.wish == LiveRun::Wish::none);
      continue;
    }
    if (!result.authorization.is_null()) run.machine.authorized(std::move(result.authorization));
    take_result(run, result.id, std::move(result.output));
  }
}

// What services were given by calls that nobody waits for any more: that is on record all the same.
void Engine::record_given(LiveRun& run) {
  for (auto& result : run.results) {
    if (result.gave) record(run, std::move(result.step), std::move(result.decision));
  }
  run.results.remove_if([](const auto& result) { return result.gave; });
  for (const auto& [effect, given] : std::exchange(run.given, {})) {
    auto step = guard_step("given", policy::Direction::outbound, parts_.clock.now_us());
    step.ended_us = step.started_us;
    record(run, std::move(step), run.guard.given_decision(given));
  }
}

Task<Result<>> Engine::suspend(LiveRun& run) {
  for (const auto& [id, source] : run.under_way) source->cancel();
  record_given(run);
  mark(run, {Lifecycle::suspended});
  run.machine.mark_tasks(Lifecycle::suspended);
  run.row.state = run.machine.checkpoint();
  live_.erase(run.row.id);  // what is told from here on finds it at rest
  co_return co_await commit(run, store::RunStatus::suspended);
}

Task<Result<bool>> Engine::park(LiveRun& run) {
  run.row.state = run.machine.checkpoint();
  keep_checkpoint(run);
  const Micros due = run.machine.due();
  const auto types = run.machine.event_types();
  run.wake = {due, {types.begin(), types.end()}};
  const auto told_before = run.events_told;
  live_[run.row.id] = &run;  // an event that comes while we write is for this machine
  const auto parked = co_await commit(run, store::RunStatus::waiting);
  live_.erase(run.row.id);
  if (!parked) co_return std::unexpected(parked.error());
  if (run.events_told != told_before || run.wish != LiveRun::Wish::none) co_return false;
  if (due == 0) co_return true;
  if (parts_.events)
    parts_.events->set_timer(run.row.id, due);
  else
    set_timer(run.row.id, due);
  co_return true;
}

// What other branches have sent out is on the record before anybody is asked; what comes of it may end the wait.
Task<Result<bool>> Engine::park_for_person(LiveRun& run, std::uint32_t call) {
  while (!run.under_way.empty() && run.wish == LiveRun::Wish::none && run.machine.wants(call))
    SB_CO_CHECK(co_await idle(run));
  if (run.wish != LiveRun::Wish::none || !run.machine.wants(call)) {
    run.review_create.reset();  // nobody is asked
    co_return false;
  }
  run.row.state = run.machine.checkpoint();
  live_.erase(run.row.id);             // what is told from here on finds it at rest
  run.row.output = run.output.text();  // what the caller hears meanwhile, and hears again if it asks again
  SB_CO_CHECK(co_await commit(run, store::RunStatus::waiting));
  co_return true;
}

Task<Result<std::shared_ptr<LiveRun>>> Engine::take_up(RunId id, std::function<bool(const store::RunRow&)> wanted) {
  const auto pending = parts_.in_flight.take(id);
  if (!pending) co_return nullptr;
  auto row = co_await store::read_patiently([&] { return parts_.store.load_run(id); });
  if (!row || !wanted(*row)) {
    parts_.in_flight.leave({}, {}, pending);
    if (!row && row.error().code != Errc::not_found) co_return std::unexpected(row.error());
    co_return nullptr;
  }
  const std::string tenant = row->tenant, key = row->idempotency_key;
  parts_.in_flight.name(pending, tenant, key, row->request_hash);
  auto run = resume(*std::move(row), pending);
  if (!run) parts_.in_flight.leave(tenant, key, pending);
  co_return run;
}

void Engine::let_go(const LiveRun& run) {
  parts_.in_flight.leave(run.row.tenant, run.row.idempotency_key, run.pending);
}

// As the hub names it, but shorter: it need only be told from the others of one run.
std::string Engine::heard_name(const LiveRun& run, const json::value& event) const {
  constexpr std::size_t kDigits = 16;
  return parts_.pseudonyms.event(run.row.tenant, string_member(event, "source"), string_member(event, "id"))
      .substr(0, kDigits);
}

// What an event brings is treated as what a caller sends; whose it is says the event itself, as it came.
Result<bool> Engine::tell(LiveRun& run, const json::value& event, const Carried& carried) {
  std::string heard = heard_name(run, event);
  if (std::ranges::find(run.heard, heard) != run.heard.end()) return false;
  const policy::TokenVault before = run.guard.vault();
  auto step = guard_step("guard.event", policy::Direction::inbound, parts_.clock.now_us());
  SB_TRY(std::string text, policy::carry_into(run.guard.vault(), to_text(event), carried.values));
  SB_TRY(const json::value came, parse_json(text));
  SB_TRY(auto guarded, run.guard.inspect(policy::Direction::inbound, std::move(text), policy::JsonProfile::any));
  SB_TRY(json::value told, parse_json(guarded.content.text()));
  // What CloudEvents itself says stays; an id or a source is the sender's text like any other.
  for (const std::string_view name : {"type", "specversion", "time", "datacontenttype"}) {
    if (const auto* attribute = find_member(came, name)) told.as_object()[name] = *attribute;
  }
  // What is stopped for its values has lost them; what a check stops goes to nobody.
  if (!guarded.objections.empty() || !run.machine.deliver(came, told)) {
    run.guard.vault() = before;  // of what it did not take it keeps nothing
    return false;
  }
  ++run.events_told;
  if (run.heard.size() == kMostHeard) run.heard.erase(run.heard.begin());
  run.heard.push_back(std::move(heard));
  if (carried.local) run.guard.keep_local();
  run.observes = run.observes || carried.observes;
  step.ended_us = parts_.clock.now_us();
  record(run, std::move(step), std::move(guarded.decision));
  keep_checkpoint(run);
  return true;
}

// What the run does next may be its end: then that and what it was told are one commit.
Task<Result<>> Engine::spawn_until_commit(std::shared_ptr<LiveRun> run) {
  const Executor executor = co_await asio::this_coro::executor;
  auto start = [&](auto handler) {
    run->on_commit = [executor, done = std::move(handler)](Result<> result) mutable {
      asio::post(executor, [done = std::move(done), result = std::move(result)]() mutable {
        std::move(done)(std::move(result));
      });
    };
    spawn(std::move(run));
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void(Result<>)>(start, use_task);
}

// Who waits for a commit does not wait for what takes time: a call, or a check over HTTP.
Task<Result<>> Engine::answer_waiter(LiveRun& run) {
  if (!run.on_commit) co_return Result<>();
  run.row.state = run.machine.checkpoint();
  co_return co_await commit(run, store::RunStatus::running);
}

Task<Result<bool>> Engine::offer(RunId id, const std::string& tenant, const json::value& event,
                                 const Carried& carried) {
  for (int tries = 0; tries < 8; ++tries) {
    if (const auto live = live_.find(id); live != live_.end()) {
      LiveRun& run = *live->second;
      if (run.row.tenant != tenant) co_return false;
      SB_CO_TRY(const bool taken, tell(run, event, carried));
      if (!taken) co_return false;
      run.row.state = run.machine.checkpoint();
      auto hold = run.shared_from_this();
      SB_CO_CHECK(co_await commit(run, store::RunStatus::running, true));
      if (run.signal) run.signal->cancel();
      co_return true;
    }
    if (const auto pending = parts_.in_flight.find(id)) {
      (void)co_await pending->wait(std::chrono::seconds(5));
      continue;
    }
    SB_CO_TRY(const auto run, co_await take_up(id, [&](const store::RunRow& row) {
                return row.status == store::RunStatus::waiting && row.tenant == tenant;
              }));
    if (!run) {
      if (parts_.in_flight.find(id)) continue;
      co_return false;  // it is at rest no more
    }
    const auto taken = tell(*run, event, carried);
    if (!taken || !*taken) {
      let_go(*run);
      co_return taken;
    }
    parking_.forget(id);
    SB_CO_CHECK(co_await spawn_until_commit(run));
    co_return true;
  }
  co_return fail(Errc::unavailable, "a run that listens is being worked on; send the event again");
}

// Several at a time: each waits for a commit, and commits of one moment are one group on disk.
Task<Result<std::size_t>> Engine::offer_each(std::vector<RunId> runs, const std::string& tenant,
                                             const json::value& event, const Carried& carried) {
  constexpr std::size_t kAtOnce = 64;
  std::size_t next = 0;
  std::size_t taken = 0;
  Result<> outcome;
  const auto some = [&]() -> Task<void> {
    while (outcome && next < runs.size()) {
      const auto took = co_await offer(runs[next++], tenant, event, carried);
      if (took)
        taken += *took ? 1 : 0;
      else if (outcome)
        outcome = std::unexpected(took.error());
    }
  };
  std::size_t working = std::min(runs.size(), kAtOnce);
  Signal done(io_, Signal::time_point::max());
  for (std::size_t i = working; i > 0; --i) {
    asio::co_spawn(io_, some, [&](const std::exception_ptr&) {
      if (--working == 0) done.cancel();
    });
  }
  boost::system::error_code ignored;
  while (working > 0) co_await done.async_wait(asio::redirect_error(use_task, ignored));
  if (!outcome) co_return std::unexpected(outcome.error());
  co_return taken;
}

Task<Result<std::size_t>> Engine::deliver(json::value event, std::string tenant, Carried carried,
                                          std::set<RunId>& told) {
  std::vector<RunId> listening;
  for (const auto& [id, run] : live_) {
    if (run->machine.listens() && told.insert(id).second) listening.push_back(id);
  }
  co_return co_await offer_each(std::move(listening), tenant, event, carried);
}

Task<Result<std::size_t>> Engine::deliver_at_rest(json::value event, std::string tenant, Carried carried,
                                                  std::set<RunId>& told) {
  constexpr std::size_t kPage = 256;
  std::size_t taken = 0;
  const std::string type(string_member(event, "type"));
  std::vector<store::EventListener> page;
  do {
    const std::int64_t after = page.empty() ? 0 : page.back().no;
    SB_CO_TRY(page, co_await parts_.store.listeners(tenant, type, after, kPage));
    std::vector<RunId> listening;
    for (const auto& listener : page) {
      const bool ours = !parts_.events || parts_.events->owns(*this, listener.run);
      if (ours && told.insert(listener.run).second) listening.push_back(listener.run);
    }
    SB_CO_TRY(const auto took, co_await offer_each(std::move(listening), tenant, event, carried));
    taken += took;
  } while (page.size() == kPage);
  // Those whose time came while the store was asked.
  SB_CO_TRY(const auto took, co_await deliver(std::move(event), std::move(tenant), std::move(carried), told));
  co_return taken + took;
}

Task<Result<RunId>> Engine::launch(std::shared_ptr<const Flow> flow, std::string tenant, std::string key,
                                   std::string input, std::string idempotency_key, Carried carried, bool beyond_queue) {
  RunRequest wanted;
  wanted.flow = std::move(flow);
  wanted.tenant = std::move(tenant);
  wanted.spender = KeyId::parse(key);
  wanted.key = std::move(key);
  wanted.input = std::move(input);
  wanted.idempotency_key = std::move(idempotency_key);
  wanted.carried = std::move(carried);
  wanted.beyond_queue = beyond_queue;
  SB_CO_TRY(const Started started, co_await start(std::move(wanted)));
  co_return started.run;
}

Task<Result<Engine::Started>> Engine::start(RunRequest request) {
  const RunId id = RunId::generate(parts_.clock, parts_.entropy);
  const std::string tenant = request.tenant;
  const std::string key = request.idempotency_key = parts_.pseudonyms.request_key(tenant, request.idempotency_key);
  const std::string hash = request.request_hash = parts_.pseudonyms.request_hash(tenant, request.request_hash);
  auto entry = parts_.in_flight.enter(tenant, key, id, hash);
  if (!key.empty()) {
    auto stored = co_await parts_.store.find_idempotent(tenant, key);
    if (entry.owner && (!stored || *stored)) parts_.in_flight.leave(tenant, key, entry.pending);
    if (!stored) co_return std::unexpected(stored.error());
    if (*stored) co_return started_before(**std::move(stored), hash);
  }
  if (!entry.owner) {
    Started other{entry.pending->run()};
    other.is_on_disk = false;
    co_return other;
  }
  if (!request.beyond_queue && !takes(tenant, *request.flow)) {
    parts_.in_flight.leave(tenant, key, entry.pending);
    co_return std::unexpected(queue_full());
  }
  auto run = is_long(request) ? co_await prepare_long(std::move(request), entry.pending, id)
                              : prepare(std::move(request), entry.pending, id);
  if (!run) {
    parts_.in_flight.leave(tenant, key, entry.pending);
    co_return std::unexpected(run.error());
  }
  (*run)->finish_without_caller = true;
  (*run)->requested_model = string_member((*run)->input.value(), "model");  // policed, like all that a flow sees
  if ((*run)->problem)
    SB_CO_CHECK(co_await drive(*run));
  else
    SB_CO_CHECK(co_await spawn_until_commit(*run));
  Started made{id};
  made.is_new = true;
  if ((*run)->problem) made.refused = refusal((*run)->problem->instance);
  co_return made;
}

Result<Engine::Started> Engine::started_before(store::RunRow row, std::string_view request_hash) const {
  if (row.request_hash != request_hash)
    return fail(Errc::already_exists, "this idempotency key was used with another request");
  Started started{row.id};
  if (row.status != store::RunStatus::faulted || row.erased) return started;
  SB_CHECK(unseal(row));
  if (const auto problem = parse_json(row.error)) started.refused = refusal(string_member(*problem, "instance"));
  return started;
}

void Engine::record_command(LiveRun& run, EventHub::Verb verb, const std::string& actor) {
  record_leaf(run,
              verb == EventHub::Verb::cancel    ? "run.cancel"
              : verb == EventHub::Verb::suspend ? "run.suspend"
                                                : "run.resume",
              std::move(RecordWriter().begin_object().end_object()).take());
  run.leaves.back().actor = parts_.pseudonyms.actor(actor);
}

Task<Result<bool>> Engine::command(RunId id, EventHub::Verb verb, std::string actor, bool last) {
  if (const auto live = live_.find(id); live != live_.end()) {
    if (verb == EventHub::Verb::resume) co_return fail(Errc::conflict, "the run is running");
    LiveRun& run = *live->second;
    const auto wish = verb == EventHub::Verb::cancel ? LiveRun::Wish::cancel : LiveRun::Wish::suspend;
    if (run.wish != wish) record_command(run, verb, actor);
    run.wish = wish;
    for (const auto& [effect, source] : run.under_way) source->cancel();
    if (run.signal) run.signal->cancel();
    const auto pending = run.pending;
    if (pending) (void)co_await pending->wait(std::chrono::seconds(30));
    if (pending && parts_.in_flight.find(id) == pending)
      co_return fail(Errc::unavailable, "the run was told, and has not stopped within 30 s; look at it again");
  }
  auto row = co_await parts_.store.load_run(id);
  if (!row) co_return std::unexpected(row.error());
  const bool is_done = (verb == EventHub::Verb::cancel && row->status == store::RunStatus::cancelled) ||
                       (verb == EventHub::Verb::suspend && row->status == store::RunStatus::suspended);
  if (is_done) co_return true;  // told again, after an answer that was lost
  if (store::is_final(row->status))
    co_return fail(Errc::conflict, fmt::format("the run is {} already", store::to_string(row->status)));
  if (verb == EventHub::Verb::resume && row->status != store::RunStatus::suspended)
    co_return fail(Errc::conflict, fmt::format("the run is {}, not suspended", store::to_string(row->status)));
  if (!last) co_return false;
  SB_CO_TRY(const auto run, co_await take_up(id, [&](const store::RunRow& now) { return now.status == row->status; }));
  if (!run) co_return false;
  parking_.forget(id);
  record_command(*run, verb, actor);
  if (verb == EventHub::Verb::resume) {
    mark(*run, {Lifecycle::resumed});
    run->machine.mark_tasks(Lifecycle::resumed);
    SB_CO_CHECK(co_await spawn_until_commit(run));
    co_return true;
  }
  run->wish = verb == EventHub::Verb::cancel ? LiveRun::Wish::cancel : LiveRun::Wish::suspend;
  SB_CO_CHECK(co_await drive(run));
  // A run whose time had come is at its end, whatever was wished.
  if (run->row.status != (verb == EventHub::Verb::cancel ? store::RunStatus::cancelled : store::RunStatus::suspended))
    co_return fail(Errc::conflict, fmt::format("the run is {} already", store::to_string(run->row.status)));
  co_return true;
}

}  // namespace sb::flow
