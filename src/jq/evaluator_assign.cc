// Assignment: paths are collected on the untouched input, then one copy of it is changed place by place.
#include "jq/evaluator.h"

namespace sb::jq {
namespace {

// The value at `path` if every step exists and is no slice; those are handled by get and set.
Value* locate(Value& root, const json::array& path) {
  Value* at = &root;
  for (const auto& key : path) {
    if (at->is_object() && key.is_string()) {
      at = at->get_object().if_contains(key.get_string());
      if (!at) return nullptr;
    } else if (at->is_array() && key.is_number()) {
      const std::int64_t index = to_index(key);
      auto& array = at->get_array();
      if (index < 0 || index >= static_cast<std::int64_t>(array.size())) return nullptr;
      at = &array[static_cast<std::size_t>(index)];
    } else {
      return nullptr;
    }
  }
  return at;
}

}  // namespace

Flow Run::assign(const Node& node, Val in, const Frame& frame, Sink out) {
  return eval(node.b, in.value_only(), frame,
              [&](Val v) { return assign_value(node, in.value_only(), *v.v, frame, out); });
}

Flow Run::assign_value(const Node& node, Val in, const Value& value, const Frame& frame, Sink out) {
  std::vector<json::array> places;
  if (const Flow flow = collect_paths(node.a, in, frame, places); flow != Flow::go) return flow;
  // With one right-hand value the input is not needed again and may be changed itself.
  const bool reusable = in.movable && node.b->single && (node.b->op == Op::literal || node.b->op == Op::variable);
  Value root = reusable ? take(in) : copy(*in.v);
  for (const auto& place : places) {
    if (!tick()) return Flow::fatal;
    Value next;
    if (node.op == Op::assign) {
      next = copy(value);
    } else {
      if (auto fault = get_path(root, place, next)) return raise(node, std::move(*fault));
      if (node.op == Op::supply) {
        if (!truthy(next)) next = copy(value);
      } else {
        Held made;
        if (const Flow flow = compute(node, next, value, made); flow != Flow::go) return flow;
        next = release(made);
      }
    }
    if (auto fault = set_path(root, place, 0, std::move(next))) return raise(node, std::move(*fault));
  }
  return spent_ ? Flow::fatal : out(Val{&root, nullptr, true});
}

Flow Run::update(const Node& node, Val in, const Frame& frame, Held& out) {
  std::vector<json::array> places;
  if (const Flow flow = collect_paths(node.a, in, frame, places); flow != Flow::go) return flow;
  Value root = take(in);
  json::array removed;
  for (const auto& place : places)
    if (const Flow flow = update_at(node, root, place, frame, removed); flow != Flow::go) return flow;
  if (!removed.empty()) {
    if (auto fault = delete_paths(root, std::move(removed))) return raise(node, std::move(*fault));
  }
  out.set(std::move(root));
  return spent_ ? Flow::fatal : Flow::go;
}

// jq 1.7: the first output replaces the value; no output removes the place, after all others are done.
Flow Run::update_at(const Node& node, Value& root, const json::array& path, const Frame& frame, json::array& removed) {
  Value* place = locate(root, path);
  Value before;
  if (place)
    before = std::move(*place);
  else if (auto fault = get_path(root, path, before))
    return raise(node, std::move(*fault));
  Held after;
  const Val input{&before, nullptr, true};
  Flow flow;
  if (node.b->single) {
    flow = single(node.b, input, frame, after);
  } else {
    const char mark = 0;
    flow = eval(node.b, input.borrowed(), frame, [&](Val v) {
      after.set(copy(*v.v));
      return leave_to(&mark);
    });
    if (flow == Flow::leave && left_to(&mark)) flow = Flow::go;
  }
  if (flow != Flow::go) return flow;
  if (!after.has()) {
    removed.push_back(path);
    return Flow::go;
  }
  Value made = release(after);
  if (place)
    *place = std::move(made);
  else if (auto fault = set_path(root, path, 0, std::move(made)))
    return raise(node, std::move(*fault));
  return spent_ ? Flow::fatal : Flow::go;
}

}  // namespace sb::jq
