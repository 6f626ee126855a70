// Errors on their way up: catch, retry, time limits.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/crypto.h"
#include "flow/machine.h"

namespace sb::flow {
namespace {

/// Uniform in [0, 1), the same for the same attempt of the same run.
double share_of(std::string_view run, std::string_view ref, std::uint32_t attempt) {
  const Digest digest = sha256(run, fmt::format("{}#{}", ref, attempt));
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < 8; ++i) bits = bits << 8 | static_cast<std::uint8_t>(digest[i]);
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

}  // namespace

void Machine::raise(Branch& branch, const Error& error) {
  if (failing_) return raise(branch, *std::exchange(failing_, {}));
  Problem problem = standard_problem("expression", 400, "The flow could not be evaluated", error.detail);
  if (error.code == Errc::deadline_exceeded) {
    problem.type = error_type("timeout");
    problem.status = 408;
  } else if (error.code == Errc::permission_denied) {
    problem = standard_problem("authorization", 403, "The secret may not be used", error.detail);
  }
  raise(branch, std::move(problem));
}

void Machine::raise(Branch& branch, Problem problem) {
  if (problem.instance.empty() && !branch.frames.empty()) {
    const auto& frame = branch.frames.back();
    if (frame.index < frame.list->tasks.size()) problem.instance = frame.task().ref;
  }
  for (std::size_t i = branch.frames.size(); i-- > 1;) {
    if (branch.frames[i].role != Role::attempt) continue;
    const auto caught = catches(branch, i - 1, problem);
    if (caught && !*caught) continue;
    Result<> handled;
    if (caught) {
      mark_ends(Lifecycle::faulted, branch, i, &problem);
      truncate(branch, i);
      handled = handle(branch, problem);
      if (handled && !failing_) return;
    }
    if (failing_) {  // given up, or what came of it does not fit its schema
      problem = *std::exchange(failing_, {});
    } else {  // the catch clause itself cannot be evaluated: that is the error now
      const auto& detail = caught ? handled.error().detail : caught.error().detail;
      problem = standard_problem("expression", 400, "The catch clause could not be evaluated", detail);
    }
    if (problem.instance.empty()) problem.instance = branch.frames[i - 1].task().ref;
  }
  mark_ends(Lifecycle::faulted, branch, 0, &problem);
  const bool ends_run = !may_be_caught_above(branch);
  if (ends_run && !failed_) failed_ = branch.id;
  if (branch.id == 0) {
    problem_ = std::move(problem);
    return;
  }
  const auto parent_id = branch.parent;
  const auto depth = branch.depth;
  if (ends_run) {  // as it stands it can go on, if that is wished
    cancel_children(parent_id, depth);
    return raise(*find_branch(parent_id), std::move(problem));
  }
  drop_children(parent_id, depth);  // `branch` is gone
  Branch& owner = *find_branch(parent_id);
  owner.state = State::ready;
  owner.wake = Wake::run;
  raise(owner, std::move(problem));
}

bool Machine::may_be_caught_above(const Branch& branch) const {
  for (const Branch* at = &branch; at->id != 0;) {
    const auto parent = std::ranges::find(branches_, at->parent, &Branch::id);
    for (std::size_t i = 0; i <= at->depth; ++i) {
      if (parent->frames[i].role == Role::attempt) return true;
    }
    at = &*parent;
  }
  return false;
}

Result<bool> Machine::catches(Branch& branch, std::size_t owner, const Problem& problem) {
  Frame& frame = branch.frames[owner];
  const auto& task = std::get<TryTask>(frame.task().body);
  auto error = std::make_shared<Binding>(Binding{frame.locals, Data(problem.to_json())});
  Scope inner = scope(frame);
  inner.locals = error.get();
  if (task.filter_computed) {
    SB_TRY(const auto filter, task.filter_computed->render(inner));
    if (!matches_error_filter(filter.value().get_object(), problem)) return false;
  }
  if (task.when) {
    SB_TRY(const bool wanted, task.when->test(inner));
    if (!wanted) return false;
  }
  if (task.except_when) {
    SB_TRY(const bool excepted, task.except_when->test(inner));
    if (excepted) return false;
  }
  return true;
}

// The try task is on top. A retry, else the handler, else the task's end.
Result<> Machine::handle(Branch& branch, const Problem& problem) {
  Frame& frame = branch.frames.back();
  const auto& task = std::get<TryTask>(frame.task().body);
  auto error = std::make_shared<Binding>(Binding{frame.locals, Data(problem.to_json())});
  Scope inner = scope(frame);
  inner.locals = error.get();
  if (task.retry) {
    SB_TRY(const auto delay, retry_delay(frame, *task.retry, inner));
    if (delay) {
      ++frame.progress->attempt;
      branch.until_us = now_ + *delay;
      branch.wake = Wake::retry;
      branch.state = State::waiting;
      timed_ = true;
      return {};
    }
    if (!task.handler && !task.then) {  // given up, and nobody says what to do instead
      failing_ = problem;
      return {};
    }
  }
  if (task.handler) {
    push(branch, {&*task.handler, Role::handler, std::move(error), *frame.input});
    return {};
  }
  note(branch);
  return finish(branch, *frame.input, task.then);
}

// How long until the next attempt; nothing where there is none.
Result<std::optional<Micros>> Machine::retry_delay(const Frame& frame, const RetryPolicy& policy, const Scope& scope) {
  if (policy.when) {
    SB_TRY(const bool wanted, policy.when->test(scope));
    if (!wanted) return std::nullopt;
  }
  if (policy.except_when) {
    SB_TRY(const bool excepted, policy.except_when->test(scope));
    if (excepted) return std::nullopt;
  }
  const auto failed = frame.progress->attempt;  // before this one
  if (policy.attempts_max != 0 && failed >= policy.attempts_max) return std::nullopt;
  SB_TRY(Micros delay, policy.delay.resolve(scope));
  if (policy.backoff == RetryPolicy::Backoff::linear) {
    SB_TRY(Micros step, policy.increment.resolve(scope));
    if (step == 0) step = delay;
    delay += step * failed;
  } else if (policy.backoff == RetryPolicy::Backoff::exponential) {
    constexpr double kLongest = 30.0 * 86400 * 1e6;
    delay = static_cast<Micros>(std::min(kLongest, static_cast<double>(delay) * std::pow(policy.factor, failed)));
  }
  if (policy.delay_max_us != 0) delay = std::min(delay, policy.delay_max_us);
  if (policy.jitter_from && policy.jitter_to) {
    SB_TRY(const Micros low, policy.jitter_from->resolve(scope));
    SB_TRY(const Micros high, policy.jitter_to->resolve(scope));
    delay += low + static_cast<Micros>(static_cast<double>(std::max<Micros>(high - low, 0)) *
                                       share_of(run_.id, frame.task().ref, failed));
  }
  if (policy.total_limit) {
    SB_TRY(const Micros limit, policy.total_limit->resolve(scope));
    if (now_ + delay - frame.progress->first_us > limit) return std::nullopt;
  }
  return delay;
}

Result<> Machine::attempt(Branch& branch) {
  Frame& frame = branch.frames.back();
  const auto& task = std::get<TryTask>(frame.task().body);
  Frame first{&task.list, Role::attempt, frame.locals, *frame.input};
  if (task.retry && task.retry->attempt_limit) {
    SB_TRY(const auto limit, task.retry->attempt_limit->resolve(scope(frame)));
    first.list_deadline_us = now_ + limit;
    timed_ = true;
  }
  push(branch, std::move(first));
  return {};
}

// Everything above `depth` is given up.
void Machine::truncate(Branch& branch, std::size_t depth) {
  drop_children(branch.id, depth);
  mark_ends(Lifecycle::cancelled, branch, depth);
  branch.frames.erase(branch.frames.begin() + static_cast<std::ptrdiff_t>(depth), branch.frames.end());
  branch.pending.reset();
  branch.until_us = 0;
  branch.state = State::ready;
  branch.wake = Wake::run;
}

std::vector<std::uint32_t> Machine::cancel_children(std::uint32_t parent, std::size_t depth) {
  std::vector<std::uint32_t> gone;
  for (const auto& branch : branches_) {
    const bool child = branch.id != 0 && branch.parent == parent && branch.depth >= depth;
    if (child || std::ranges::find(gone, branch.parent) != gone.end()) gone.push_back(branch.id);
  }
  for (auto& branch : branches_) {
    if (std::ranges::find(gone, branch.id) != gone.end()) mark_ends(Lifecycle::cancelled, branch, 0);
  }
  return gone;
}

void Machine::drop_children(std::uint32_t parent, std::size_t depth) {
  const auto gone = cancel_children(parent, depth);
  std::erase_if(branches_, [&](const Branch& branch) {
    return branch.id != 0 && std::ranges::find(gone, branch.id) != gone.end();
  });
}

void Machine::tick(Micros now) {
  now_ = std::max(now_, now);
  if (timed_) expire();
}

void Machine::expire() {
  const auto passed = [&](Micros at) { return at != 0 && at <= now_; };
  if (passed(deadline_us_) && !output_ && !problem_) {
    problem_ =
        standard_problem("timeout", 408, "The flow took too long", "the flow's time limit has passed", "/timeout");
    return;
  }
  if (problem_) return;
  for (auto& branch : branches_) {
    for (std::size_t i = 0; i < branch.frames.size(); ++i) {
      Frame& frame = branch.frames[i];
      const bool list_over = passed(frame.list_deadline_us), task_over = passed(frame.deadline_us);
      if (!list_over && !task_over) continue;
      const std::string where = list_over ? branch.frames[i - 1].task().ref : frame.task().ref;
      frame.list_deadline_us = list_over ? 0 : frame.list_deadline_us;
      frame.deadline_us = 0;
      truncate(branch, i + 1);
      raise(branch, standard_problem("timeout", 408, "Time is up", "the task's time limit has passed", where));
      return expire();
    }
    if (branch.state == State::waiting && branch.until_us <= now_) {
      branch.state = State::ready;
      branch.until_us = 0;
    }
  }
}

}  // namespace sb::flow
