// A run that failed or was stopped goes on, or begins again at a task that it came to before.
#include <algorithm>

#include "flow/machine.h"

namespace sb::flow {

const TaskNode* Machine::failed() const {
  if (!failed_) return nullptr;
  const auto branch = std::ranges::find(branches_, *failed_, &Branch::id);
  if (branch == branches_.end() || branch->frames.empty()) return nullptr;
  const Frame& frame = branch->frames.back();
  return frame.index < frame.list->tasks.size() ? &frame.task() : nullptr;
}

void Machine::again(Micros now) {
  const Micros passed = std::max<Micros>(now - now_, 0);
  now_ = std::max(now_, now);
  if (deadline_us_ != 0) {
    deadline_us_ += now_ - (since_us_ != 0 ? since_us_ : run_.started_us);
    since_us_ = now_;
  }
  if (failed()) {
    Branch& branch = *find_branch(*failed_);
    Frame& frame = branch.frames.back();
    const auto effect = frame.effect;
    // Extensions that went before it are not done again, unless one of them is where it failed.
    const auto stage =
        frame.entered ? std::min<std::size_t>(frame.stage, frame.task().extensions.size()) : std::size_t{0};
    const Data same = frame.raw;
    frame.begin(frame.index, same);
    frame.effect = effect;
    frame.stage = static_cast<std::uint16_t>(stage);
    branch.pending.reset();
    branch.state = State::ready;
    branch.wake = Wake::run;
    drop_children(*failed_, branch.frames.size() - 1);  // of a fork whose time was up
  }
  failed_.reset();
  problem_.reset();
  for (auto& branch : branches_) {
    for (auto& frame : branch.frames) {
      if (frame.deadline_us != 0) frame.deadline_us += passed;
      if (frame.list_deadline_us != 0) frame.list_deadline_us += passed;
      if (frame.entered && frame.started_us == 0) frame.started_us = now_;  // its end was told: it is under way again
    }
  }
}

std::optional<std::size_t> Machine::go_before(const Place& place) {
  const auto is_there = [&] {
    if (branches_.size() != 1 || branches_.front().state != State::ready || branches_.front().wake != Wake::run)
      return false;
    const Frame& frame = branches_.front().frames.back();
    const bool is_before = frame.index < frame.list->tasks.size() && !frame.entered && frame.stage == 0;
    return is_before && frame.task().ref == place.ref && (!place.after || *place.after == pure_.size());
  };
  while (!problem_ && !output_) {
    if (timed_) expire();
    if (is_there()) {
      pure_since_effect_ = 0;
      return take_pure_steps().size();  // they are on record
    }
    const auto ready = std::ranges::find(branches_, State::ready, &Branch::state);
    if (ready == branches_.end()) break;
    step(*ready);
  }
  return std::nullopt;
}

void Machine::number_on_from(const Machine& other) {
  next_effect_ = std::max(next_effect_, other.next_effect_);
  next_branch_ = std::max(next_branch_, other.next_branch_);
}

void Machine::change(std::optional<Data> input, std::optional<Data> context) {
  if (input) branches_.front().frames.back().raw = *std::move(input);
  if (context) context_ = *std::move(context);
}

}  // namespace sb::flow
