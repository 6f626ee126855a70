#include "server/learning.h"

#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "flow/labels.h"
#include "telemetry/metrics.h"

namespace sb::server {
namespace {

constexpr char kLearnsByItself[] = "learn";  // its author: nobody's key

// When the newest label came that there was when it last learnt, by itself or because somebody asked.
Micros newest_heard(const api::TriageBook& book) {
  Micros newest = 0;
  for (const auto& version : book.versions()) {
    if (const auto* label = version.figures.if_contains(api::kNewestLabel))
      newest = std::max(newest, label->to_number<Micros>());
  }
  return newest;
}

// Nothing: too few labels have come since.
Task<Result<std::optional<api::TriageVersion>>> learn(Services& services, std::int64_t at_least) {
  SB_CO_TRY(auto labels, co_await flow::open_labels(*services.store, *services.sealer));
  const Micros heard = newest_heard(*services.triage_versions);
  const auto fresh = std::ranges::count_if(labels, [&](const auto& label) { return label.created_us > heard; });
  if (labels.empty() || fresh < at_least) co_return std::nullopt;
  co_return co_await services.triage_versions->learn(
      api::TriageBook::lesson_of(std::move(labels), true, kLearnsByItself));
}

}  // namespace

Task<void> keep_learning(Services& services) {
  const auto& config = services.config.triage.learn;
  if (!config || !services.triage_versions) co_return;
  enum Outcome : std::uint8_t { too_few, kept, wanted, failed };
  const auto outcomes = process_metrics().counters(
      "signalbox_triage_lessons_total",
      "Times that triage looked for new labels to learn from. Only ever `kept`: versions are not proved better on the "
      "withheld labels; `failed`: the log says why.",
      {{"outcome", {"too_few", "kept", "wanted", "failed"}}});
  for (;;) {
    asio::steady_timer pause(co_await asio::this_coro::executor);
    pause.expires_after(std::chrono::seconds(config->every_s));
    co_await pause.async_wait(use_task);
    const auto learnt = co_await learn(services, config->at_least);
    if (!learnt)
      log_warn("triage.not_learnt", {{"code", to_string(learnt.error().code)}, {"detail", learnt.error().detail}});
    else if (*learnt)
      log_info("triage.learnt", {{"version", (*learnt)->id}, {"state", to_string((*learnt)->state)}});
    const bool only_kept = learnt && *learnt && (*learnt)->state == api::TriageState::retired;
    outcomes.at(!learnt ? failed : !*learnt ? too_few : only_kept ? kept : wanted).add();
  }
}

}  // namespace sb::server
