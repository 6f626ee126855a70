#include "audit/witnesses.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>

#include "audit/witness_testing.h"
#include "http/server.h"
#include "store/sqlite/codec.h"
#include "store/testing.h"

namespace sb::audit {
namespace {

using namespace std::chrono_literals;
using testing::test_log;
using testing::TestWitness;

// A witness behind a real HTTP server: keeps the newest head, and cosigns what continues it by the proof in the
// request.
class WitnessServer {
 public:
  explicit WitnessServer(std::string name, char seed) : signer_(std::move(name), seed) {
    server_ = *http::Server::create(io_, {}, [this](http::Exchange& exchange) { return answer(exchange); });
    server_->start();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~WitnessServer() {
    silent_ = false;
    asio::co_spawn(io_, server_->drain(10s), [this](const std::exception_ptr&) { io_.stop(); });
    thread_.join();
  }
  WitnessPlace place() const {
    return {*http::Url::parse("http://127.0.0.1:" + std::to_string(server_->port())), signer_.key()};
  }
  void be_silent(bool silent) { silent_ = silent; }
  std::uint64_t size() const { return size_; }

 private:
  Task<void> answer(http::Exchange& exchange) {
    while (silent_) {
      asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>
          pause(io_.get_executor(), 5ms);
      co_await pause.async_wait(use_task);
    }
    const std::string body = exchange.take_body();
    http::Response response = judge(body);
    (void)co_await exchange.respond(std::move(response));
  }
  http::Response judge(const std::string& body) {
    const auto split_at = body.find("\n\n");
    const std::string note = body.substr(split_at + 2);
    const auto head = open_tree_head(note, test_log().verifier());
    if (!head) return {403, {}, ""};
    const std::string request = body.substr(0, split_at);
    const auto lines = split(request, '\n');
    if (lines[0] != "old " + std::to_string(size_)) return {409, {}, std::to_string(size_) + "\n"};
    std::vector<Digest> proof;
    for (std::size_t i = 1; i < lines.size(); ++i) {
      const auto bytes = from_base64(lines[i]);
      std::copy(bytes->begin(), bytes->end(), proof.emplace_back().begin());
    }
    if (size_ > 0 && !verify_consistency(size_, head->size, root_, head->root, proof)) return {422, {}, ""};
    size_ = head->size;
    root_ = head->root;
    return {200, {}, signer_.cosign(note, 1'700'000'000)};
  }

  const TestWitness signer_;
  std::atomic<bool> silent_ = false;
  std::atomic<std::uint64_t> size_ = 0;
  Digest root_{};
  asio::io_context io_{1};
  std::unique_ptr<http::Server> server_;
  std::thread thread_;
};

class WitnessedLog : public ::testing::Test {
 protected:
  void start() {
    WitnessOptions options;
    options.places = {one_.place(), two_.place(), three_.place()};
    options.quorum = 2;
    options.interval = 5ms;
    options.timeout = 1h;
    witnesses_ = *Witnesses::start(std::move(options), log_.verifier(), folder_.path(), publisher_);
  }
  void grow(std::uint64_t count) {
    std::string bundle;
    for (; count > 0; --count) store::sqlite::append_leaf(bundle, "leaf " + std::to_string(leaves_++));
    publisher_.add(std::move(bundle));
    ASSERT_EQ(publisher_.head(leaves_)->size, leaves_);
  }
  void wait_for_quorum() {
    const auto limit = std::chrono::steady_clock::now() + 60s;
    while (witnesses_->witnessed() < leaves_) {
      ASSERT_LT(std::chrono::steady_clock::now(), limit) << "no quorum";
      std::this_thread::yield();
    }
  }
  std::string note() { return TileFiles::open(folder_.path())->read_note(TileFiles::kWitnessed); }
  Quorum quorum(std::size_t needed) { return {{one_.place().key, two_.place().key, three_.place().key}, needed}; }

  store::testing::TemporaryFolder folder_;
  WitnessServer one_{"one.example", '1'};
  WitnessServer two_{"two.example", '2'};
  WitnessServer three_{"three.example", '3'};
  const NoteSigner log_ = test_log();
  std::uint64_t leaves_ = 0;
  Publisher publisher_{log_, TileEdge(), *TileFiles::open(folder_.path()), {}};
  std::unique_ptr<Witnesses> witnesses_;
};

TEST_F(WitnessedLog, GrowsUnderAQuorumWhileOneOfThreeIsSilent) {
  three_.be_silent(true);
  start();
  for (const std::uint64_t count : {1, 2, 300, 5}) {
    grow(count);
    wait_for_quorum();
    const auto head = open_tree_head(note(), log_.verifier());
    ASSERT_TRUE(head) << head.error().detail;
    EXPECT_EQ(head->size, leaves_);
    EXPECT_TRUE(check_quorum(note(), quorum(2)));
    EXPECT_FALSE(check_quorum(note(), quorum(3)));
  }
  EXPECT_EQ(witnesses_->stats()[2].cosigned_leaves, 0U);
  const auto begin = std::chrono::steady_clock::now();
  witnesses_.reset();  // with a question under way that has an hour
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
}

TEST_F(WitnessedLog, WithoutAQuorumIsNotAWitnessedOne) {
  two_.be_silent(true);
  three_.be_silent(true);
  start();
  grow(7);
  const auto limit = std::chrono::steady_clock::now() + 60s;
  while (one_.size() < leaves_ && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
  EXPECT_EQ(one_.size(), leaves_);
  witnesses_.reset();
  EXPECT_EQ(note(), "");
}

TEST_F(WitnessedLog, GoesOnAfterARestartWithWhatWasKeptAndWithout) {
  start();
  grow(40);
  wait_for_quorum();
  witnesses_.reset();
  start();
  EXPECT_GE(std::ranges::count(witnesses_->stats(), leaves_, &WitnessStats::cosigned_leaves), 2);
  grow(40);
  wait_for_quorum();
  witnesses_.reset();
  std::filesystem::remove_all(folder_.file(".witness"));
  start();
  EXPECT_EQ(witnesses_->stats()[0].cosigned_leaves, 0U);
  grow(40);
  wait_for_quorum();
  for (const WitnessStats& stats : witnesses_->stats()) EXPECT_EQ(stats.refusals + stats.failures, 0U);
}

TEST_F(WitnessedLog, AnotherHistoryIsRefused) {
  start();
  grow(40);
  wait_for_quorum();
  // The same name, key and size.
  const store::testing::TemporaryFolder elsewhere;
  Publisher other(log_, TileEdge(), *TileFiles::open(elsewhere.path()), {});
  std::string bundle;
  for (int i = 0; i < 40; ++i) store::sqlite::append_leaf(bundle, "other " + std::to_string(i));
  other.add(std::move(bundle));
  ASSERT_EQ(other.head(40)->size, 40U);
  WitnessOptions options;
  options.places = {one_.place(), two_.place()};
  options.interval = 5ms;
  const auto fork = *Witnesses::start(std::move(options), log_.verifier(), elsewhere.path(), other);
  const auto limit = std::chrono::steady_clock::now() + 60s;
  while (fork->stats()[0].refusals == 0 || fork->stats()[1].refusals == 0) {
    ASSERT_LT(std::chrono::steady_clock::now(), limit);
    std::this_thread::yield();
  }
  EXPECT_EQ(fork->witnessed(), 0U);
  EXPECT_EQ(TileFiles::open(elsewhere.path())->read_note(TileFiles::kWitnessed), "");
}

}  // namespace
}  // namespace sb::audit
