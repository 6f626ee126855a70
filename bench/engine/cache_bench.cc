// What it takes to find that a request was answered before, and the answer again: hash, look-up, opening the sealed
// answer and its decision for the record. Beside it the same by way of the store, idle and while others commit; without
// HTTP and without the run's own commit, which both ways share.
//
//   cache_bench FOLDER [ANSWERS [BYTES]]      1,000 answers of 1,000 bytes if not told
//
// Prints percentiles, their ratio, and the memory an answer takes; with an encoder at $SIGNALBOX_ENCODER also what a
// question that is only alike takes, step by step.
#include <malloc.h>

#include <boost/asio/detached.hpp>
#include <cstdlib>

#include "engine/workplace.h"
#include "flow/asked_before.h"
#include "measure.h"

namespace sb::bench {
namespace {

constexpr int kLooks = 20'000;
constexpr int kStoreLooks = 2'000;

std::string request_number(std::size_t i) {
  return fmt::format(R"({{"messages":[{{"content":"where is order {}","role":"user"}}],"model":"large"}})", i);
}

struct Stored {
  std::string request;
  store::RunRow row;
};

struct Place {
  Workplace& work;
  flow::Sealer& sealer;
  flow::AnswerScope scope;
  model::Target target;
};

/// Runs as chats leave them: an output of `bytes`, sealed.
std::vector<Stored> make_runs(Place& place, std::size_t count, std::size_t bytes) {
  std::vector<Stored> out;
  for (std::size_t i = 0; i < count; ++i) {
    store::Commit commit;
    auto& row = commit.create.emplace();
    row.id = RunId::generate(system_clock(), system_entropy());
    row.tenant = kTenant;
    row.flow = "bench/chat@1.0.0";
    row.status = store::RunStatus::completed;
    row.created_us = row.updated_us = row.ended_us = system_clock().now_us();
    const auto key = *place.sealer.new_key(row.id, row.tenant);
    row.data_key = key.wrapped;
    row.output = place.sealer.seal(key.key, row.id, flow::place::kOutput, std::string(bytes, 'a'));
    out.push_back({request_number(i), row});
    commit.durability = store::Durability::async;
    const auto written = place.work.wait(place.work.store().commit(std::move(commit)));
    SB_ASSERT(written.has_value());
  }
  SB_ASSERT(place.work.wait(place.work.store().flush()).has_value());
  return out;
}

void fill(flow::AnswerCache& cache, const Place& place, const std::vector<Stored>& runs) {
  for (const auto& run : runs) {
    const flow::AnswerCache::Claim claim(cache, run.row.id);
    cache.put(claim, *flow::digest_of(place.scope, run.request), std::nullopt,
              {run.row.id, "near/large", {}, run.row.data_key, run.row.output}, 0);
  }
}

Row percentiles(std::string name, std::vector<double> latencies) {
  Row row{std::move(name)};
  set_percentiles(row, latencies);
  fmt::print("{:<34} p50 {:9.1f} us   p99 {:9.1f} us\n", row.name, row.p50_us, row.p99_us);
  return row;
}

Row from_memory(const Place& place, flow::AnswerCache& cache, const std::vector<Stored>& runs) {
  std::vector<double> latencies;
  std::size_t bytes = 0;
  for (int i = 0; i < kLooks; ++i) {
    const auto& request = runs[static_cast<std::size_t>(i) * 7919 % runs.size()].request;
    const auto start = Steady::now();
    const auto found = cache.find(*flow::digest_of(place.scope, request), 1);
    SB_ASSERT(found);
    const auto text = flow::open_answer(place.sealer, kTenant, *found);
    SB_ASSERT(text.has_value());
    bytes += text->size() + flow::answer_again_decision(*found, place.target, std::nullopt).text().size();
    latencies.push_back(seconds_since(start) * 1e6);
  }
  SB_ASSERT(bytes > 0);
  return percentiles("from memory", std::move(latencies));
}

/// As it was before answers were held in memory.
Task<Result<std::size_t>> by_the_store(const Place& place, const Stored& run) {
  const auto digest = flow::digest_of(place.scope, run.request);
  SB_ASSERT(digest.has_value());
  SB_CO_TRY(const auto row, co_await place.work.store().load_run(run.row.id));
  SB_CO_TRY(const auto key, place.sealer.key_of(row));
  SB_CO_TRY(const auto text, flow::Sealer::open(key, row.id, flow::place::kOutput, row.output));
  const flow::AnswerCache::Answer answer{row.id, "near/large", {}, {}, {}};
  co_return text.size() + flow::answer_again_decision(answer, place.target, std::nullopt).text().size();
}

Row from_store(const Place& place, const std::vector<Stored>& runs, std::string name) {
  std::vector<double> latencies;
  for (int i = 0; i < kStoreLooks; ++i) {
    const auto& run = runs[static_cast<std::size_t>(i) * 7919 % runs.size()];
    const auto start = Steady::now();
    SB_ASSERT(place.work.wait(by_the_store(place, run)).has_value());
    latencies.push_back(seconds_since(start) * 1e6);
  }
  return percentiles(std::move(name), std::move(latencies));
}

/// One after the other, until told to end.
Task<void> commit_on(store::Store& store, const bool& end) {
  while (!end) {
    store::Commit commit;
    commit.documents.emplace_back("bench", "{}");
    (void)co_await store.commit(std::move(commit));
  }
}

void measure_likeness(const Place& place, const std::string& encoder_path) {
  const auto encoder = triage::Encoder::load_file(encoder_path);
  SB_ASSERT(encoder.has_value());
  triage::LikenessData data;
  data.encoder = encoder->version();
  const auto likeness = *triage::Likeness::create(std::move(data), *encoder);
  flow::AnswerCache cache({.keep_us = 1'000'000'000});
  const auto single = *flow::single_question(request_number(1));
  const auto read = *likeness.read(single.text);
  for (int i = 0; i < 1'000; ++i) {
    const RunId run = RunId::generate(system_clock(), system_entropy());
    const flow::AnswerCache::Claim claim(cache, run);
    cache.put(claim, sha256(run.to_string()), flow::question_of(place.scope, single, read), {run, "m", {}, "k", "o"},
              0);
  }
  std::vector<double> shapes, reads, looks;
  for (int i = 0; i < 2'000; ++i) {
    const auto start = Steady::now();
    const auto asked = flow::single_question(request_number(1));
    shapes.push_back(seconds_since(start) * 1e6);
    const auto encode = Steady::now();
    auto question = likeness.read(asked->text);
    reads.push_back(seconds_since(encode) * 1e6);
    const auto look = Steady::now();
    SB_ASSERT(cache.find_alike(*flow::question_of(place.scope, *asked, *std::move(question)), 0.5F, 1).has_value());
    looks.push_back(seconds_since(look) * 1e6);
  }
  percentiles("alike: whether it may be", std::move(shapes));
  percentiles("alike: kept words and meaning", std::move(reads));
  percentiles("alike: nearest of 1,000", std::move(looks));
}

int run(const std::string& folder, std::size_t count, std::size_t bytes) {
  Workplace work(folder);
  Place place{work, work.sealer(), {kTenant, "policy", "flow", "/do/0/large", "large"}, {}};
  place.target.name = "large";
  const auto runs = make_runs(place, count, bytes);
  const std::size_t before = mallinfo2().uordblks;
  flow::AnswerCache cache({.keep_us = 1'000'000'000, .entries_max = count, .bytes_max = std::size_t{8} << 30});
  fill(cache, place, runs);
  const auto taken = static_cast<double>(mallinfo2().uordblks - before) / static_cast<double>(count);
  const Row memory = from_memory(place, cache, runs);
  const Row idle = from_store(place, runs, "by the store, idle");
  bool end = false;
  asio::co_spawn(work.io(), commit_on(work.store(), end), asio::detached);
  const Row busy = from_store(place, runs, "by the store, others commit");
  end = true;
  fmt::print("ratio of the p50s, idle / busy     {:.0f} / {:.0f}\n", idle.p50_us / memory.p50_us,
             busy.p50_us / memory.p50_us);
  fmt::print("memory of an answer, as malloc / as the cache counts  {:.0f} / {:.0f} bytes, {} of them sealed\n", taken,
             static_cast<double>(cache.size_bytes()) / static_cast<double>(count), runs.front().row.output.size());
  if (const char* encoder = std::getenv("SIGNALBOX_ENCODER")) measure_likeness(place, encoder);
  fmt::print("a look-up of an exact hit, <= 50 us  {:.1f} us  {}\n", memory.p50_us,
             memory.p50_us <= 50 ? "met" : "NOT MET");
  return memory.p50_us <= 50 ? 0 : 1;
}

}  // namespace
}  // namespace sb::bench

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print("cache_bench FOLDER [ANSWERS [BYTES]]\n");
    return 2;
  }
  sb::set_log_level(sb::LogLevel::off);
  return sb::bench::run(argv[1], argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1'000,
                        argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 1'000);
}
