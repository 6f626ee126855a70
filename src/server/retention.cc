#include "server/retention.h"

#include <fmt/format.h>

#include <boost/asio/steady_timer.hpp>
#include <set>

#include "base/json.h"
#include "base/log.h"

namespace sb::server {
namespace {

constexpr std::chrono::hours kEvery{1};
constexpr Micros kDayUs = 86'400'000'000;
constexpr std::size_t kBatch = 500;  // some milliseconds of the writer's time

/// Runs that a legal hold names, itself or by their subject.
Task<Result<std::set<RunId>>> held_runs(store::Store& store) {
  std::set<RunId> held;
  SB_CO_TRY(const auto text, co_await store.load_document("legal_holds"));
  if (!text) co_return held;
  SB_CO_TRY(const json::value holds, parse_json(*text));
  for (const json::value& hold : holds.is_array() ? holds.get_array() : json::array()) {
    if (const auto run = RunId::parse(string_member(hold, "run"))) held.insert(*run);
    store::ErasableFilter filter;
    filter.tenant = string_member(hold, "tenant");
    filter.subject = string_member(hold, "subject");
    filter.limit = 10'000;
    if (filter.subject.empty()) continue;
    for (bool more = true; more;) {
      SB_CO_TRY(const auto runs, co_await store.erasable_runs(filter));
      held.insert(runs.begin(), runs.end());
      more = runs.size() == filter.limit;
      if (more) filter.after = runs.back();
    }
  }
  co_return held;
}

struct Rule {
  std::string flow;  ///< empty: all that have no rule of their own
  std::int64_t days = 0;
};

Task<Result<std::size_t>> erase_batch(Services& services, const std::vector<RunId>& runs, const Rule& rule) {
  store::Commit commit;
  store::LeafDraft leaf;
  leaf.kind = "erasure";
  leaf.summary = fmt::format(R"({{"days":{},"legal_basis":"retention","runs":{}}})", rule.days, runs.size());
  leaf.time_us = system_clock().now_us();
  commit.leaves.push_back(std::move(leaf));
  commit.erase = runs;
  SB_CO_CHECK(co_await services.store->commit(std::move(commit)));
  co_return runs.size();
}

Task<Result<std::size_t>> apply(Services& services, Rule rule, std::set<RunId> held) {
  std::size_t erased = 0;
  store::ErasableFilter filter;
  filter.flow = rule.flow;
  filter.ended_before_us = system_clock().now_us() - rule.days * kDayUs;
  filter.limit = kBatch;
  for (;;) {
    SB_CO_TRY(auto runs, co_await services.store->erasable_runs(filter));
    const bool more = runs.size() == kBatch;
    if (more) filter.after = runs.back();
    std::erase_if(runs, [&](const RunId& run) { return held.contains(run); });
    if (!runs.empty()) {
      SB_CO_TRY(const std::size_t done, co_await erase_batch(services, runs, rule));
      erased += done;
    }
    if (!more) co_return erased;
  }
}

Task<Result<std::size_t>> sweep(Services& services) {
  const RetentionConfig& config = services.config.retention;
  std::size_t erased = 0;
  SB_CO_TRY(const auto held, co_await held_runs(*services.store));
  // Flows with a rule of their own, one by one; the general rule names the flows that are left.
  std::vector<Rule> rules;
  for (const auto& [flow, rule] : config.flows) rules.push_back({flow, rule.days});
  std::set<std::string> names;
  for (const auto& flow : services.flows.list()) names.insert(flow->ns + "/" + flow->name);
  for (const std::string& name : names) {
    if (!config.flows.contains(name)) rules.push_back({name, config.days});
  }
  for (const Rule& rule : rules) {
    if (rule.days == 0) continue;
    SB_CO_TRY(const std::size_t done, co_await apply(services, rule, held));
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
    asio::steady_timer pause(co_await asio::this_coro::executor, kEvery);
    co_await pause.async_wait(use_task);
  }
}

}  // namespace sb::server
