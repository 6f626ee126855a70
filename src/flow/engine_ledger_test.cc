// The books and the providers' bill: the same to the micro-unit, whatever goes wrong on the way.
//
// Short here; SB_LEDGER_CALLS=1000000 for the long form (make ledger), SB_SEED for another course of things.
#include <boost/asio/post.hpp>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <unordered_map>

#include "flow/engine_testing.h"

namespace sb::flow {
namespace {

constexpr model::Price kPrice{1'000'000, 250'000, 3'000'000};

std::uint64_t number_of(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// What a provider charges: for what it has read of a call that ran into a time limit, for what it has said of a stream
/// that it cut, and for an answer once for its idempotency key, however often it is asked for. It counts tokens as our
/// estimate does.
struct Bill {
  std::mt19937_64 random;
  std::unordered_map<std::string, model::ChatReply> answers;
  MicroMoney sum = 0;
  std::uint64_t calls = 0, faults = 0;
  std::uint64_t dies_at = 0;       ///< so many calls from now the server dies; 0: it lives
  std::uint64_t tokens_max = 100;  ///< of an answer: as it was asked for
  std::uint64_t time_limits = 1;   ///< so many of ten calls run into theirs
  std::function<void()> die;
  std::function<void()> at_call;

  std::uint64_t drawn(std::uint64_t below) { return random() % below; }
  void charge(const model::Usage& usage) { sum += model::cost_of(usage, kPrice); }
};

class ChargedStream final : public model::ChatStream {
 public:
  ChargedStream(Bill& bill, std::int64_t input, std::size_t chunks, bool cut)
      : bill_(bill), input_(input), chunks_(chunks), cut_(cut) {}
  Task<Result<std::optional<std::string>>> next() override {
    if (given_ < chunks_) {
      ++given_;
      co_return std::optional<std::string>(
          R"({"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"word "}}]})");
    }
    if (!std::exchange(charged_, true)) bill_.charge(usage());
    if (cut_) co_return fail(Errc::upstream_error, "cut");
    co_return std::optional<std::string>();
  }
  model::Usage usage() const override { return {input_, 0, static_cast<std::int64_t>(given_), cut_}; }
  std::string_view error_body() const override { return {}; }

 private:
  Bill& bill_;
  std::int64_t input_;
  std::size_t chunks_, given_ = 0;
  bool cut_, charged_ = false;
};

class ChargingProvider final : public model::Provider {
 public:
  explicit ChargingProvider(Bill& bill) : bill_(bill) {}

  Task<Result<model::ChatReply>> chat(model::ChatCall call, model::UpstreamModel) override {
    auto answer = answer_to(call);
    if (bill_.dies_at != 0 && --bill_.dies_at == 0) bill_.die();
    co_await asio::post(co_await asio::this_coro::executor, use_task);  // others go on before it has answered
    co_return answer;
  }
  Task<Result<model::StreamStart>> chat_stream(model::ChatCall call, model::UpstreamModel) override {
    ++bill_.calls;
    if (bill_.at_call) bill_.at_call();
    model::StreamStart start;
    const bool refuses = bill_.drawn(6) == 0;
    start.head.status = refuses ? 503 : 200;
    bill_.faults += refuses;
    const bool cut = bill_.drawn(4) == 0;
    bill_.faults += cut;
    if (!refuses)
      start.stream =
          std::make_unique<ChargedStream>(bill_, model::estimate_input_tokens(call.body), 1 + bill_.drawn(20), cut);
    co_await asio::post(co_await asio::this_coro::executor, use_task);
    co_return start;
  }
  Task<Result<model::ChatReply>> embeddings(model::ChatCall call, model::UpstreamModel upstream) override {
    return chat(call, upstream);
  }
  Task<Result<std::vector<std::string>>> list_models(CancelSource*) override { co_return std::vector<std::string>(); }

 private:
  Result<model::ChatReply> answer_to(const model::ChatCall& call) {
    ++bill_.calls;
    if (bill_.at_call) bill_.at_call();
    const std::string key(call.idempotency_key);
    if (const auto known = bill_.answers.find(key); known != bill_.answers.end()) return known->second;
    const auto input = model::estimate_input_tokens(call.body);
    const auto fault = bill_.drawn(10);
    bill_.faults += fault < 3 + bill_.time_limits;
    if (fault < 2) {
      model::ChatReply refusal;
      refusal.status = fault == 0 ? 503 : 429;
      return refusal;
    }
    if (fault == 2) return fail(Errc::unavailable, "nobody listens there");
    if (fault >= 3 && fault < 3 + bill_.time_limits) {
      bill_.charge({input, 0, 0, true});
      return fail(Errc::upstream_timeout, "it takes too long");
    }
    auto& answer = bill_.answers[key];
    answer.status = 200;
    answer.body = kAnswer;
    answer.usage = {input, static_cast<std::int64_t>(bill_.drawn(static_cast<std::uint64_t>(input))),
                    static_cast<std::int64_t>(1 + bill_.drawn(bill_.tokens_max)), false};
    bill_.charge(answer.usage);
    return answer;
  }

  Bill& bill_;
};

