#include "simulation/world.h"

#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "audit/log.h"
#include "audit/log_source.h"
#include "audit/verify.h"
#include "audit/verify_log.h"
#include "store/sqlite/codec.h"
#include "store/sqlite/sqlite_store.h"

namespace sb::simulation {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPolicy = R"(
name: simulation
version: 1
rules:
  - {name: mail, types: [EMAIL], direction: inbound, action: tokenise}
)";
constexpr char kPseudonymSecret[] = "pseudonym secret";
constexpr std::size_t kRecoverPage = 4;  // small, so that there are several

model::Catalog make_catalog() {
  model::CatalogConfig config;
  model::ProviderConfig provider;
  provider.name = "simulated";
  provider.base_url = "http://127.0.0.1:1/v1";
  provider.models = {{"s", "", kPrice, 0}, {"l", "", kPrice, 0}};
  provider.breaker.failures_min = 1 << 30;  // a breaker would keep from the provider what is to be seen failing
  config.providers.push_back(std::move(provider));
  config.tiers = {{"small", {{"simulated", "s", 1, 0}}}, {"large", {{"simulated", "l", 1, 0}}}};
  config.call_deadline = std::chrono::hours(1);
  return *model::Catalog::create(std::move(config));
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  std::string bytes(file ? static_cast<std::size_t>(file.tellg()) : 0, '\0');
  file.seekg(0).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

store::SqliteOptions store_options(const std::string& root, const Clock* clock) {
  store::SqliteOptions options;
  options.path = root + "/signalbox.db";
  options.reader_threads = 1;
  options.min_free_disk_bytes = 1 << 20;
  options.disk_check_every = std::chrono::milliseconds(0);
  options.free_disk_bytes = [] { return std::uint64_t{1} << 40; };
  options.clock = clock;
  return options;
}

std::unique_ptr<audit::AuditLog> make_log(const std::string& root) {
  audit::AuditLogOptions options;
  options.folder = root + "/audit";
  options.publish.delay = std::chrono::milliseconds(0);
  return *audit::AuditLog::create(std::string(32, 's'), std::move(options));
}

/// The record's log, whose thread works only while the simulation waits for it, and at moments that the seed draws.
class SteadyLog final : public store::LeafLog {
 public:
  SteadyLog(std::unique_ptr<audit::AuditLog> log, std::uint64_t every) : log_(std::move(log)), every_(every) {}

  Result<> has_room() const override { return log_->has_room(); }
  void encode(std::string& out, LeafIndex index, const store::LeafDraft& draft) override {
    log_->encode(out, index, draft);
  }
  void committed(std::string bundle) override {
    for (std::string_view rest = bundle; !rest.empty();) {
      (void)*store::sqlite::take_leaf(rest);
      ++leaves_;
    }
    held_ += bundle;
    if (++groups_ % every_ == 0) show();
  }
  std::optional<store::StoredTreeHead> take_head(std::uint64_t wait_for) override {
    return wait_for == 0 ? log_->take_head(0) : std::nullopt;  // the writer asks when it has been idle: by real time
  }
  Result<> open(std::uint64_t size, const std::function<Result<std::string>(LeafIndex)>& leaf_at,
                std::optional<std::string> last_tree_head) override {
    leaves_ = wanted_ = size;
    return log_->open(size, leaf_at, std::move(last_tree_head));
  }

  void show() {
    if (held_.empty()) return;
    log_->committed(std::exchange(held_, {}));
    wanted_ = leaves_;
  }
  bool is_settled() const { return log_->shown() >= wanted_; }
  const audit::NoteVerifier& verifier() const { return log_->verifier(); }

 private:
  std::unique_ptr<audit::AuditLog> log_;
  const std::uint64_t every_;
  std::string held_;
  std::uint64_t groups_ = 0;
  std::uint64_t leaves_ = 0;
  std::uint64_t wanted_ = 0;
};

/// An io_context whose waiting work can be dropped while what that work refers to still lives.
struct Context : asio::io_context {
  using asio::execution_context::shutdown;
};

}  // namespace

struct World::Life {
  explicit Life(const VirtualTime& time) : agenda(time) {}

  Agenda agenda;
  std::unique_ptr<SteadyLog> log;
  std::unique_ptr<store::Store> disk;
  std::unique_ptr<StagedStore> store;
  SpendLedger ledger;
  std::unique_ptr<flow::EventHub> events;
  std::optional<flow::WorkGate> gate;
  struct Shard {
    Context io;
    asio::executor_work_guard<Executor> work{io.get_executor()};
    std::unique_ptr<model::Sleeper> sleeper;
    std::unique_ptr<model::ModelGateway> gateway;
    std::unique_ptr<flow::Engine> engine;
  };
  Shard main;  ///< of the start: it has no engine
  std::vector<std::unique_ptr<Shard>> shards;
  flow::InFlight in_flight;  ///< goes first: who waits for a run waits on a shard
};

