#include "triage/live_router.h"

#include <fmt/format.h>

#include <charconv>

#include "base/json.h"
#include "triage/trial.h"

namespace sb::triage {
namespace {

constexpr std::string_view kByVerdicts = "verdicts";

void append_state(RecordWriter& out, RecordText name, const PromiseState& state) {
  out.key(name).begin_object().member("changes", state.changes).key("out_of_scope").decimal(state.tuned_for, 4);
  // As text: the canonical form of a JSON number is another one.
  out.member("threshold", RecordText::ours(fmt::format("{}", state.threshold)));
  out.member("wrong_scripts", RecordText::ours(fmt::format("{}", state.wrong_scripts))).end_object();
}

std::optional<double> number_of(const json::value& state, std::string_view name) {
  const auto digits = string_member(state, name);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

}  // namespace

std::vector<Watched> watched(const Router& router, std::span<const Example> labelled, const RouteMap& routes) {
  std::vector<Watched> out;
  for (const auto& trial : try_texts(router, labelled, routes)) {
    const auto& text = trial.example->text;
    if (!router.decide({.text = text, .prompt_bytes = text.size()}, &trial.said).basis.seen) continue;
    out.push_back({{trial.score(), trial.right_script(), trial.outside, trial.truth == AnswerKind::script},
                   trial.said.out_of_scope});
  }
  return out;
}

RecordJson record_of(const PromiseChange& change, std::string_view trial) {
  RecordWriter out(400);
  out.begin_object();
  append_state(out, "after", change.after);
  append_state(out, "before", change.before);
  out.member("cause", RecordText::ours(change.cause));
  const bool by_verdicts = change.proved.judged > 0;
  if (by_verdicts) out.member("judged", change.proved.judged);
  out.member("observed", change.observed);
  if (!trial.empty()) out.member("trial", RecordText::configured(trial));
  if (by_verdicts) out.member("wrong", change.proved.wrong);
  return std::move(out.end_object()).take();
}

LiveRouter::LiveRouter(std::shared_ptr<const Router> router) : base_(std::move(router)), current_(base_) {}

LiveRouter::LiveRouter(std::shared_ptr<const Router> router, PromiseGuard guard, std::string promise)
    : base_(std::move(router)), promise_(std::move(promise)), guard_(std::move(guard)) {
  renew();
}

void LiveRouter::renew() {
  current_ = guard_ ? base_->with_script_floor(guard_->threshold()) : base_;
}

std::shared_ptr<const Router> LiveRouter::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

bool LiveRouter::is_watched() const {
  const std::lock_guard lock(mutex_);
  return guard_.has_value();
}

void LiveRouter::replace(std::unique_ptr<LiveRouter> next) {
  const std::scoped_lock lock(mutex_, next->mutex_);
  // What was in force goes with `next`, when the lock is free again.
  std::swap(base_, next->base_);
  std::swap(promise_, next->promise_);
  std::swap(guard_, next->guard_);
  std::swap(current_, next->current_);
}

template <class Tell>
std::optional<PromiseChange> LiveRouter::told(std::string_view cause, Tell&& tell) {
  const std::lock_guard lock(mutex_);
  if (!guard_) return std::nullopt;
  const PromiseState before = guard_->state();
  if (!tell(*guard_)) return std::nullopt;
  renew();
  return PromiseChange{before, guard_->state(), cause, guard_->observed(),
                       cause == kByVerdicts ? guard_->proved() : Suspicion()};
}

std::optional<PromiseChange> LiveRouter::saw(const RouteDecision& decision) {
  if (!decision.basis.seen || !decision.basis.seen->readable) return std::nullopt;
  return told("traffic", [&](PromiseGuard& guard) { return guard.observe(decision.out_of_scope); });
}

std::optional<PromiseChange> LiveRouter::judged(bool wrong, double errs) {
  return told(kByVerdicts, [&](PromiseGuard& guard) { return guard.judged(wrong, errs); });
}

PromiseState LiveRouter::state() const {
  const std::lock_guard lock(mutex_);
  return guard_ ? guard_->state() : PromiseState();
}

std::uint64_t LiveRouter::observed() const {
  const std::lock_guard lock(mutex_);
  return guard_ ? guard_->observed() : 0;
}

std::string LiveRouter::state_json() const {
  const std::lock_guard lock(mutex_);
  const auto now = guard_ ? guard_->state() : PromiseState();
  return to_text(json::object{{"changes", now.changes},
                              {"promise", promise_},
                              {"threshold", fmt::format("{}", now.threshold)},
                              {"tuned_for", fmt::format("{}", now.tuned_for)},
                              {"wrong_scripts", fmt::format("{}", now.wrong_scripts)}});
}

void LiveRouter::resume(std::string_view state_json) {
  const auto state = parse_json(state_json).value_or(nullptr);
  const auto threshold = number_of(state, "threshold"), tuned_for = number_of(state, "tuned_for"),
             wrong_scripts = number_of(state, "wrong_scripts");
  if (!threshold || !tuned_for || !wrong_scripts) return;
  const std::lock_guard lock(mutex_);
  if (!guard_ || string_member(state, "promise") != promise_) return;
  guard_->resume({*threshold, *tuned_for, *wrong_scripts, static_cast<std::uint64_t>(int_member(state, "changes"))});
  renew();
}

}  // namespace sb::triage