class Ledger : public EngineTest {
 protected:
  Ledger() {
    model::CatalogConfig config;
    model::ProviderConfig provider;
    provider.name = "fake";
    provider.base_url = "http://127.0.0.1:1/v1";
    provider.models = {{"s", "", kPrice, 0}, {"l", "", kPrice, 0}};
    provider.breaker.failures_min = 1 << 30;  // else it would pass over what is to be seen failing
    config.providers.push_back(std::move(provider));
    config.tiers = {{"small", {{"fake", "s", 1, 0}}}, {"large", {{"fake", "l", 1, 0}, {"fake", "s", 1, 1}}}};
    config.call_deadline = std::chrono::hours(24 * 365);
    catalog_.emplace(*model::Catalog::create(std::move(config)));
    bill_.random.seed(number_of("SB_SEED", 1));
    bill_.die = [this] { io_->stop(); };
    other_provider_ = [this] { return std::make_unique<ChargingProvider>(bill_); };
    restart();
  }

  /// So many chats at once. `dies_after` calls the server is killed, if that is not 0, and goes on where it was.
  void together(std::size_t count, const std::function<void(RunRequest&)>& change = {}, std::uint64_t dies_after = 0) {
    bill_.dies_at = dies_after;
    // What a call has cost whose record dies with the server, no book can know.
    const auto time_limits = bill_.time_limits;
    if (dies_after != 0) bill_.time_limits = 0;
    for (std::size_t i = 0; i < count; ++i) {
      auto run =
          prepare(fmt::format(R"({{"model":"auto","max_tokens":{},"messages":[{{"role":"user","content":"{}"}}]}})",
                              bill_.tokens_max, std::string(bill_.drawn(200), 'x')),
                  change);
      asio::co_spawn(*io_, engine_->drive(std::move(run)), asio::detached);
    }
    io_->restart();
    io_->run();
    if (dies_after != 0) {
      restart();
      std::vector<RunId> open;
      for (const auto& row : *wait(store_->open_runs(std::nullopt, 1'000))) open.push_back(row.id);
      bill_.dies_at = 0;
      engine_->recover(open);
      io_->restart();
      io_->run();
    }
    bill_.time_limits = time_limits;
  }
  MicroMoney sum_of_runs() {
    MicroMoney sum = 0;
    for (const auto& row : *wait(store_->costs({}, 0, clock_.now_us() + 1))) sum += row.cost;
    return sum;
  }

  Bill bill_;
};

TEST_F(Ledger, SaysWhatTheProvidersCharge) {
  const auto wanted = number_of("SB_LEDGER_CALLS", 3'000);
  const bool long_form = wanted > 10'000;
  const std::size_t rounds_a_kill = long_form ? 400 : 8;  // a start reads the whole log
  std::uint64_t kills = 0;
  Listener listener;
  for (std::size_t round = 0; bill_.calls < wanted; ++round) {
    if (round % 8 == 0) {  // streams, some of which the provider cuts
      together(64, [&](RunRequest& request) {
        request.stream = true;
        request.audience = &listener;
        request.durability = Durability::async;
      });
      listener.heard.clear();
    } else if (round % rounds_a_kill == 1) {
      together(64, {}, 1 + bill_.drawn(100));
      ++kills;
    } else {
      together(64, [](RunRequest& request) { request.durability = Durability::async; });
    }
    bill_.answers.clear();                          // nobody asks for them again
    if (long_form && round % 1'000 != 0) continue;  // it reads all runs
    ASSERT_EQ(sum_of_runs(), bill_.sum) << "round " << round << " of seed " << number_of("SB_SEED", 1);
  }
  EXPECT_EQ(sum_of_runs(), bill_.sum);
  std::printf(
      "%llu calls, %llu of them failed or were cut, %llu kills: %lld micro-units on the bill and in the books\n",
      static_cast<unsigned long long>(bill_.calls), static_cast<unsigned long long>(bill_.faults),
      static_cast<unsigned long long>(kills), static_cast<long long>(bill_.sum));
  EXPECT_GT(bill_.faults, bill_.calls / 10) << "else nothing went wrong";
}

TEST_F(Ledger, AHardBudgetIsNeverExceededBy256AtOnce) {
  constexpr MicroMoney kLimit = 20'000;
  bill_.tokens_max = 2;  // calls that run into time limits are what costs
  bill_.time_limits = 5;
  const auto day = utc_day(clock_.now_us());
  std::size_t most_at_once = 0;
  bill_.at_call = [&] {
    most_at_once = std::max(most_at_once, in_flight_->size());
    EXPECT_LE(ledger_.spent(key_, day) + ledger_.reserved(key_, day), kLimit);
    EXPECT_LE(bill_.sum, kLimit);
  };
  spend_limit_ = kLimit;
  for (int round = 0; round < 3; ++round) together(256);
  EXPECT_LE(bill_.sum, kLimit);
  EXPECT_GT(bill_.sum, kLimit / 2) << "a budget that nobody may spend is no art";
  EXPECT_EQ(ledger_.spent(key_, day), bill_.sum);
  EXPECT_EQ(ledger_.reserved(key_, day), 0);
  EXPECT_EQ(booked(), bill_.sum);
  EXPECT_GE(most_at_once, 200U) << "else they did not come at once";
}

}  // namespace
}  // namespace sb::flow