void World::prepare(const std::string& folder) {
  fs::create_directories(folder);
  const auto log = make_log(folder);
  const auto store = store::open_sqlite_store(store_options(folder, nullptr), *log);
  SB_ASSERT(store.has_value());
}

World::World(Parts parts)
    : parts_(std::move(parts)),
      root_(parts_.folder + "/0"),
      sealer_(tenant_keys_, std::string(32, 'k'), parts_.draws.entropy()),
      catalog_(make_catalog()),
      policy_(*policy::Policy::load(kPolicy, "simulation")),
      key_(KeyId::generate(parts_.time, parts_.draws.entropy())) {
  // In every second world: parents and children, restarts and wake-ups have to come through with one place to three.
  if (parts_.draws.one_in(2)) {
    at_work_.all = 1 + parts_.draws.below(3);
    parts_.books.queues();
  }
  fs::copy(parts_.template_, root_, fs::copy_options::recursive);
  tenant_keys_.add(kTenant, parts_.draws.entropy());
  std::vector<fs::path> files;
  for (const auto& file : fs::directory_iterator("src/simulation/flows")) files.push_back(file.path());
  std::ranges::sort(files);
  for (const auto& file : files) {
    auto flow = flow::load_flow(text_of(file), file.string(), flow::builtin_functions());
    SB_ASSERT(flow.has_value() && flows_.add(*flow).has_value());
  }
}

World::~World() {
  if (life_) bury(false);
}

bool World::start() {
  disk_ = std::make_unique<sb::testing::FaultDisk>(root_, parts_.draws.entropy().next_u64());
  if (dies_at_start_) disk_->die_after(*std::exchange(dies_at_start_, std::nullopt));
  life_ = std::make_unique<Life>(parts_.time);
  Life& life = *life_;
  {
    const VirtualTime::RealTime for_threads;
    life.log = std::make_unique<SteadyLog>(make_log(root_), 1 + parts_.draws.below(4));
    auto options = store_options(root_, &parts_.time);
    options.free_disk_bytes = [this] { return free_bytes_.load(); };
    auto opened = store::open_sqlite_store(std::move(options), *life.log);
    if (!opened) {
      if (!is_dead()) parts_.history.problem("the store does not open: " + opened.error().detail);
      return false;
    }
    life.disk = *std::move(opened);
  }
  parts_.history.add(fmt::format("life {} begins", number_));
  parts_.books.compare(*life.disk);
  life.store = std::make_unique<StagedStore>(StagedStore::Parts{
      *life.disk,
      life.agenda,
      parts_.draws,
      [this] { return is_dead(); },
      [this] {
        while (!is_dead() && !life_->log->is_settled()) std::this_thread::yield();
      },
      [this](const store::Commit& commit) { parts_.books.writing(commit); },
      [this](bool on_disk) { parts_.books.written(on_disk); },
      parts_.draws.one_in(3) ? 30'000 : 3'000,
      parts_.draws.one_in(3) ? 20'000 : 400,
  });
  life.events = std::make_unique<flow::EventHub>(*life.store, parts_.time, Pseudonyms(kPseudonymSecret));
  if (at_work_.any()) life.gate.emplace(at_work_);
  for (std::size_t i = 0; i < parts_.engines; ++i) {
    auto& shard = *life.shards.emplace_back(std::make_unique<Life::Shard>());
    shard.sleeper = model::make_sleeper(shard.io);
    std::vector<std::unique_ptr<model::Provider>> providers;
    providers.push_back(parts_.models.provider());
    shard.gateway = std::make_unique<model::ModelGateway>(catalog_, std::move(providers), parts_.time, *shard.sleeper,
                                                          parts_.draws.entropy());
    flow::EngineParts engine{*life.store,
                             parts_.time,
                             parts_.draws.entropy(),
                             sealer_,
                             life.in_flight,
                             flows_,
                             life.ledger,
                             *shard.gateway,
                             catalog_,
                             nullptr,
                             nullptr,
                             [this] { return policy_; },
                             [] { return std::shared_ptr<const triage::Router>(); },
                             tenant_keys_,
                             Pseudonyms(kPseudonymSecret)};
    engine.events = life.events.get();
    if (life.gate) engine.gate = &*life.gate;
    flow::EngineOptions engine_options;
    engine_options.recover_in_parallel = 2;
    shard.engine = std::make_unique<flow::Engine>(shard.io, std::move(engine), engine_options);
    life.events->join(*shard.engine, shard.io.get_executor());
  }
  asio::co_spawn(life.main.io, recover(), asio::detached);
  return true;
}

