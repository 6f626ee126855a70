#include "simulation/customers.h"

#include "base/json.h"

namespace sb::simulation {
namespace {

using store::RunStatus;

constexpr Micros kOneSecond = 1'000'000;
constexpr Micros kPatience = 20 * kOneSecond;  // then whoever has no answer asks again
constexpr const char* kFlows[] = {"chain", "wait",   "split",  "race", "listen",
                                  "retry", "review", "parent", "tell", "days"};

// Where a fork stands for nothing but itself: no event of its own, no child, no review.
bool can_be_forked(std::string_view flow) {
  return flow == "chain" || flow == "wait" || flow == "retry";
}

Task<Result<RunId>> fork(flow::Engine& engine, flow::InFlight& in_flight, flow::Engine::Fork wanted,
                         flow::RunRequest request, RunId id) {
  auto entry = in_flight.enter(request.tenant, {}, id, {});
  auto run = co_await engine.prepare_fork(std::move(wanted), std::move(request), entry.pending, id);
  if (!run) {
    in_flight.leave(std::string(kTenant), {}, entry.pending);
    co_return std::unexpected(run.error());
  }
  SB_CO_CHECK(co_await engine.spawn_until_commit(*std::move(run)));
  co_return id;
}

std::string input_of(std::size_t request) {
  const std::string text = fmt::format("write to jane.roe.{}@simulated.example", request);
  return to_text(json::object{{"model", "auto"},
                              {"order", request},
                              {"messages", json::array{json::object{{"role", "user"}, {"content", text}}}}});
}

}  // namespace

void Customers::begin() {
  const std::size_t count = 3 + parts_.draws.below(6);
  for (std::size_t i = 0; i < count; ++i) {
    // Pauses of hours are rare: they cost the most.
    const std::size_t kinds = std::size(kFlows) - (parts_.draws.one_in(4) ? 0 : 1);
    requests_.push_back({kFlows[parts_.draws.below(kinds)], fmt::format("k{}", i), {}});
    const Micros at = parts_.draws.between(0, parts_.pace_us);
    parts_.agenda.in(at, [this, i] { send(i, false); });
    if (parts_.draws.one_in(3)) parts_.agenda.in(at + parts_.draws.between(0, 5'000), [this, i] { send_once(i); });
    const Micros later = at + parts_.draws.between(1'000, parts_.pace_us);
    if (parts_.draws.one_in(6)) {
      ++wishes_;
      parts_.agenda.in(later, [this, i] { wish(i, Verb::suspend); });
    } else if (parts_.draws.one_in(8)) {
      ++wishes_;
      parts_.agenda.in(later, [this, i] { wish(i, Verb::cancel); });
    }
    if (parts_.draws.one_in(3)) {
      requests_[i].retries = true;
      parts_.agenda.in(later, [this, i] { wish_again(i); });
    }
    if (can_be_forked(requests_[i].flow) && parts_.draws.one_in(2))
      parts_.agenda.in(later + parts_.draws.between(0, 4 * kPatience), [this, i] { wish_fork(i); });
  }
  if (parts_.draws.one_in(3)) {
    events_.push_back({"placed", "order.placed"});
    parts_.agenda.in(parts_.draws.between(0, parts_.pace_us), [this] { publish(0); });
    if (parts_.draws.one_in(2)) parts_.agenda.in(parts_.draws.between(0, parts_.pace_us), [this] { publish(0); });
  }
  look_for_reviews_in(kOneSecond);
}

void Customers::server_is_back() {
  for (std::uint64_t more = parts_.draws.below(3); more > 0; --more) {
    const std::size_t request = requests_.size();
    requests_.push_back({kFlows[parts_.draws.below(std::size(kFlows) - 1)], fmt::format("k{}", request), {}});
    parts_.agenda.in(parts_.draws.between(0, 20'000), [this, request] { send(request, false); });
  }
  if (!is_looking_) look_for_reviews_in(kOneSecond);  // all that were satisfied had gone home
}

void Customers::send(std::size_t request, bool again) {
  if (again && requests_[request].run) return;
  send_once(request);
  parts_.agenda.in(parts_.draws.between(kOneSecond, kPatience), [this, request] { send(request, true); });
}

void Customers::send_once(std::size_t request) {
  if (!parts_.world.is_up()) return;
  const std::size_t at = some_engine();
  flow::RunRequest wanted;
  wanted.flow = *parts_.world.flows().find("sim", requests_[request].flow);
  wanted.tenant = kTenant;
  wanted.key = parts_.world.key().to_string();
  wanted.spender = parts_.world.key();
  wanted.input = input_of(request);
  wanted.idempotency_key = requests_[request].key;
  wanted.request_hash = fmt::format("{:064}", request);
  wanted.subject = "jane";
  parts_.world.ask<Result<flow::Engine::Started>>(
      at, parts_.world.engine(at).start(std::move(wanted)), [this, request](Result<flow::Engine::Started> started) {
        Request& mine = requests_[request];
        if (!started) return parts_.history.add(fmt::format("{} is not started: {}", mine.key, started.error().detail));
        parts_.books.started(mine.key, started->run, started->is_on_disk);
        if (!started->is_on_disk || mine.run) return;
        mine.run = started->run;
        if (mine.flow == "listen") feed(request);
      });
}

// An event is for those who listen when it comes: a new one each time, until the run has ended.
void Customers::feed(std::size_t request) {
  const Books::Run* run = parts_.books.find(*requests_[request].run);
  if (run && store::is_final(run->status)) return;
  events_.push_back({fmt::format("paid-{}-{}", request, ++requests_[request].events), "order.paid",
                     static_cast<std::int64_t>(request)});
  publish(events_.size() - 1);
  parts_.agenda.in(parts_.draws.between(2 * kOneSecond, 40 * kOneSecond), [this, request] { feed(request); });
}

void Customers::publish(std::size_t event) {
  if (events_[event].acknowledged && !parts_.draws.one_in(8)) return;
  if (!events_[event].acknowledged)
    parts_.agenda.in(parts_.draws.between(kOneSecond, kPatience), [this, event] { publish(event); });
  if (!parts_.world.is_up()) return;
  const Event& sent = events_[event];
  json::value cloud_event = json::object{{"specversion", "1.0"},
                                         {"id", sent.id},
                                         {"source", "/simulation"},
                                         {"type", sent.type},
                                         {"data", json::object{{"order", sent.order}}}};
  flow::Carried nothing;
  parts_.world.ask<Result<flow::EventHub::Receipt>>(
      some_engine(), parts_.world.events().publish(std::move(cloud_event), std::string(kTenant), std::move(nothing)),
      [this, event](Result<flow::EventHub::Receipt> receipt) {
        Event& mine = events_[event];
        parts_.history.add(fmt::format("event {}: {}", mine.id,
                                       !receipt             ? receipt.error().detail
                                       : receipt->duplicate ? "known"
                                                            : fmt::format("taken by {}", receipt->runs)));
        if (!receipt) return;
        if (!receipt->duplicate && mine.acknowledged)
          parts_.history.problem(fmt::format("event {} was acknowledged, and is new again", mine.id));
        mine.acknowledged = true;
        mine.taken += receipt->runs;
      });
}

void Customers::look_for_reviews() {
  if (parts_.world.is_up()) {
    for (const ReviewId& review : parts_.books.open_reviews()) {
      if (parts_.draws.one_in(2)) decide(review);
      if (parts_.draws.one_in(4)) decide(review);  // two at once
    }
  }
  if (!are_satisfied()) look_for_reviews_in(parts_.draws.between(2 * kOneSecond, 8 * kOneSecond));
}

void Customers::look_for_reviews_in(Micros delay_us) {
  is_looking_ = true;
  parts_.agenda.in(delay_us, [this] {
    is_looking_ = false;
    look_for_reviews();
  });
}

void Customers::decide(ReviewId review) {
  const std::size_t at = some_engine();
  const std::string reviewer = fmt::format("reviewer {}", parts_.draws.below(2));
  if (parts_.draws.one_in(3)) {
    parts_.world.ask<Result<store::ReviewRow>>(at, parts_.world.engine(at).claim(review, reviewer),
                                               [](const Result<store::ReviewRow>&) {});
    return;
  }
  constexpr const char* kVerdicts[] = {"approve", "edit", "reject"};
  json::object verdict{{"verdict", kVerdicts[parts_.draws.below(3)]}, {"text", "Call us."}};
  parts_.world.ask<Result<store::ReviewRow>>(at, parts_.world.engine(at).decide(review, reviewer, std::move(verdict)),
                                             [this, review](const Result<store::ReviewRow>& decided) {
                                               if (decided) parts_.books.decided(review, decided->state);
                                             });
}

// Told again until it is so, or the run has ended. A suspended run is resumed some time later.
void Customers::wish(std::size_t request, Verb verb) {
  const auto& run = requests_[request].run;
  const Books::Run* known = run ? parts_.books.find(*run) : nullptr;
  const RunStatus wanted = verb == Verb::cancel ? RunStatus::cancelled : RunStatus::suspended;
  if (known && (store::is_final(known->status) || known->status == wanted)) {
    --wishes_;
    if (verb == Verb::suspend) wish_resumed(request);
    return;
  }
  if (run && parts_.world.is_up()) {
    if (verb == Verb::cancel) parts_.books.wants_cancelled(*run);
    const std::size_t at = some_engine();
    parts_.world.ask<Result<>>(at, parts_.world.events().command(*run, verb, "operator"),
                               [this, id = *run, verb](const Result<>& done) {
                                 if (!done) return;
                                 if (verb == Verb::cancel)
                                   parts_.books.cancelled(id);
                                 else
                                   parts_.books.suspended(id);
                               });
  }
  parts_.agenda.in(parts_.draws.between(kOneSecond, 2 * kPatience), [this, request, verb] { wish(request, verb); });
}

void Customers::wish_resumed(std::size_t request) {
  const RunId run = *requests_[request].run;
  if (store::is_final(parts_.books.find(run)->status)) return;
  if (parts_.world.is_up() && parts_.books.find(run)->status == RunStatus::suspended) {
    parts_.books.disturbed();
    parts_.world.ask<Result<>>(some_engine(), parts_.world.events().command(run, Verb::resume, "operator"),
                               [](const Result<>&) {});
  }
  parts_.agenda.in(parts_.draws.between(kOneSecond, 3 * kPatience), [this, request] { wish_resumed(request); });
}

// Once, where it failed or from the task it began with; told again until that is on disk.
void Customers::wish_again(std::size_t request) {
  Request& mine = requests_[request];
  const Books::Run* known = mine.run ? parts_.books.find(*mine.run) : nullptr;
  if (known && (known->status == RunStatus::completed || known->retries > 0)) {
    mine.retried = true;
    if (mine.flow == "listen" && known->retries > 0) feed(request);
    return;
  }
  if (known && store::is_final(known->status) && parts_.world.is_up()) {
    const std::size_t at = some_engine();
    flow::Engine::Goal goal;
    if (mine.flow != "parent" && mine.flow != "tell" && parts_.draws.one_in(2)) {
      goal.task = known->steps.size() > 1 ? known->steps[1].ref : std::string();
      parts_.books.wants_again(*mine.run);
    }
    parts_.books.disturbed();  // a pause that was cancelled with its run goes on, and is past its time
    parts_.world.ask<Result<>>(at, parts_.world.engine(at).retry(*mine.run, std::move(goal), {"operator", {}, {}}),
                               [this, request, id = *mine.run](const Result<>& done) {
                                 if (done) return parts_.books.retried(id);
                                 parts_.history.add(fmt::format("not retried: {}", done.error().detail));
                                 if (done.error().code != Errc::unavailable && done.error().code != Errc::disk_full)
                                   requests_[request].retried = true;
                               });
  }
  if (!mine.retried)
    parts_.agenda.in(parts_.draws.between(kOneSecond, 2 * kPatience), [this, request] { wish_again(request); });
}

// From its beginning or from one of its steps, whatever has become of it; asked for once, and without a key: where the
// answer is lost nobody knows whether there is a fork.
void Customers::wish_fork(std::size_t request) {
  const Request& mine = requests_[request];
  const Books::Run* known = mine.run ? parts_.books.find(*mine.run) : nullptr;
  if (!known || !parts_.world.is_up()) return;
  flow::Engine::Fork wanted{{}, {}, {}, {}};
  wanted.origin.id = *mine.run;
  if (parts_.draws.one_in(2)) wanted.goal.step = parts_.draws.below(known->steps.size() + 1);
  flow::RunRequest asked;
  asked.tenant = kTenant;
  asked.key = parts_.world.key().to_string();
  asked.spender = parts_.world.key();
  parts_.books.disturbed();  // a pause that had begun there goes on, and may be past its time
  const std::size_t at = some_engine();
  parts_.world.ask<Result<RunId>>(at,
                                  fork(parts_.world.engine(at), parts_.world.in_flight(), std::move(wanted),
                                       std::move(asked), parts_.world.new_run()),
                                  [this, key = mine.key](const Result<RunId>& made) {
                                    if (made) return parts_.books.started("fork of " + key, *made, true);
                                    parts_.history.add(fmt::format("{} is not forked: {}", key, made.error().detail));
                                  });
}

bool Customers::are_satisfied() const {
  for (const Request& request : requests_) {
    if (!request.run || (request.retries && !request.retried)) return false;
  }
  for (const Event& event : events_) {
    if (!event.acknowledged) return false;
  }
  return wishes_ == 0 && parts_.books.all_ended();
}

void Customers::close() {
  std::size_t placed = 0;
  for (const Event& event : events_) placed += event.type == "order.placed" ? 1 : 0;
  placed += parts_.books.steps_of("sim/tell@1.0.0", "tell");
  const std::size_t started = parts_.books.count_of("sim/started@1.0.0");
  // A run that was cancelled may have told others and not have come to record it.
  const std::size_t tellers = parts_.books.count_of("sim/tell@1.0.0") + (placed > 0 ? 1 : 0);
  if (started < placed || started > std::max(placed, tellers))
    parts_.history.problem(fmt::format("{} events start a flow, {} runs of it are there", placed, started));
  for (const Request& request : requests_) {
    const Books::Run* run = parts_.books.find(*request.run);
    if (!run || request.flow != "listen" || run->status != RunStatus::completed) continue;
    std::size_t told = 0;
    for (const auto& step : run->steps) told += step.name == "guard.event" ? 1 : 0;
    if (told != 1 && run->retries == 0)
      parts_.history.problem(fmt::format("{} listens for one event and was told {}", request.key, told));
  }
}

}  // namespace sb::simulation
