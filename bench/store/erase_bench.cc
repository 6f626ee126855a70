// One person's runs are erased from a store of a million run records: how long it takes, and what is left of them.
//
//   erase_bench [FOLDER] [RUNS] [RUNS of the person] [mirror]
//
// Records come through the store itself, a run with a step and a leaf each, payloads as incompressible as sealed ones
// are. The person's runs lie evenly among the others. Everything the person's runs hold carries a mark; after the
// erasure the bytes of all files (database, write-ahead log, tiles) are searched for it, and the record is verified
// before and after. With `mirror` every commit waits for a mirror in a folder; its lists of keys, opened, and what is
// restored from it are searched, too. Exit code 1: a mark is left.
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "audit/log.h"
#include "audit/verify.h"
#include "audit/verify_log.h"
#include "mirror/folder_target.h"
#include "mirror/key_lists.h"
#include "mirror/mirror.h"
#include "mirror/restore.h"
#include "store/sqlite/sqlite_store.h"
#include "store/testing.h"

namespace {

using namespace sb;
using Steady = std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr double kGoalSeconds = 5;  // GOALS: a subject in a million records
constexpr const char* kPerson = "p-erased";
constexpr std::string_view kMark = "\x9c\xe1mark-of-the-erased\xe1\x9c";

double seconds_since(Steady::time_point begin) {
  return std::chrono::duration<double>(Steady::now() - begin).count();
}

std::string noise(Entropy& entropy, std::size_t size) {
  std::string bytes(size, '\0');
  entropy.fill(std::span(reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()));
  return bytes;
}

store::Commit record(Entropy& entropy, bool marked) {
  const std::string mark(marked ? kMark : std::string_view());
  store::Commit commit;
  store::RunRow run;
  run.id = store::testing::new_run_id();
  run.tenant = "acme";
  run.flow = "signalbox/chat@1.0.0";
  run.status = store::RunStatus::completed;
  run.epoch = LeaseEpoch{1};
  run.input = noise(entropy, 200) + mark;
  run.output = mark + noise(entropy, 200);
  run.vault = marked ? mark + noise(entropy, 20) : std::string();
  run.data_key = noise(entropy, 61) + mark;
  run.subject = marked ? kPerson : "p-" + run.id.to_string();
  if (marked) run.idempotency_key = mark + run.id.to_string();
  run.created_us = run.updated_us = run.ended_us = system_clock().now_us();
  store::StepRow& step = commit.steps.emplace_back();
  step.name = step.kind = "chat";
  step.started_us = step.ended_us = run.created_us;
  step.decision = R"({"kind":"route","chosen":"small","score":0.93,"threshold":0.81})";
  store::LeafDraft& leaf = commit.leaves.emplace_back();
  leaf.kind = "step";
  leaf.tenant = run.tenant;
  leaf.run = run.id;
  leaf.step = StepIndex{0};
  leaf.attempt = 1;
  leaf.summary = R"({"decision":)" + step.decision + R"(,"kind":"chat","task":"chat"})";
  leaf.time_us = run.created_us;
  store::LeafDraft& end = commit.leaves.emplace_back();
  end.kind = "run.end";
  end.run = run.id;
  end.summary = R"({"cost_micro":0,"error":"","model":"","route":"","status":"completed"})";
  end.time_us = run.created_us;
  commit.create = std::move(run);
  return commit;
}

// One in every `every` runs, at another place in each stretch: the workers go through their stretches side by side.
bool is_persons(std::uint64_t i, std::uint64_t every) {
  constexpr std::uint64_t kPrime = 7'919;
  return i % every == i / every * kPrime % every;
}

Task<> fill(store::Store& store, std::uint64_t first, std::uint64_t end, std::uint64_t every) {
  SeededEntropy entropy(first + 1);
  for (std::uint64_t i = first; i < end; ++i)
    SB_ASSERT((co_await store.commit(record(entropy, is_persons(i, every)))).has_value());
}

std::uint64_t count_marks(std::string_view bytes) {
  std::uint64_t found = 0;
  for (auto at = bytes.find(kMark); at != std::string::npos; at = bytes.find(kMark, at + 1)) ++found;
  return found;
}

// Over the borders of what is read at a time, too.
std::uint64_t marks_in(const fs::path& folder) {
  constexpr std::size_t kChunkBytes = 4 << 20;
  std::uint64_t found = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    std::string bytes;
    for (std::string chunk(kChunkBytes, '\0'); file.read(chunk.data(), kChunkBytes), file.gcount() > 0;) {
      bytes.append(chunk, 0, static_cast<std::size_t>(file.gcount()));
      found += count_marks(bytes);
      bytes.erase(0, bytes.size() - std::min(bytes.size(), kMark.size() - 1));
    }
  }
  return found;
}

void expect_record(const std::string& folder, const audit::NoteVerifier& key) {
  const auto stored = audit::verify_store({folder + "/signalbox.db", key, {}});
  SB_ASSERT(stored && stored->ok());
  const auto published = audit::verify_log(*audit::open_log_folder(folder + "/audit"), key, {});
  SB_ASSERT(published && published->ok());
  fmt::print("the record verifies: {} leaves, {} steps\n", stored->leaves, stored->steps);
}

