// Runs at rest: what they cost in memory, at start, and until one goes on. One figure a line: NAME VALUE.
//
//   parked_bench make FOLDER RUNS       puts them to rest: half of them for a month, half until an event
//   parked_bench start FOLDER RUNS      in a new process: opens the store that has so many, and wakes some
//
// Without the HTTP surface, as engine_bench. Memory is what the process holds once it is ready.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdlib>
#include <cstring>

#include "engine/workplace.h"
#include "measure.h"

namespace sb::bench {
namespace {

constexpr int kInFlight = 256;
constexpr std::string_view kHead = "document: {{dsl: '1.0.3', namespace: bench, name: {}, version: '1.0.0'}}\ndo:\n";

std::shared_ptr<const flow::Flow> flow_of(Workplace& place, std::string_view name, std::string_view task) {
  return place.add_flow(fmt::format(fmt::runtime(kHead), name) + "  - rest: " + std::string(task) + "\n");
}

struct Flows {
  explicit Flows(Workplace& place)
      : month(flow_of(place, "month", "{wait: {days: 30}}")),
        never(flow_of(place, "never", "{listen: {to: {one: {with: {type: never}}}}}")),
        moment(flow_of(place, "moment", "{wait: {milliseconds: 300}}")),
        called(flow_of(place, "called", "{listen: {to: {one: {with: {type: call}}}}}")) {}
  std::shared_ptr<const flow::Flow> month, never, moment, called;
};

Task<void> rest(Workplace& place, const Flows& flows, int& left, int& working) {
  while (left-- > 0) {
    const auto& flow = left % 2 == 0 ? flows.month : flows.never;
    for (;;) {
      auto run = place.prepare(flow, "{}", flow::Durability::async);
      if (co_await place.engine().drive(run)) break;
      SB_ASSERT((co_await place.store().flush()).has_value());  // its queue was full
    }
  }
  --working;
}

void make(const std::string& folder, int runs) {
  Workplace place(folder);
  const Flows flows(place);
  int working = kInFlight;
  for (int i = 0; i < kInFlight; ++i) asio::co_spawn(place.io(), rest(place, flows, runs, working), asio::detached);
  while (working > 0) place.io().run_one();
  for (const auto& flow : {flows.called, flows.moment})
    SB_ASSERT(place.wait(place.engine().drive(place.prepare(flow, "{}"))).has_value());
  SB_ASSERT(place.wait(place.store().flush()).has_value());
}

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

Task<Result<std::vector<store::RunRow>>> runs_of(store::Store& store, std::string flow) {
  store::RunFilter filter;
  filter.flow = std::move(flow);
  filter.limit = 1;  // the newest: more would look at all
  return store.list_runs(std::move(filter));
}

/// Works until the run has ended.
void await_end(Workplace& place, RunId run) {
  for (;;) {
    const auto row = place.wait(place.store().load_run(run));
    SB_ASSERT(row.has_value());
    if (row->status == store::RunStatus::completed) return;
  }
}

void start(const std::string& folder, int) {
  const auto begin = Steady::now();
  Workplace place(folder);
  const Flows flows(place);
  place.engine().watch_timers();
  // The moment is over since long: it is the first that the timers bring back.
  const auto overdue = place.wait(runs_of(place.store(), "bench/moment"));
  SB_ASSERT(overdue && overdue->size() == 1);
  fmt::print("start_s {:.3f}\n", seconds_since(begin));
  await_end(place, overdue->front().id);
  fmt::print("overdue_run_ended_s {:.3f}\n", seconds_since(begin));
  fmt::print("resident_bytes {}\n", resident_bytes());

  const auto called = place.wait(runs_of(place.store(), "bench/called"));
  SB_ASSERT(called && called->size() == 1);
  const auto call = [&](RunId run) {
    const json::object event{{"specversion", "1.0"}, {"id", run.to_string()}, {"source", "/bench"}, {"type", "call"}};
    flow::Carried nothing;
    const auto left = place.in_flight().watch(run);
    const auto sent = Steady::now();
    double acknowledged = 0;
    asio::co_spawn(place.io(), place.events().publish(event, std::string(kTenant), std::move(nothing)),
                   [&](const std::exception_ptr&, const Result<flow::EventHub::Receipt>& receipt) {
                     SB_ASSERT(receipt && receipt->runs == 1);
                     acknowledged = seconds_since(sent) * 1e3;
                   });
    SB_ASSERT(place.wait(left->wait(std::chrono::seconds(10))));
    const double ended = seconds_since(sent) * 1e3;
    while (acknowledged == 0) place.io().run_one();
    return std::pair(ended, acknowledged);
  };
  fmt::print("event_to_end_first_ms {:.2f}\n", call(called->front().id).first);
  std::vector<double> ended;
  std::vector<double> acknowledged;
  for (int i = 0; i < 20; ++i) {
    const auto run = place.prepare(flows.called, "{}");
    SB_ASSERT(place.wait(place.engine().drive(run)).has_value());
    const auto [end, acknowledgement] = call(run->row.id);
    ended.push_back(end);
    acknowledged.push_back(acknowledgement);
  }
  std::ranges::sort(ended);
  std::ranges::sort(acknowledged);
  fmt::print("event_to_end_p50_ms {:.2f}\nevent_to_end_max_ms {:.2f}\nevent_to_answer_p50_ms {:.2f}\n",
             ended[ended.size() / 2], ended.back(), acknowledged[acknowledged.size() / 2]);

  std::vector<double> late;
  for (int i = 0; i < 20; ++i) {
    const auto run = place.prepare(flows.moment, "{}");
    const auto due = Steady::now() + std::chrono::milliseconds(300);
    SB_ASSERT(place.wait(place.engine().drive(run)).has_value());
    await_end(place, run->row.id);
    late.push_back(std::chrono::duration<double>(Steady::now() - due).count() * 1e3);
  }
  std::ranges::sort(late);
  fmt::print("timer_to_end_p50_ms {:.2f}\ntimer_to_end_max_ms {:.2f}\n", late[late.size() / 2], late.back());
  const auto stats = place.store().stats();
  fmt::print("commit_ms {:.2f}\n", static_cast<double>(stats.sync_us.sum) / 1e3 / static_cast<double>(stats.groups));
}

}  // namespace
}  // namespace sb::bench

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  sb::set_log_level(sb::LogLevel::off);
  const bool makes = std::strcmp(argv[1], "make") == 0;
  (makes ? sb::bench::make : sb::bench::start)(argv[2], std::atoi(argv[3]));
  return 0;
}
