// Listening: which events a run takes, and what it makes of them.
#include <fmt/format.h>

#include <algorithm>

#include "flow/machine.h"

namespace sb::flow {
namespace {

/// What a filter's property speaks of: an attribute of the event; for `data` its data.
const json::value* property_of(const json::value& event, std::string_view name) {
  return find_member(event, name);
}

Result<bool> correlates(const EventFilter& filter, const json::value& event, const Scope& scope,
                        json::object& correlated) {
  json::object found;
  for (const auto& correlation : filter.correlate) {
    Scope inner = scope;
    const Data self(event);
    inner.self = &self;
    SB_TRY(const auto value, correlation.from.evaluate(inner));
    if (value.value().is_null()) return false;
    if (correlation.expect) {
      json::value expected;
      if (const auto* expression = std::get_if<Expression>(&*correlation.expect)) {
        SB_TRY(const auto computed, expression->evaluate(scope));
        expected = computed.value();
      } else {
        expected = std::get<json::value>(*correlation.expect);
      }
      if (expected != value.value()) return false;
    } else if (const auto* before = correlated.if_contains(correlation.name)) {
      if (*before != value.value()) return false;
    } else {
      found[correlation.name] = value.value();
    }
  }
  for (auto& [key, value] : found) correlated[key] = std::move(value);
  return true;
}

/// Empty where a filter takes events of more than one type.
void add_types(const EventStrategy& strategy, std::set<std::string, std::less<>>& types) {
  if (strategy.filters.empty()) types.emplace();
  for (const auto& filter : strategy.filters) {
    const auto type = std::ranges::find(filter.with, "type", &EventFilter::Property::name);
    const auto* literal = type == filter.with.end() ? nullptr : std::get_if<json::value>(&type->want);
    types.emplace(literal && literal->is_string() ? std::string_view(literal->get_string()) : std::string_view());
  }
  if (strategy.until_event) add_types(*strategy.until_event, types);
}

}  // namespace

Result<bool> matches_event(const EventFilter& filter, const json::value& event, const Scope& scope,
                           json::object& correlated) {
  static const json::value kNone = nullptr;
  for (const auto& property : filter.with) {
    const auto* value = property_of(event, property.name);
    if (const auto* literal = std::get_if<json::value>(&property.want)) {
      if (!value || *literal != *value) return false;
      continue;
    }
    Scope inner = scope;
    const Data self(value ? *value : kNone);
    inner.self = &self;
    const auto wanted = std::get<Expression>(property.want).evaluate(inner);
    if (!wanted) return false;  // an event of another shape than the filter expects is not for it
    const auto& answer = wanted->value();
    if (answer.is_bool() ? !answer.get_bool() : !value || answer != *value) return false;
  }
  return correlates(filter, event, scope, correlated);
}

json::value read_event(const json::value& event, ReadAs as) {
  if (as == ReadAs::envelope) return event;
  if (const auto* data = find_member(event, "data")) {
    if (as == ReadAs::data) return *data;
    return json::string(data->is_string() ? std::string(data->get_string()) : to_text(*data));
  }
  if (const auto* base64 = find_member(event, "data_base64")) return *base64;
  return nullptr;
}

Result<> Machine::start_listening(Branch& branch) {
  Frame& frame = branch.frames.back();
  if (!frame.progress) frame.progress = std::make_unique<Progress>();
  mark_correlation(Lifecycle::correlation_started, *frame.progress);
  note(branch);
  branch.state = State::listening;
  branch.wake = Wake::listened;
  return {};
}

std::set<std::string, std::less<>> Machine::event_types() const {
  std::set<std::string, std::less<>> types;
  for (const Branch& branch : branches_) {
    for (const Frame& frame : branch.frames) {
      if (!frame.progress || frame.progress->satisfied || frame.index >= frame.list->tasks.size()) continue;
      if (const auto* listen = std::get_if<ListenTask>(&frame.task().body)) add_types(listen->to, types);
    }
  }
  if (types.contains("")) return {""};
  return types;
}

bool Machine::deliver(const json::value& event, const json::value& told) {
  bool taken = false;
  for (auto& branch : branches_) {
    for (std::size_t depth = 0; depth < branch.frames.size(); ++depth) {
      const Frame& frame = branch.frames[depth];
      if (!frame.progress || frame.progress->satisfied || !std::holds_alternative<ListenTask>(frame.task().body))
        continue;
      auto offered = offer(branch, depth, event, told);
      if (!offered) {
        truncate(branch, depth + 1);
        raise(branch, offered.error());
        return true;
      }
      taken = taken || *offered;
      if (*offered && branch.state == State::listening) branch.state = State::ready;
    }
  }
  return taken;
}

Result<bool> Machine::offer(Branch& branch, std::size_t depth, const json::value& event, const json::value& told) {
  Frame& frame = branch.frames[depth];
  const auto& task = std::get<ListenTask>(frame.task().body);
  const auto& to = task.to;
  Progress& progress = *frame.progress;
  const Scope around = scope(frame);
  if (to.until_event) {
    const auto& ending = *to.until_event;
    for (std::size_t i = 0; i < ending.filters.size(); ++i) {
      SB_TRY(const bool ends, matches_event(ending.filters[i], event, around, progress.correlated));
      if (!ends) continue;
      progress.until_matched |= std::uint64_t{1} << (i % 64);
      const auto all =
          ending.filters.size() >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << ending.filters.size()) - 1;
      progress.satisfied = ending.kind != EventStrategy::Kind::all || progress.until_matched == all;
      return true;  // not part of the output
    }
  }
  bool taken = to.kind == EventStrategy::Kind::any && to.filters.empty();
  for (std::size_t i = 0; i < to.filters.size() && !taken; ++i) {
    const auto bit = std::uint64_t{1} << (i % 64);
    if (to.kind == EventStrategy::Kind::all && (progress.matched & bit) != 0) continue;
    SB_TRY(taken, matches_event(to.filters[i], event, around, progress.correlated));
    if (taken) progress.matched |= bit;
  }
  if (!taken) return false;
  auto read = read_event(told, task.read);
  const auto all = to.filters.size() >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << to.filters.size()) - 1;
  progress.satisfied = to.kind == EventStrategy::Kind::one ||
                       (to.kind == EventStrategy::Kind::all && progress.matched == all) ||
                       (to.kind == EventStrategy::Kind::any && !to.until && !to.until_event && !to.forever);
  if (task.each)
    progress.queue.push_back(read);
  else
    progress.outputs.push_back(read);
  if (to.until) {
    json::array seen = progress.outputs;
    seen.insert(seen.end(), progress.queue.begin(), progress.queue.end());
    const Data so_far(json::value(std::move(seen)));
    SB_TRY(progress.satisfied, to.until->test(scope(frame, so_far)));
  }
  constexpr std::size_t kMostEvents = 10'000;
  if (progress.outputs.size() + progress.queue.size() > kMostEvents)
    return fail(Errc::deadline_exceeded, fmt::format("a listen task took more than {} events", kMostEvents));
  return true;
}