// As POST /api/v1/erasures does it.
double erase(store::Store& store, std::uint64_t expected) {
  const auto begin = Steady::now();
  store::ErasableFilter filter;
  filter.tenant = "acme";
  filter.subject = kPerson;
  filter.limit = 1'000;
  std::uint64_t erased = 0;
  for (bool more = true; more;) {
    store::Commit commit;
    commit.erase = *store::testing::wait_for(store.erasable_runs(filter));
    more = commit.erase.size() == filter.limit;
    erased += commit.erase.size();
    store::LeafDraft& leaf = commit.leaves.emplace_back();
    leaf.kind = "erasure";
    leaf.summary = fmt::format(R"({{"runs":{}}})", commit.erase.size());
    for (const RunId& run : commit.erase) {
      store::LeafDraft& one = commit.leaves.emplace_back();
      one.kind = "run.erased";
      one.run = run;
    }
    SB_ASSERT(store::testing::wait_for(store.commit(std::move(commit))).has_value());
  }
  SB_ASSERT(erased == expected);
  const double rows = seconds_since(begin);
  SB_ASSERT(store::testing::wait_for(store.scrub()).has_value());
  const double all = seconds_since(begin);
  fmt::print("erased {} runs: rows {:.2f} s, then the write-ahead log {:.2f} s\n", erased, rows, all - rows);
  return all;
}

const std::string kMirrorKey(32, 'm');
const std::string kSeed(32, 's');

std::unique_ptr<mirror::Mirror> open_mirror(const std::string& folder, const std::string& database) {
  mirror::MirrorOptions options;
  options.key = kMirrorKey;
  options.before_ack = true;
  options.database = database;
  options.spool_folder = folder + "-spool";
  options.secrets = {{"audit.seed", kSeed}};
  options.on_end = [](const Error&) { SB_ASSERT(false); };
  return std::make_unique<mirror::Mirror>(*mirror::open_folder_target(folder), std::move(options));
}

// What else a mirror holds is sealed under these keys.
std::uint64_t marks_in_lists(const std::string& place) {
  const auto target = *mirror::open_folder_target(place);
  std::uint64_t found = 0;
  for (const std::string& name : *target->list(mirror::list_prefix(mirror::SealedKind::data_key)))
    found += count_marks(*mirror::open_object(kMirrorKey, name, *target->get(name)));
  return found;
}

std::uint64_t marks_in_restored(const std::string& from, const std::string& to) {
  const auto report = mirror::restore(**mirror::open_folder_target(from), kMirrorKey, to);
  SB_ASSERT(report.has_value());
  fmt::print("restored {} runs from the mirror in {:.1f} s\n", report->runs,
             static_cast<double>(report->elapsed_us) / 1e6);
  return marks_in(to);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string folder = argc > 1 ? argv[1] : "build/erase-bench";
  const std::uint64_t runs = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1'000'000;
  const std::uint64_t persons = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1'000;
  const bool is_mirrored = argc > 4 && std::string_view(argv[4]) == "mirror";
  constexpr std::uint64_t kWorkers = 1000;
  if (persons == 0 || runs % persons != 0 || runs % kWorkers != 0 || fs::exists(folder)) {
    fmt::print(stderr, "erase_bench [new FOLDER] [RUNS, in thousands] [RUNS of the person, a divisor] [mirror]\n");
    return 2;
  }
  const std::string data = folder + "/data";
  fs::create_directories(data);
  std::uint64_t after = 0;
  double took = 0;
  {
    const auto mirror = is_mirrored ? open_mirror(folder + "/mirror", data + "/signalbox.db") : nullptr;
    const auto log = *audit::AuditLog::create(kSeed, {.origin = {}, .folder = data + "/audit"});
    store::SqliteOptions options;
    options.path = data + "/signalbox.db";
    options.sink = mirror.get();
    const auto store = *store::open_sqlite_store(std::move(options), *log);
    const auto begin = Steady::now();
    asio::io_context& context = store::testing::lasting_context();
    for (std::uint64_t i = 0; i < kWorkers; ++i)
      asio::co_spawn(context, fill(*store, i * (runs / kWorkers), (i + 1) * (runs / kWorkers), runs / persons),
                     asio::detached);
    context.run();
    fmt::print("{} runs stored in {:.0f} s, {:.1f} GB\n", runs, seconds_since(begin),
               static_cast<double>(fs::file_size(data + "/signalbox.db")) / 1e9);
    SB_ASSERT(store::testing::wait_for(store->flush()).has_value());
    expect_record(data, log->verifier());
    const std::uint64_t before = marks_in(data);
    fmt::print("marks of the person before: {}\n", before);
    SB_ASSERT(before >= 4 * persons);
    SB_ASSERT(!is_mirrored || marks_in_lists(folder + "/mirror") >= persons);
    took = erase(*store, persons);
    after = marks_in(data);
    if (is_mirrored) after += marks_in_lists(folder + "/mirror");
    SB_ASSERT(store::testing::wait_for(store->flush()).has_value());
    expect_record(data, log->verifier());
    if (mirror) mirror->let_go();
  }
  if (is_mirrored) after += marks_in_restored(folder + "/mirror", folder + "/restored");
  fmt::print("marks of the person after: {}, goal 0: {}\n", after, after == 0 ? "met" : "NOT MET");
  fmt::print("erasure of a subject: {:.2f} s, goal <= {} s: {}\n", took, kGoalSeconds,
             took <= kGoalSeconds ? "met" : "NOT MET");
  fs::remove_all(folder);
  return after == 0 ? 0 : 1;
}
