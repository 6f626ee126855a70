// Evaluation of what follows or takes apart: fields, indices, slices, iteration, patterns, paths.
#include "jq/builtins.h"
#include "jq/evaluator.h"

namespace sb::jq {

SlotGuard::SlotGuard(Run& run) : run_(run), base_(run.slots_used_) {}
SlotGuard::~SlotGuard() {
  run_.slots_used_ = base_;
}

std::size_t SlotGuard::reserve(std::size_t count) {
  run_.slots_used_ = base_ + count;
  if (run_.slots_.size() < run_.slots_used_) run_.slots_.resize(run_.slots_used_ * 2);
  return base_;
}

Flow Run::descend(const Node& node, Val in, const Value& key, Sink out) {
  Value scratch;
  std::optional<Fault> fault;
  if (key.is_array() && in.v->is_array() &&
      !work(static_cast<std::int64_t>(in.v->get_array().size() * (1 + key.get_array().size()) / 4)))
    return Flow::fatal;
  const Value* found = jq::index(*in.v, key, scratch, fault);
  if (!found) return node.optional ? Flow::go : raise(node, std::move(*fault));
  const PathNode path{in.path, &key};
  return out(Val{found, in.path ? &path : nullptr, found != &kNullValue && (in.movable || found == &scratch)});
}

Flow Run::follow(const Node& node, Val in, std::size_t at, Sink out) {
  if (at == node.keys.size()) return out(in);
  return descend(node, in, node.keys[at], [&](Val v) { return follow(node, v, at + 1, out); });
}

Flow Run::field(const Node& node, Val in, const Frame& frame, Sink out) {
  if (!node.a) return follow(node, in.borrowed(), 0, out);
  return eval(node.a, in.borrowed(), frame, [&](Val v) { return follow(node, v.borrowed(), 0, out); });
}

// The index is the outer loop, the container the inner one, as in jq.
Flow Run::index(const Node& node, Val in, const Frame& frame, Sink out) {
  return eval(node.b, in.value_only(), frame, [&](Val key) {
    if (!node.a) return descend(node, in.borrowed(), *key.v, out);
    return eval(node.a, in.borrowed(), frame, [&](Val v) { return descend(node, v.borrowed(), *key.v, out); });
  });
}

Flow Run::slice_at(const Node& node, Val in, const Frame& frame, const Value& from, const Value& to, Sink out) {
  const Value key = json::object{{"start", from}, {"end", to}};
  const auto cut = [&](Val v) {
    charge(v.v->is_array() ? copy_cost(*v.v) : 64);
    return spent_ ? Flow::fatal : descend(node, v.borrowed(), key, out);
  };
  return node.a ? eval(node.a, in.borrowed(), frame, cut) : cut(in);
}

Flow Run::slice(const Node& node, Val in, const Frame& frame, Sink out) {
  const auto with_start = [&](Val from) {
    if (!node.c) return slice_at(node, in, frame, *from.v, kNullValue, out);
    return eval(node.c, in.value_only(), frame, [&](Val to) { return slice_at(node, in, frame, *from.v, *to.v, out); });
  };
  return node.b ? eval(node.b, in.value_only(), frame, with_start) : with_start(Val{&kNullValue});
}

Flow Run::iterate(const Node& node, Val in, Sink out) {
  if (const auto* array = in.v->if_array()) {
    for (std::size_t i = 0; i < array->size(); ++i) {
      if (!tick()) return Flow::fatal;
      const Value key = static_cast<std::int64_t>(i);
      const PathNode path{in.path, &key};
      if (const Flow flow = out(Val{&(*array)[i], in.path ? &path : nullptr, in.movable}); flow != Flow::go)
        return flow;
    }
    return Flow::go;
  }
  if (const auto* object = in.v->if_object()) {
    for (const auto& entry : *object) {
      if (!tick()) return Flow::fatal;
      Value key;
      if (in.path) key = json::string(entry.key());
      const PathNode path{in.path, &key};
      if (const Flow flow = out(Val{&entry.value(), in.path ? &path : nullptr, in.movable}); flow != Flow::go)
        return flow;
    }
    return Flow::go;
  }
  if (node.optional) return Flow::go;
  const std::string kind(kind_name(*in.v));
  return raise(node, {"Cannot iterate over " + kind,
                      in.v->is_null() ? "Cannot iterate over null"
                                      : "Cannot iterate over " + kind + " (" + excerpt(*in.v) + ")"});
}

Flow Run::recurse(const Node& node, Val in, Sink out) {
  if (!tick()) return Flow::fatal;
  if (const Flow flow = out(in.borrowed()); flow != Flow::go || !in.v->is_structured()) return flow;
  return iterate(node, in.borrowed(), [&](Val v) { return recurse(node, v, out); });
}

Flow Run::paths(const Node* node, Val in, const Frame& frame, Sink out) {
  static const PathNode kRoot;
  return eval(node, Val{in.v, &kRoot, false}, frame, [&](Val v) {
    if (v.path) return out(v);
    return raise(*node, {"Invalid path expression: it makes a value instead of pointing into its input",
                         "Invalid path expression with result " + excerpt(*v.v)});
  });
}

Flow Run::collect_paths(const Node* node, Val in, const Frame& frame, std::vector<json::array>& out) {
  return paths(node, in, frame, [&](Val v) {
    out.push_back(path_of(v.path));
    return spent_ ? Flow::fatal : Flow::go;
  });
}

Flow Run::bind(const Pattern& pattern, const Value& value, const Node& node, const Frame& frame, Body body) {
  if (pattern.kind == Pattern::Kind::variable) {
    // Restored afterwards: a closure may run this very binding again before its body is done.
    const std::size_t at = frame.base + pattern.slot;
    const Value* saved = std::exchange(slots_[at], &value);
    const Flow flow = body();
    slots_[at] = saved;
    return flow;
  }
  return bind_entries(pattern, 0, value, node, frame, body);
}

Flow Run::bind_entries(const Pattern& pattern, std::size_t at, const Value& value, const Node& node, const Frame& frame,
                       Body body) {
  if (at == pattern.entries.size()) return body();
  const auto& entry = pattern.entries[at];
  const auto rest = [&] { return bind_entries(pattern, at + 1, value, node, frame, body); };
  const auto with_key = [&](Val key) {
    if (!pattern.entries[at].key && !(value.is_array() || value.is_null()))
      return raise(node, {"Cannot index " + std::string(kind_name(value)) + " with number",
                          "Cannot index " + std::string(kind_name(value)) + " with number"});
    if (entry.key && !key.v->is_string())
      return raise(node, {"Cannot index object with " + std::string(kind_name(*key.v)),
                          "Cannot index object with " + std::string(kind_name(*key.v))});
    return descend(node, Val{&value}, *key.v, [&](Val v) {
      const auto inner = [&] { return entry.value ? bind(*entry.value, *v.v, node, frame, rest) : rest(); };
      return entry.name ? bind(*entry.name, *v.v, node, frame, inner) : inner();
    });
  };
  if (entry.key) return eval(entry.key, Val{&value}, frame, with_key);
  const Value position = static_cast<std::int64_t>(at);
  return with_key(Val{&position});
}

Flow Run::bind_alternatives(const Node& node, Val in, const Value& value, const Frame& frame, Sink out) {
  const auto body = [&](Sink sink) { return eval(node.b, in.borrowed(), frame, sink); };
  if (node.patterns.size() == 1) return bind(*node.patterns[0], value, node, frame, [&] { return body(out); });
  std::function<void(const Pattern&)> clear = [&](const Pattern& pattern) {
    if (pattern.kind == Pattern::Kind::variable) slots_[frame.base + pattern.slot] = &kNullValue;
    for (const auto& entry : pattern.entries) {
      if (entry.name) clear(*entry.name);
      if (entry.value) clear(*entry.value);
    }
  };
  for (std::size_t i = 0; i < node.patterns.size(); ++i) {
    for (const auto* pattern : node.patterns) clear(*pattern);
    bool beyond = false;
    const Flow flow = bind(*node.patterns[i], value, node, frame, [&] {
      return body([&](Val v) {
        const Flow inner = out(v);
        beyond = inner != Flow::go;
        return inner;
      });
    });
    if (flow != Flow::error || beyond || i + 1 == node.patterns.size()) return flow;
  }
  return Flow::go;
}

}  // namespace sb::jq