// The listen task is on top, and something has changed.
Result<> Machine::progress_listen(Branch& branch) {
  Frame& frame = branch.frames.back();
  const auto& task = std::get<ListenTask>(frame.task().body);
  Progress& progress = *frame.progress;
  if (task.each && !progress.queue.empty()) {
    const Data event(progress.queue.front());
    progress.queue.erase(progress.queue.begin());
    auto item = std::make_shared<Binding>(Binding{frame.locals, event});
    auto index = std::make_shared<Binding>(Binding{std::move(item), Data(json::value(progress.at))});
    push(branch, {&*task.each, Role::each, std::move(index), event});
    return {};
  }
  if (progress.satisfied) {
    mark_correlation(Lifecycle::correlation_completed, progress);
    return finish(branch, Data(json::value(std::move(progress.outputs))));
  }
  branch.state = State::listening;
  branch.wake = Wake::listened;
  return {};
}

Result<> Machine::each_done(Branch& branch, Data output) {
  const auto locals = branch.frames.back().locals;
  branch.frames.pop_back();
  Frame& frame = branch.frames.back();
  const auto& task = std::get<ListenTask>(frame.task().body);
  Scope inner = scope(frame, output);
  inner.locals = locals.get();
  Data shaped = output;
  if (task.each_output) {
    SB_TRY(shaped, task.each_output->render(inner));
  }
  if (task.each_export) {
    Scope exporting = inner;
    exporting.self = exporting.output = &shaped;
    SB_TRY(context_, task.each_export->render(exporting));
  }
  frame.progress->outputs.push_back(shaped.value());
  ++frame.progress->at;
  branch.state = State::ready;
  branch.wake = Wake::listened;
  return {};
}

}  // namespace sb::flow
