// Builtins that take filters and may have any number of outputs.
#include <algorithm>

#include "jq/builtins.h"

namespace sb::jq {
namespace {

Flow do_empty(Run&, const Node&, Val, const Frame&, Sink) {
  return Flow::go;
}

Flow do_error(Run& run, const Node& node, Val in, const Frame&, Sink) {
  return run.raise_value(node, run.copy(*in.v));
}

Flow do_error_with(Run& run, const Node& node, Val in, const Frame& frame, Sink) {
  return run.eval(node.list[0], in.value_only(), frame, [&](Val v) { return run.raise_value(node, run.copy(*v.v)); });
}

Flow do_select(Run& run, const Node& node, Val in, const Frame& frame, Sink out) {
  const Node* condition = node.list[0];
  if (condition->single) {
    Held held;
    if (const Flow flow = run.single(condition, in.value_only(), frame, held); flow != Flow::go || !held.has())
      return flow;
    return truthy(*held.p) ? out(in) : Flow::go;
  }
  return run.eval(condition, in.value_only(), frame,
                  [&](Val v) { return truthy(*v.v) ? out(in.borrowed()) : Flow::go; });
}

Flow do_map(Run& run, const Node& node, Val in, const Frame& frame, Sink out) {
  json::array made;
  const Flow flow = run.iterate(node, in.value_only(), [&](Val item) {
    return run.eval(node.list[0], item, frame, [&](Val v) {
      made.push_back(run.take(v));
      return run.charge(16) ? Flow::go : Flow::fatal;
    });
  });
  if (flow != Flow::go) return flow;
  Value result = std::move(made);
  return out(Val{&result, nullptr, true});
}

Flow recurse_with(Run& run, const Node& node, Val in, const Frame& frame, Sink out) {
  // While the step has one output, this is a loop and not a recursion.
  const Node* step = node.list[0];
  if (in.path || !step->single) {
    if (const Flow flow = out(in.borrowed()); flow != Flow::go) return flow;
    return run.eval(step, in.borrowed(), frame, [&](Val v) { return recurse_with(run, node, v, frame, out); });
  }
  Value current = run.copy(*in.v);
  while (true) {
    if (const Flow flow = out(Val{&current}); flow != Flow::go) return flow;
    Held next;
    if (const Flow flow = run.single(step, Val{&current, nullptr, true}, frame, next); flow != Flow::go || !next.has())
      return flow;
    Value made = run.release(next);
    current = std::move(made);
  }
}

Flow do_recurse(Run& run, const Node& node, Val in, const Frame&, Sink out) {
  return run.recurse(node, in, out);
}

// until (stops: emits) and while (stops: ends) differ only in what they hand on.
Flow loop(Run& run, const Node& node, Val in, const Frame& frame, bool until, Sink out) {
  const Node* condition = node.list[0];
  const Node* step = node.list[1];
  if (in.path || !condition->single || !step->single) {
    return run.eval(condition, in.value_only(), frame, [&](Val truth) {
      if (truthy(*truth.v) == until) return until ? out(in.borrowed()) : Flow::go;
      if (!until)
        if (const Flow flow = out(in.borrowed()); flow != Flow::go) return flow;
      return run.eval(step, in.borrowed(), frame, [&](Val v) { return loop(run, node, v, frame, until, out); });
    });
  }
  Value current = run.copy(*in.v);
  while (true) {
    Held truth;
    if (const Flow flow = run.single(condition, Val{&current}, frame, truth); flow != Flow::go || !truth.has())
      return flow;
    if (truthy(*truth.p) == until) return until ? out(Val{&current, nullptr, true}) : Flow::go;
    if (!until)
      if (const Flow flow = out(Val{&current}); flow != Flow::go) return flow;
    Held next;
    if (const Flow flow = run.single(step, Val{&current, nullptr, true}, frame, next); flow != Flow::go || !next.has())
      return flow;
    Value made = run.release(next);
    current = std::move(made);
  }
}

Flow do_until(Run& run, const Node& node, Val in, const Frame& frame, Sink out) {
  return loop(run, node, in, frame, true, out);
}
Flow do_while(Run& run, const Node& node, Val in, const Frame& frame, Sink out) {
  return loop(run, node, in, frame, false, out);
}

Flow take_first(Run& run, const Node* filter, Val in, const Frame& frame, Sink out) {
  const char mark = 0;
  Flow beyond = Flow::go;
  const Flow flow = run.eval(filter, in, frame, [&](Val v) {
    beyond = out(v);
    return beyond == Flow::go ? run.leave_to(&mark) : beyond;
  });
  return flow == Flow::leave && beyond == Flow::go && run.left_to(&mark) ? Flow::go : flow;
}

Flow do_first(Run& run, const Node& node, Val in, const Frame& frame, Sink out) {
  return take_first(run, node.list[0], in, frame, out);
}

Flow do_limit(Run& run, const Node& node, Val in, const Frame& frame, Sink out) {
  return run.eval(node.list[0], in.value_only(), frame, [&](Val count) {
    if (!count.v->is_number()) return run.raise(node, fault_about(*count.v, "cannot be a limit: it is a number"));
    if (to_double(*count.v) <= 0) return Flow::go;
    double left = to_double(*count.v);
    const char mark = 0;
    bool full = false;
    const Flow flow = run.eval(node.list[1], in.borrowed(), frame, [&](Val v) {
      left -= 1;
      const bool last = left <= 0;
      if (const Flow inner = out(v); inner != Flow::go) return inner;
      full = last;
      return last ? run.leave_to(&mark) : Flow::go;
    });
    return flow == Flow::leave && full && run.left_to(&mark) ? Flow::go : flow;
  });
}

Flow do_last(Run& run, const Node& node, Val in, const Frame& frame, Sink out) {
  Value kept;
  bool any = false;
  const Flow flow = run.eval(node.list[0], in.value_only(), frame, [&](Val v) {
    kept = run.take(v);
    any = true;
    return Flow::go;
  });
  return flow == Flow::go && any ? out(Val{&kept, nullptr, true}) : flow;
}

Flow do_isempty(Run& run, const Node& node, Val in, const Frame& frame, Sink out) {
  Value result = true;
  const Flow flow =
      take_first(run, node.list[0], in.value_only(), frame, [&](Val) { return result = false, Flow::go; });
  return flow == Flow::go ? out(Val{&result, nullptr, true}) : flow;
}

Flow count_range(Run& run, const Node& node, const Value& from, const Value& to, const Value& by, Sink out) {
  for (const Value* bound : {&from, &to, &by})
    if (!bound->is_number()) return run.raise(node, {"Range bounds must be numeric", "Range bounds must be numeric"});
  const int direction = compare(by, Value(0));
  if (direction == 0) return Flow::go;
  for (Value at = from; compare(at, to) * direction < 0;) {
    if (!run.work(1)) return Flow::fatal;
    Value current = at;
    if (const Flow flow = out(Val{&current, nullptr, true}); flow != Flow::go) return flow;
    Value next;
    apply(Operator::add, at, by, next);
    if (equal(next, current)) return Flow::go;  // a step lost in rounding would never end
    at = std::move(next);
  }
  return Flow::go;
}

Flow do_range(Run& run, const Node& node, Val in, const Frame& frame, Sink out) {
  const Value zero = 0;
  const Value one = 1;
  const auto& list = node.list;
  if (list.size() == 1)
    return run.eval(list[0], in.value_only(), frame,
                    [&](Val to) { return count_range(run, node, zero, *to.v, one, out); });
  return run.eval(list[0], in.value_only(), frame, [&](Val from) {
    return run.eval(list[1], in.value_only(), frame, [&](Val to) {
      if (list.size() == 2) return count_range(run, node, *from.v, *to.v, one, out);
      return run.eval(list[2], in.value_only(), frame,
                      [&](Val by) { return count_range(run, node, *from.v, *to.v, *by.v, out); });
    });
  });
}

Flow do_path(Run& run, const Node& node, Val in, const Frame& frame, Sink out) {
  return run.paths(node.list[0], in, frame, [&](Val v) {
    Value path = run.path_of(v.path);
    return out(Val{&path, nullptr, true});
  });
}

Flow follow_keys(Run& run, const Node& node, Val in, const json::array& keys, std::size_t at, Sink out) {
  if (at == keys.size()) return out(in);
  if (in.v->is_null()) {
    const PathNode path{in.path, &keys[at]};
    return follow_keys(run, node, Val{&kNullValue, in.path ? &path : nullptr, false}, keys, at + 1, out);
  }
  return run.descend(node, in, keys[at], [&](Val v) { return follow_keys(run, node, v, keys, at + 1, out); });
}

Flow do_getpath(Run& run, const Node& node, Val in, const Frame& frame, Sink out) {
  return run.eval(node.list[0], in.value_only(), frame, [&](Val path) {
    if (!path.v->is_array()) return run.raise(node, fault_about(*path.v, "is not a path: paths are arrays"));
    return follow_keys(run, node, in.borrowed(), path.v->get_array(), 0, out);
  });
}

// any/all over `generator` with `condition`; stops at the first value that settles it.
Flow quantify(Run& run, const Node& node, const Node* generator, const Node* condition, Val in, const Frame& frame,
              bool any, Sink out) {
  Value result = !any;
  const char mark = 0;
  const auto judge = [&](Val truth) {
    if (truthy(*truth.v) != any) return Flow::go;
    result = any;
    return run.leave_to(&mark);
  };
  const auto each = [&](Val item) { return condition ? run.eval(condition, item, frame, judge) : judge(item); };
  const Flow flow =
      generator ? run.eval(generator, in.value_only(), frame, each) : run.iterate(node, in.value_only(), each);
  if (flow != Flow::go && !(flow == Flow::leave && run.left_to(&mark))) return flow;
  return out(Val{&result, nullptr, true});
}

Flow do_any(Run& run, const Node& node, Val in, const Frame& frame, Sink out) {
  const auto& list = node.list;
  return quantify(run, node, list.size() == 2 ? list[0] : nullptr, list.empty() ? nullptr : list.back(), in, frame,
                  true, out);
}

Flow do_all(Run& run, const Node& node, Val in, const Frame& frame, Sink out) {
  const auto& list = node.list;
  return quantify(run, node, list.size() == 2 ? list[0] : nullptr, list.empty() ? nullptr : list.back(), in, frame,
                  false, out);
}

enum class Grouping { sort, group, unique, min, max };

// The *_by family: each item with the array of its key's outputs, stably sorted.
template <Grouping kind>
Flow do_by(Run& run, const Node& node, Val in, const Frame& frame, Sink out) {
  if (!in.v->is_array())
    return run.raise(node, fault_about(*in.v, "cannot be sorted or grouped, as it is not an array"));
  std::vector<std::pair<Value, const Value*>> rows;
  for (const auto& item : in.v->get_array()) {
    json::array key;
    const Flow flow = run.eval(node.list[0], Val{&item}, frame, [&](Val v) {
      key.push_back(run.take(v));
      return run.charge(48) ? Flow::go : Flow::fatal;
    });
    if (flow != Flow::go) return flow;
    rows.emplace_back(std::move(key), &item);
  }
  Value result;
  const auto less = [](const auto& a, const auto& b) { return compare(a.first, b.first) < 0; };
  if constexpr (kind == Grouping::min || kind == Grouping::max) {
    // Ties: the first smallest, the last largest.
    const auto found =
        kind == Grouping::min
            ? std::ranges::min_element(rows, less)
            : std::max_element(rows.begin(), rows.end(), [&](const auto& a, const auto& b) { return !less(b, a); });
    if (found != rows.end()) result = run.copy(*found->second);
  } else {
    std::ranges::stable_sort(rows, less);
    json::array made;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const bool fresh = i == 0 || !equal(rows[i].first, rows[i - 1].first);
      if constexpr (kind == Grouping::group) {
        if (fresh) made.push_back(json::array());
        made.back().get_array().push_back(run.copy(*rows[i].second));
      } else if (kind == Grouping::sort || fresh) {
        made.push_back(run.copy(*rows[i].second));
      }
    }
    result = std::move(made);
  }
  return out(Val{&result, nullptr, true});
}

constexpr Native kStreamNatives[] = {
    {"empty", 0, nullptr, do_empty, Singular::always},
    {"error", 0, nullptr, do_error, Singular::always},
    {"error", 1, nullptr, do_error_with, Singular::always},
    {"select", 1, nullptr, do_select, Singular::as_arguments, true},
    {"map", 1, nullptr, do_map, Singular::always},
    {"recurse", 0, nullptr, do_recurse, Singular::never},
    {"recurse", 1, nullptr, recurse_with, Singular::never},
    {"repeat", 1, nullptr, recurse_with, Singular::never},
    {"until", 2, nullptr, do_until, Singular::as_arguments, true},
    {"while", 2, nullptr, do_while, Singular::never},
    {"first", 1, nullptr, do_first, Singular::always, true},
    {"last", 1, nullptr, do_last, Singular::always},
    {"limit", 2, nullptr, do_limit, Singular::as_arguments, true},
    {"isempty", 1, nullptr, do_isempty, Singular::always},
    {"range", 1, nullptr, do_range, Singular::never},
    {"range", 2, nullptr, do_range, Singular::never},
    {"range", 3, nullptr, do_range, Singular::never},
    {"path", 1, nullptr, do_path, Singular::as_arguments},
    {"getpath", 1, nullptr, do_getpath, Singular::as_arguments, true},
    {"any", 0, nullptr, do_any, Singular::always},
    {"any", 1, nullptr, do_any, Singular::always},
    {"any", 2, nullptr, do_any, Singular::always},
    {"all", 0, nullptr, do_all, Singular::always},
    {"all", 1, nullptr, do_all, Singular::always},
    {"all", 2, nullptr, do_all, Singular::always},
    {"sort_by", 1, nullptr, do_by<Grouping::sort>, Singular::always},
    {"group_by", 1, nullptr, do_by<Grouping::group>, Singular::always},
    {"unique_by", 1, nullptr, do_by<Grouping::unique>, Singular::always},
    {"min_by", 1, nullptr, do_by<Grouping::min>, Singular::always},
    {"max_by", 1, nullptr, do_by<Grouping::max>, Singular::always},
};

}  // namespace

std::span<const Native> stream_natives() {
  return kStreamNatives;
}

}  // namespace sb::jq
