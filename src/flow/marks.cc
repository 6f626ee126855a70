// What becomes of tasks, for whoever observes the run. A task is under way from its creation on, which `started_us`
// says of it, until one mark ends it.
#include <algorithm>

#include "flow/machine.h"

namespace sb::flow {

void Machine::mark(Lifecycle what, const Frame& frame) {
  if (observed_) marks_.push_back({what, &frame.task(), now_});
}

void Machine::mark_end(Lifecycle what, Frame& frame, const Problem* problem) {
  if (!observed_ || frame.started_us == 0 || frame.index >= frame.list->tasks.size()) return;
  LifecycleMark& made = marks_.emplace_back(what, &frame.task(), now_);
  if (what == Lifecycle::completed) made.output = frame.output;
  if (problem) made.error = *problem;
  frame.started_us = 0;
}

void Machine::mark_ends(Lifecycle what, Branch& branch, std::size_t from, const Problem* problem) {
  for (std::size_t i = branch.frames.size(); i-- > from;) mark_end(what, branch.frames[i], problem);
}

void Machine::mark_tasks(Lifecycle what) {
  if (!observed_) return;
  for (auto branch = branches_.rbegin(); branch != branches_.rend(); ++branch) {
    for (auto frame = branch->frames.rbegin(); frame != branch->frames.rend(); ++frame) {
      if (frame->started_us != 0 && frame->index < frame->list->tasks.size()) mark(what, *frame);
    }
  }
}

void Machine::mark_end_of_flow(Branch& branch) {
  for (auto* ended = &branch; ended; ended = ended->id == 0 ? nullptr : find_branch(ended->parent))
    mark_ends(Lifecycle::completed, *ended, 0);
  for (auto& other : branches_) mark_ends(Lifecycle::cancelled, other, 0);
}

void Machine::mark_correlation(Lifecycle what, const Progress& progress) {
  if (!observed_) return;
  LifecycleMark& made = marks_.emplace_back(what, nullptr, now_);
  if (what == Lifecycle::correlation_completed) made.correlated = progress.correlated;
}

}  // namespace sb::flow
