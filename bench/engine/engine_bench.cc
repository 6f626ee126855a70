// Durable flows of ten steps through the engine, over the real store, audit log, policy and encryption, beside what the
// same disk gives to SQLite alone. One figure a line: NAME VALUE.
//
//   engine_bench FOLDER SECONDS [KIND...]
//
// KIND is what the ten steps are; all of them if none is named:
//   chat   calls a model that answers in this process: an effect, so each step is on disk before the next begins
//   http   a service on the loopback device, in a thread of its own, whose processor time is counted too
//   emit   an event
//   set    no effect: the steps ride along with the run's end, one commit a run
//   memory each adds one to a number; nobody waits for the disk (durability exit), 64 in flight
//   first  is registered and runs for the first time, with twenty expressions
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdlib>
#include <thread>

#include "engine/workplace.h"
#include "http/server.h"
#include "measure.h"

namespace sb::bench {
namespace {

constexpr int kSteps = 10;
constexpr int kInFlight = 64;

/// Answers `{"ok":true}` to whatever it is asked.
class Service {
 public:
  Service() {
    server_ = *http::Server::create(io_, {}, [](http::Exchange& exchange) -> Task<void> {
      http::Response response;
      response.headers.add("content-type", "application/json");
      response.body = R"({"ok":true})";
      (void)co_await exchange.respond(std::move(response));
    });
    server_->start();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Service() {
    io_.stop();
    thread_.join();
  }
  std::string address() const { return fmt::format("127.0.0.1:{}", server_->port()); }

 private:
  asio::io_context io_{1};
  asio::executor_work_guard<Executor> work_{io_.get_executor()};
  std::unique_ptr<http::Server> server_;
  std::thread thread_;
};

std::uintmax_t bytes_below(const std::string& folder) {
  std::uintmax_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

Task<void> one_after_the_other(Workplace& place, std::shared_ptr<const flow::Flow> flow, std::string_view input,
                               Steady::time_point until, std::vector<double>& latencies, int& working) {
  while (Steady::now() < until) {
    const auto begin = Steady::now();
    auto run = place.prepare(flow, input);
    const auto driven = co_await place.engine().drive(run);
    if (!driven && driven.error().code == Errc::unavailable) {  // the disk is behind: no room in the store's queue
      asio::steady_timer pause(co_await asio::this_coro::executor, std::chrono::milliseconds(1));
      co_await pause.async_wait(use_task);
      continue;
    }
    SB_ASSERT(driven.has_value() && !run->problem);
    latencies.push_back(seconds_since(begin) * 1e6);
  }
  --working;
}

Row bench_flows(Workplace& place, const std::shared_ptr<const flow::Flow>& flow, double seconds, int in_flight,
                std::string_view input = kQuestion) {
  Row row;
  std::vector<double> latencies;
  const double cpu = cpu_us();
  const auto begin = Steady::now();
  const auto until = begin + std::chrono::duration_cast<Steady::duration>(std::chrono::duration<double>(seconds));
  int working = in_flight;
  for (int i = 0; i < in_flight; ++i)
    asio::co_spawn(place.io(), one_after_the_other(place, flow, input, until, latencies, working), asio::detached);
  while (working > 0) place.io().run_one();
  row.per_second = static_cast<double>(latencies.size()) / seconds_since(begin);
  row.cpu_us = (cpu_us() - cpu) / static_cast<double>(latencies.size());
  row.group = static_cast<double>(latencies.size());
  set_percentiles(row, latencies);
  return row;
}

void print(std::string_view kind, std::string_view how, const Row& row) {
  fmt::print("{0}_{1}_steps_per_s {2:.0f}\n{0}_{1}_p50_ms {3:.2f}\n{0}_{1}_p99_ms {4:.2f}\n{0}_{1}_cpu_ms {5:.3f}\n",
             kind, how, row.per_second * kSteps, row.p50_us / 1e3, row.p99_us / 1e3, row.cpu_us / 1e3);
  std::fflush(stdout);
}

std::string task_of(std::string_view kind, const Service& service) {
  if (kind == "chat") return "{call: chat}";
  if (kind == "http")
    return fmt::format("{{call: http, with: {{method: get, endpoint: 'http://{}/'}}}}", service.address());
  if (kind == "emit") return "{emit: {event: {with: {source: /bench, type: bench.step}}}}";
  return "{set: {done: true}}";
}

/// What a run of ten steps takes in the files of the server, one run after the other. In the database alone it is what
/// is given back, in bytes.
std::uintmax_t bench_storage(const std::string& folder, const std::string& kind, unsigned runs) {
  const Service service;
  const auto open = [&] {
    auto place = std::make_unique<Workplace>(folder);
    SB_ASSERT(place->egress().allow(service.address(), {}).has_value());
    return place;
  };
  open().reset();
  const auto empty = bytes_below(folder);
  {
    const auto place = open();
    const auto flow = place->add_flow(ten_tasks(kind, task_of(kind, service)));
    for (unsigned i = 0; i < runs; ++i)
      SB_ASSERT(place->wait(place->engine().drive(place->prepare(flow, kQuestion))).has_value());
    SB_ASSERT(place->wait(place->store().flush()).has_value());
  }
  const auto all = (bytes_below(folder) - empty) / runs, published = bytes_below(folder + "/audit") / runs;
  fmt::print("{0}_bytes_a_run {1}\n{0}_published_bytes_a_run {2}\n", kind, all, published);
  return all - published;
}

void bench_kind(const std::string& folder, const std::string& kind, double seconds) {
  constexpr unsigned kStorageRuns = 500;
  const std::size_t row_bytes = bench_storage(folder + "/storage", kind, kStorageRuns) / kSteps;
  fmt::print("{}_bound_one_per_s {:.0f}\n", kind, bench_sqlite(folder + "/one.db", seconds, row_bytes, 1).per_second);
  fmt::print("{}_bound_many_per_s {:.0f}\n", kind,
             bench_sqlite(folder + "/many.db", seconds, row_bytes, kInFlight).per_second);
  const Service service;
  Workplace place(folder + "/flows");
  SB_ASSERT(place.egress().allow(service.address(), {}).has_value());
  const auto flow = place.add_flow(ten_tasks(kind, task_of(kind, service)));
  bench_flows(place, flow, seconds / 10, 1);
  print(kind, "one", bench_flows(place, flow, seconds, 1));
  print(kind, "many", bench_flows(place, flow, seconds, kInFlight));
}

/// As the peers' steps are: each adds one to a number. In memory: the run is written when it ends, and nobody waits.
void bench_memory(const std::string& folder, double seconds) {
  std::string text =
      "document: {dsl: '1.0.3', namespace: bench, name: memory, version: '1.0.0', metadata: {durability: exit}}\ndo:\n";
  for (int i = 0; i < kSteps; ++i) text += fmt::format("  - step{}: {{set: {{n: '${{ .n + 1 }}'}}}}\n", i);
  constexpr std::string_view kZero = R"({"n":0})";
  Workplace place(folder);
  const auto flow = place.add_flow(text);
  bench_flows(place, flow, seconds / 3, kInFlight, kZero);
  print("memory", "many", bench_flows(place, flow, seconds, kInFlight, kZero));
}

/// From the text of a flow that nobody has seen to the end of its first run: a flow a round, each with expressions of
/// its own.
void bench_first_run(const std::string& folder) {
  constexpr int kRounds = 200;
  constexpr int kExpressions = 20;
  Workplace place(folder);
  std::vector<double> latencies;
  for (int round = 0; round < kRounds; ++round) {
    std::string text = fmt::format(
        "document: {{dsl: '1.0.3', namespace: bench, name: first{}, version: '1.0.0', metadata: {{durability: "
        "exit}}}}\n"
        "do:\n",
        round);
    for (int i = 0; i < kExpressions; ++i)
      text +=
          fmt::format("  - step{0}: {{set: {{n: '${{ .n + {1} | if . > {0} then . else {1} end }}'}}}}\n", i, round);
    const auto begin = Steady::now();
    const auto flow = place.add_flow(text);
    SB_ASSERT(place.wait(place.engine().drive(place.prepare(flow, R"({"n":0})", flow::Durability::exit))).has_value());
    latencies.push_back(seconds_since(begin) * 1e6);
  }
  Row row;
  set_percentiles(row, latencies);
  fmt::print("first_p50_ms {:.2f}\nfirst_p99_ms {:.2f}\n", row.p50_us / 1e3, row.p99_us / 1e3);
}

}  // namespace
}  // namespace sb::bench

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  sb::set_log_level(sb::LogLevel::off);
  std::vector<std::string> kinds(argv + 3, argv + argc);
  if (kinds.empty()) kinds = {"chat", "http", "emit", "set", "memory", "first"};
  for (const auto& kind : kinds) {
    const std::string folder = std::string(argv[1]) + "/" + kind;
    const double seconds = std::atof(argv[2]);
    if (kind == "memory")
      sb::bench::bench_memory(folder, seconds);
    else if (kind == "first")
      sb::bench::bench_first_run(folder);
    else
      sb::bench::bench_kind(folder, kind, seconds);
  }
  return 0;
}
