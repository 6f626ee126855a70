// Trials of triage: who is in one, who decides then, and what those say who only look on.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/json.h"
#include "base/log.h"
#include "flow/engine.h"
#include "triage/decision_record.h"

namespace sb::flow {
namespace {

namespace od = simdjson::ondemand;

// A request waits so long at most for those whose word changes nothing: five times what the sentence encoder takes.
constexpr std::chrono::milliseconds kShadowPatience{5};
constexpr std::size_t kMaxLooking = 4;

/// `user` and the metadata of a chat as they came: what the policy puts in their place may be the same for everybody.
/// They are drawn by, and kept nowhere. `body` gets room for the parser behind its end.
void read_names(std::string& body, triage::Asker& asker) {
  if (body.capacity() < body.size() + simdjson::SIMDJSON_PADDING)
    body.reserve(body.size() + simdjson::SIMDJSON_PADDING);
  thread_local od::parser parser;
  od::document document;
  od::object object;
  if (parser.iterate(body.data(), body.size(), body.capacity()).get(document) || document.get_object().get(object))
    return;
  for (auto field : object) {
    std::string_view key, text;
    od::value value;
    if (field.unescaped_key().get(key) || field.value().get(value)) return;
    od::object entries;
    if (key == "user" && !value.get_string().get(text)) {
      asker.person = text;
    } else if (key == "metadata" && !value.get_object().get(entries)) {
      for (auto entry : entries) {
        std::string_view name, content;
        if (entry.unescaped_key().get(name)) return;
        std::string tag(name);  // the parser's memory is the next text's
        if (!entry.value().get_string().get(content)) asker.tags.emplace(std::move(tag), content);
      }
    }
  }
}

}  // namespace

// By pseudonym: runs that a run of theirs starts know a person by no other name.
std::unique_ptr<triage::Membership> Engine::trials_of(RunRequest& request, std::string_view subject, RunId id) const {
  if (!request.requested_model.empty() && request.requested_model != "auto") return nullptr;
  triage::Asker asker;
  asker.tenant = request.tenant;
  asker.key = request.key;
  asker.otherwise = id.to_string();
  if (request.profile == policy::JsonProfile::chat_request) read_names(request.input, asker);
  asker.person = subject.empty() ? parts_.pseudonyms.subject(asker.tenant, asker.person) : std::string(subject);
  return parts_.trials->membership(asker);
}

Task<std::expected<Engine::CallResult, Problem>> Engine::triage_beside_shadows(LiveRun& run) {
  if (auto known = without_looking(run)) co_return *std::move(known);
  auto decision = decide(run);
  decision.shadows = co_await shadows_of(run, decision);
  co_return follow(run, decision);
}

/// A candidate that takes its time, with all that it looks at: who waits for it may be gone before it has decided.
struct Engine::SlowShadow {
  SlowShadow(triage::LiveTrial& t, const triage::RouteDecision& by, const triage::RouteQuery& asked,
             const Executor& executor)
      : trial(t),
        candidate(t.candidate()),
        decided(by),
        text(asked.text),
        types(asked.finding_types.begin(), asked.finding_types.end()),
        query(asked),
        done(executor) {
    shown.assign(types.begin(), types.end());
    query.text = text;
    query.finding_types = shown;
    query.policy_class = {};
  }
  SlowShadow(const SlowShadow&) = delete;

  triage::LiveTrial& trial;
  const std::shared_ptr<const triage::Router> candidate;
  const triage::RouteDecision decided;
  const std::string text;
  const std::vector<std::string> types;
  std::vector<std::string_view> shown;
  triage::RouteQuery query;
  asio::steady_timer done;  ///< cancelled when it has decided, or failed
  bool failed = false;
  std::optional<triage::RouteDecision> said{};
};

Task<void> Engine::look_slowly(std::shared_ptr<SlowShadow> shadow) {
  ++looking_;
  try {
    auto look = [shadow] { return triage::decide_beside(*shadow->candidate, shadow->decided, shadow->query); };
    shadow->said = co_await onlookers_.run(std::move(look));
  } catch (const std::exception& error) {
    shadow->failed = true;
    log_error("triage.shadow_failed", {{"trial", shadow->trial.rules().name}, {"detail", error.what()}});
  }
  --looking_;
  shadow->done.cancel();
}

void Engine::shadow_decided(triage::LiveTrial& trial, const triage::RouteDecision& decision) {
  if (auto change = trial.live().saw(decision)) promise_changed(*std::move(change), &trial);
}

Task<std::vector<triage::ShadowDecision>> Engine::shadows_of(LiveRun& run, const triage::RouteDecision& decided) {
  std::vector<triage::ShadowDecision> out;
  std::vector<std::pair<std::size_t, std::shared_ptr<SlowShadow>>> slow;
  const auto query = run.guard.route_query();
  const Executor executor = co_await asio::this_coro::executor;
  for (auto* trial : run.trials->shadows) {
    const auto& name = trial->rules().name;
    const auto candidate = trial->candidate();
    if (!triage::is_slow_beside(*candidate, decided)) {
      const auto said = triage::decide_beside(*candidate, decided, query);
      shadow_decided(*trial, said);
      out.push_back(triage::shadow_of(name, said));
      continue;
    }
    out.push_back({.trial = name, .unknown = "busy"});
    if (looking_ >= kMaxLooking) continue;
    slow.emplace_back(out.size() - 1, std::make_shared<SlowShadow>(*trial, decided, query, executor));
    slow.back().second->done.expires_after(kShadowPatience);
    asio::co_spawn(executor, look_slowly(slow.back().second), asio::detached);
  }
  for (const auto& [at, shadow] : slow) {
    boost::system::error_code ignored;
    if (!shadow->said && !shadow->failed) co_await shadow->done.async_wait(asio::redirect_error(use_task, ignored));
    if (!shadow->said) {
      out[at].unknown = shadow->failed ? "failed" : "late";
      continue;
    }
    shadow_decided(shadow->trial, *shadow->said);
    out[at] = triage::shadow_of(shadow->trial.rules().name, *shadow->said);
  }
  co_return out;
}

}  // namespace sb::flow
