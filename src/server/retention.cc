#include "server/retention.h"

#include <fmt/format.h>

#include <boost/asio/steady_timer.hpp>
#include <set>

#include "api/legal_holds.h"
#include "base/json.h"
#include "base/log.h"

namespace sb::server {
namespace {

constexpr std::chrono::hours kEvery{1};
constexpr std::chrono::seconds kAgain{10};             // after a failure
constexpr std::chrono::milliseconds kLetOthersIn{50};  // they look every 5 ms (api/change_gate.cc)
constexpr Micros kDayUs = 86'400'000'000;
constexpr std::size_t kBatch = 500;  // some milliseconds of the writer's time

/// Runs that a legal hold names, itself or by their subject; found anew when the holds are others.
class HeldRuns {
 public:
  explicit HeldRuns(store::Store& store) : store_(store) {}

  Task<Result<>> refresh() {
    SB_CO_TRY(auto document, co_await store_.load_document(std::string(api::kLegalHolds)));
    if (found_ && document == document_) co_return Result<>();
    SB_CO_TRY(const json::array holds, api::parse_holds(document));
    runs_.clear();
    for (const json::value& hold : holds) SB_CO_CHECK(co_await add(hold));
    document_ = std::move(document);
    found_ = true;
    co_return Result<>();
  }
  bool contains(const RunId& run) const { return runs_.contains(run); }

 private:
  Task<Result<>> add(const json::value& hold) {
    if (const auto run = RunId::parse(string_member(hold, "run"))) runs_.insert(*run);
    store::ErasableFilter filter;
    filter.tenant = string_member(hold, "tenant");
    filter.subject = string_member(hold, "subject");
    filter.limit = 10'000;
    if (filter.subject.empty()) co_return Result<>();
    for (bool more = true; more;) {
      SB_CO_TRY(const auto runs, co_await store_.erasable_runs(filter));
      runs_.insert(runs.begin(), runs.end());
      more = runs.size() == filter.limit;
      if (more) filter.after = runs.back();
    }
    co_return Result<>();
  }

  store::Store& store_;
  bool found_ = false;
  std::optional<std::string> document_;
  std::set<RunId> runs_;
};

struct Rule {
  std::string flow;                      ///< empty: all others
  std::vector<std::string> other_flows;  ///< those that have a rule of their own
  std::int64_t days = 0;
};

store::LeafDraft leaf_of(std::string kind, std::string summary) {
  store::LeafDraft leaf;
  leaf.kind = std::move(kind);
  leaf.summary = std::move(summary);
  leaf.time_us = system_clock().now_us();
  return leaf;
}

Task<Result<>> erase_batch(Services& services, std::vector<RunId> runs, std::int64_t days) {
  const std::string id = RunId::generate(system_clock(), system_entropy()).to_string();
  store::Commit commit;
  commit.leaves.push_back(leaf_of(
      "erasure",
      fmt::format(R"({{"days":{},"erasure":"{}","legal_basis":"retention","runs":{}}})", days, id, runs.size())));
  for (const RunId& run : runs)
    commit.leaves.emplace_back(leaf_of("run.erased", fmt::format(R"({{"erasure":"{}"}})", id))).run = run;
  commit.erase = std::move(runs);
  co_return co_await services.store->commit(std::move(commit));
}

Task<Result<std::size_t>> apply(Services& services, Rule rule) {
  std::size_t erased = 0;
  HeldRuns held(*services.store);
  store::ErasableFilter filter;
  filter.flow = rule.flow;
  filter.other_flows_than = rule.other_flows;
  filter.ended_before_us = system_clock().now_us() - rule.days * kDayUs;
  filter.limit = kBatch;
  asio::steady_timer pause(co_await asio::this_coro::executor);
  for (bool more = true; more;) {
    // A hold is placed before a batch, or after it: whoever waits at the gate gets in meanwhile.
    pause.expires_after(kLetOthersIn);
    co_await pause.async_wait(use_task);
    SB_CO_TRY(const auto pass, co_await services.changes.enter());
    SB_CO_CHECK(co_await held.refresh());
    SB_CO_TRY(auto runs, co_await services.store->erasable_runs(filter));
    more = runs.size() == kBatch;
    if (more) filter.after = runs.back();
    std::erase_if(runs, [&](const RunId& run) { return held.contains(run); });
    erased += runs.size();
    if (!runs.empty()) SB_CO_CHECK(co_await erase_batch(services, std::move(runs), rule.days));
  }
  co_return erased;
}

// Flows with a rule of their own, one by one; the general rule is for all that are left, also those that are no longer
// registered.
Task<Result<std::size_t>> sweep(Services& services) {
  const RetentionConfig& config = services.config.retention;
  std::size_t erased = 0;
  std::vector<Rule> rules(1);
  rules[0].days = config.days;
  for (const auto& [flow, rule] : config.flows) {
    rules[0].other_flows.push_back(flow);
    rules.push_back({flow, {}, rule.days});
  }
  for (const Rule& rule : rules) {
    if (rule.days == 0) continue;
    SB_CO_TRY(const std::size_t done, co_await apply(services, rule));
    erased += done;
  }
  co_return erased;
}

}  // namespace

Task<void> keep_retention(Services& services) {
  for (;;) {
    const auto erased = co_await sweep(services);
    if (!erased) {
      log_error("retention.failed", {{"code", to_string(erased.error().code)}, {"detail", erased.error().detail}});
    } else if (*erased > 0) {
      log_info("retention.erased", {{"runs", *erased}});
      (void)co_await services.store->scrub();
    }
    asio::steady_timer pause(co_await asio::this_coro::executor);
    pause.expires_after(erased ? std::chrono::seconds(kEvery) : kAgain);
    co_await pause.async_wait(use_task);
  }
}

}  // namespace sb::server
