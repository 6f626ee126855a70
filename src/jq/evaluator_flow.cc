// Evaluation of what makes, chooses and repeats: operators, conditions, folds, construction, calls.
#include "jq/builtins.h"
#include "jq/evaluator.h"

namespace sb::jq {

// The right operand is the outer loop, as in jq.
Flow Run::binary(const Node& node, Val in, const Frame& frame, Sink out) {
  return eval(node.b, in.value_only(), frame, [&](Val right) {
    return eval(node.a, in.value_only(), frame, [&](Val left) {
      Held made;
      Value a = node.oper >= Operator::eq ? Value() : take(left);
      const Flow flow = node.oper >= Operator::eq ? compute(node, const_cast<Value&>(*left.v), *right.v, made)
                                                  : compute(node, a, *right.v, made);
      return flow == Flow::go ? out(made.val()) : flow;
    });
  });
}

Flow Run::logic(const Node& node, Val in, const Frame& frame, Sink out) {
  return eval(node.a, in.value_only(), frame, [&](Val left) {
    const bool both = node.op == Op::both;
    Value result = truthy(*left.v);
    if (result.get_bool() != both) return out(Val{&result, nullptr, true});
    return eval(node.b, in.value_only(), frame, [&](Val right) {
      Value second = truthy(*right.v);
      return out(Val{&second, nullptr, true});
    });
  });
}

Flow Run::alternative(const Node& node, Val in, const Frame& frame, Sink out) {
  bool any = false;
  const Flow flow = eval(node.a, in.borrowed(), frame, [&](Val v) {
    if (!truthy(*v.v)) return Flow::go;
    any = true;
    return out(v);
  });
  if (flow != Flow::go) return flow;  // errors of the left side are not swallowed: `(f)? // g` does that
  return any ? Flow::go : eval(node.b, in, frame, out);
}

Flow Run::attempt(const Node& node, Val in, const Frame& frame, Sink out) {
  bool beyond = false;
  const Flow flow = eval(node.a, in.borrowed(), frame, [&](Val v) {
    const Flow inner = out(v);
    beyond = inner != Flow::go;
    return inner;
  });
  if (flow != Flow::error || beyond) return flow;
  if (!node.b) return Flow::go;
  Value caught = std::move(error_);
  return eval(node.b, Val{&caught, nullptr, false}, frame, out);
}

Flow Run::reduce(const Node& node, Val in, const Frame& frame, Held& out) {
  return eval(node.b, in.value_only(), frame, [&](Val start) {
    Value state = take(start);
    const Flow flow = eval(node.a, in.value_only(), frame, [&](Val v) {
      return bind(*node.patterns[0], *v.v, node, frame, [&] {
        Held next;
        next.set(nullptr);
        const Flow inner = capture(node.c, Val{&state, nullptr, true}, frame, next);
        if (inner == Flow::go) state = release(next);
        return inner;
      });
    });
    // The last start value wins where there are several.
    if (flow == Flow::go) out.set(std::move(state));
    return flow;
  });
}

// Where paths are collected, the state is a place too: it is kept as keys and rebuilt for each step.
Flow Run::reduce_path(const Node& node, Val in, const Frame& frame, Sink out) {
  if (!in.path) {
    Held held;
    if (const Flow flow = reduce(node, in, frame, held); flow != Flow::go || !held.has()) return flow;
    return out(held.val());
  }
  struct Place {
    Value value;
    json::array keys;
    bool valid = false;
    std::vector<PathNode> nodes;
    Val val(const PathNode* root) {
      nodes.resize(keys.size());
      for (std::size_t i = 0; i < keys.size(); ++i) nodes[i] = {i == 0 ? root : &nodes[i - 1], &keys[i]};
      return {&value, !valid ? nullptr : keys.empty() ? root : &nodes.back(), false};
    }
  };
  static const PathNode kRoot;
  const auto keep = [&](Place& place, Val v) {
    Place next{copy(*v.v), path_of(v.path), v.path != nullptr, {}};
    place = std::move(next);
  };
  return eval(node.b, in, frame, [&](Val start) {
    Place state;
    keep(state, start);
    const Flow flow = eval(node.a, in.value_only(), frame, [&](Val v) {
      return bind(*node.patterns[0], *v.v, node, frame, [&] {
        Place next;
        const Flow inner = eval(node.c, state.val(&kRoot), frame, [&](Val w) { return keep(next, w), Flow::go; });
        state = std::move(next);
        return inner;
      });
    });
    return flow == Flow::go ? out(state.val(&kRoot)) : flow;
  });
}

Flow Run::foreach (const Node& node, Val in, const Frame& frame, Sink out) {
  return eval(node.b, in.value_only(), frame, [&](Val start) {
    Value state = take(start);
    return eval(node.a, in.value_only(), frame, [&](Val v) {
      return bind(*node.patterns[0], *v.v, node, frame, [&] {
        Value current = std::move(state);
        state = nullptr;
        return eval(node.c, Val{&current, nullptr, false}, frame, [&](Val next) {
          state = copy(*next.v);
          return node.d ? eval(node.d, next.value_only(), frame, out) : out(next.value_only());
        });
      });
    });
  });
}

Flow Run::object(const Node& node, std::size_t at, json::object& built, Val in, const Frame& frame, Sink out) {
  if (at == node.list.size()) {
    charge(copy_cost(Value(json::string())) + 64);
    Value made = built;
    return spent_ ? Flow::fatal : out(Val{&made, nullptr, true});
  }
  return eval(node.list[at], in.value_only(), frame, [&](Val key) {
    if (!key.v->is_string()) return raise(node, fault_about(*key.v, "cannot be an object key: keys are strings"));
    return eval(node.list[at + 1], in.value_only(), frame, [&](Val v) {
      json::object next = built;
      next.insert_or_assign(key.v->get_string(), copy(*v.v));
      return spent_ ? Flow::fatal : object(node, at + 2, next, in, frame, out);
    });
  });
}

// The last part is the outer loop, as in jq, where interpolation is a chain of additions.
Flow Run::text(const Node& node, std::size_t left, std::string tail, Val in, const Frame& frame, Sink out) {
  if (left == 0) {
    charge(static_cast<std::int64_t>(tail.size()));
    Value made = json::string(tail);
    return spent_ ? Flow::fatal : out(Val{&made, nullptr, true});
  }
  const Node* part = node.list[left - 1];
  if (part->op == Op::literal)
    return text(node, left - 1, std::string(part->value.get_string()) + tail, in, frame, out);
  return eval(part, in.value_only(), frame, [&](Val v) {
    std::string formatted;
    if (auto fault = format_value(node.format, *v.v, formatted)) return raise(node, std::move(*fault));
    return text(node, left - 1, formatted + tail, in, frame, out);
  });
}

Flow Run::call(const Node& node, Val in, const Frame& frame, Sink out) {
  constexpr std::size_t kInline = 8;
  Closure closures[kInline];
  std::vector<Closure> more(node.list.size() > kInline ? node.list.size() : 0);
  Closure* arguments = more.empty() ? closures : more.data();
  for (std::size_t i = 0; i < node.list.size(); ++i) {
    arguments[i] = {node.list[i], &frame};
    // An argument that is just a parameter of ours: hand on what it stands for, or chains of them grow without end.
    if (node.list[i]->op == Op::closure) arguments[i] = hop(frame, node.list[i]->hops)->arguments[node.list[i]->slot];
  }
  SlotGuard region(*this);
  const Frame inner{hop(frame, node.hops), arguments, region.reserve(node.function->slots)};
  return eval(node.function->body, in, inner, out);
}

Flow Run::native(const Node& node, Val in, const Frame& frame, Sink out) {
  if (node.native->stream) return node.native->stream(*this, node, in, frame, out);
  std::vector<Value> arguments(node.list.size());
  return native_arguments(node, node.list.size(), arguments, in, frame, out);
}

Flow Run::native_arguments(const Node& node, std::size_t left, std::vector<Value>& arguments, Val in,
                           const Frame& frame, Sink out) {
  if (left == 0) {
    std::vector<Value> mine = arguments;
    Value made;
    if (auto fault = node.native->value(*this, *in.v, mine, made)) return raise(node, std::move(*fault));
    charge(copy_cost(made));
    return spent_ ? Flow::fatal : out(Val{&made, nullptr, true});
  }
  return eval(node.list[left - 1], in.value_only(), frame, [&](Val v) {
    arguments[left - 1] = copy(*v.v);
    return native_arguments(node, left - 1, arguments, in, frame, out);
  });
}

}  // namespace sb::jq
