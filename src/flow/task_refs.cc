#include "flow/task_refs.h"

#include <set>

#include "flow/definition.h"

namespace sb::flow {
namespace {

class RefsOfTasks {
 public:
  void add(const TaskList& list) {
    if (!seen_.insert(&list).second) return;  // tasks share functions and extensions
    for (const auto& task : list.tasks) {
      refs.push_back(task.ref);
      for (const auto& extension : task.extensions) {
        add_some(extension->before);
        add_some(extension->after);
      }
      std::visit([this](const auto& body) { add_within(body); }, task.body);
    }
  }

  std::vector<std::string> refs;

 private:
  void add_some(const std::optional<TaskList>& list) {
    if (list) add(*list);
  }
  void add_within(const CallTask& call) {
    if (call.body) add(*call.body);
  }
  void add_within(const DoTask& group) { add(group.list); }
  void add_within(const ForTask& loop) { add(loop.list); }
  void add_within(const ForkTask& fork) {
    for (const auto& branch : fork.branches) add(branch);
  }
  void add_within(const TryTask& attempt) {
    add(attempt.list);
    add_some(attempt.handler);
  }
  void add_within(const ListenTask& listen) { add_some(listen.each); }
  void add_within(const auto&) {}

  std::set<const TaskList*> seen_;
};

}  // namespace

std::vector<std::string> task_refs(const Flow& flow) {
  RefsOfTasks tasks;
  tasks.add(flow.root);
  return std::move(tasks.refs);
}

}  // namespace sb::flow