// As server/serve.cc: beside those who use the server already.
Task<> World::recover() {
  std::optional<RunId> after;
  for (;;) {
    const auto page = co_await store::read_patiently([&] { return life_->store->open_runs(after, kRecoverPage); });
    if (!page) {
      parts_.history.problem("open runs cannot be read: " + page.error().detail);
      co_return;
    }
    std::vector<std::vector<RunId>> shares(parts_.engines);
    for (std::size_t i = 0; i < page->size(); ++i) shares[i % shares.size()].push_back((*page)[i].id);
    for (std::size_t i = 0; i < shares.size(); ++i) {
      if (!shares[i].empty())
        asio::post(life_->shards[i]->io,
                   [&engine = *life_->shards[i]->engine, runs = shares[i]] { engine.recover(runs); });
    }
    if (page->size() < kRecoverPage) break;
    after = page->back().id;
  }
  for (const auto& shard : life_->shards) asio::post(shard->io, [&engine = *shard->engine] { engine.watch_timers(); });
}

bool World::step() {
  if (!life_) return false;
  Life& life = *life_;
  const std::size_t places = life.shards.size() + 2;
  const std::size_t first = parts_.draws.below(places);
  for (std::size_t i = 0; i < places; ++i) {
    const std::size_t place = (first + i) % places;
    const bool done = place == 0   ? life.agenda.step()
                      : place == 1 ? life.main.io.poll_one() > 0
                                   : life.shards[place - 2]->io.poll_one() > 0;
    if (done) return true;
  }
  return false;
}

std::optional<Micros> World::next() const {
  return life_ ? life_->agenda.next() : std::nullopt;
}

void World::slow_disk(Micros factor) {
  if (life_) life_->store->slow_down(factor);
}

flow::Engine& World::engine(std::size_t index) {
  return *life_->shards.at(index)->engine;
}

flow::InFlight& World::in_flight() {
  return life_->in_flight;
}

flow::EventHub& World::events() {
  return *life_->events;
}

asio::io_context& World::context_of(std::size_t engine) {
  return life_->shards.at(engine)->io;
}

bool World::is_at_rest() const {
  if (!life_) return true;
  std::size_t runs = life_->in_flight.size();
  for (const auto& shard : life_->shards) runs += shard->engine->runs_in_memory();
  return runs == 0;
}

// Who waits goes first, while what they refer to is there; the store's and the log's threads last.
void World::bury(bool in_peace) {
  Life& life = *life_;
  if (life.store) life.store->drop();
  life.agenda.clear();
  life.main.io.shutdown();
  for (const auto& shard : life.shards) shard->io.shutdown();
  for (const auto& shard : life.shards) {
    shard->engine.reset();
    shard->gateway.reset();
  }
  {
    const VirtualTime::RealTime for_threads;
    if (in_peace) {
      life.log->show();
      while (!is_dead() && !life.log->is_settled()) std::this_thread::yield();
    }
    life.disk.reset();
    life.log.reset();
  }
  life_.reset();
  parts_.time.forget_timers();
  for (std::string& head : disk_->contents_of("audit/checkpoint")) heads_.push_back(std::move(head));
}

void World::crash(bool power_loss) {
  if (!disk_->dead()) disk_->die_after(0);
  parts_.history.add(fmt::format("life {} ends: {}", number_, power_loss ? "power loss" : "killed"));
  bury(false);
  parts_.books.crashed();
  const std::string left = parts_.folder + "/" + std::to_string(++number_);
  disk_->leave(left, power_loss);
  disk_.reset();
  fs::remove_all(root_);
  root_ = left;
}

void World::stop() {
  parts_.history.add(fmt::format("life {} ends in peace", number_));
  bury(true);
  disk_.reset();
}

void World::verify() {
  const VirtualTime::RealTime for_threads;
  const auto log = make_log(root_ + "/unused");
  const auto first = [](const auto& report) {
    return !report ? report.error().detail : report->problems.empty() ? "" : report->problems.front();
  };
  const std::string newest = heads_.empty() ? std::string() : heads_.back();
  const auto stored = audit::verify_store({root_ + "/signalbox.db", log->verifier(), newest, heads_});
  if (!stored || !stored->ok()) parts_.history.problem("the record: " + first(stored));
  const auto published = audit::verify_log(*audit::open_log_folder(root_ + "/audit"), log->verifier(), {newest, false});
  if (!published || !published->ok()) parts_.history.problem("the published log: " + first(published));
  if (stored && published && stored->leaves != published->leaves)
    parts_.history.problem("the published log is not the record");
  for (const auto& file : fs::recursive_directory_iterator(root_)) {
    if (file.is_regular_file() && text_of(file.path()).find("@simulated.example") != std::string::npos)
      parts_.history.problem("a mail address stands in " + file.path().filename().string());
  }
}

}  // namespace sb::simulation
