// Evaluation of nodes with at most one output, to a value: the fast path, without consumers.
#include "jq/builtins.h"
#include "jq/evaluator.h"

namespace sb::jq {

Flow Run::single(const Node* node, Val in, const Frame& frame, Held& out) {
  if (!tick()) return Flow::fatal;
  switch (node->op) {
    case Op::identity:
      if (in.movable)
        out.set(std::move(*const_cast<Value*>(in.v)));
      else
        out.borrow(in.v);
      return Flow::go;
    case Op::literal:
      return out.borrow(&node->value), Flow::go;
    case Op::variable:
      return out.borrow(slot(frame, *node)), Flow::go;
    case Op::field:
      return single_field(*node, in, frame, out);
    case Op::index:
      return single_index(*node, in, frame, out);
    case Op::pipe:
      return single_pipe(node->a, node->b, in, frame, out);
    case Op::binary:
      return single_binary(*node, in, frame, out);
    case Op::both:
    case Op::either: {
      Held left;
      if (const Flow flow = single(node->a, in.value_only(), frame, left); flow != Flow::go || !left.has()) return flow;
      bool truth = truthy(*left.p);
      if (truth == (node->op == Op::both)) {
        Held right;
        if (const Flow flow = single(node->b, in, frame, right); flow != Flow::go || !right.has()) return flow;
        truth = truthy(*right.p);
      }
      return out.set(truth), Flow::go;
    }
    case Op::choose: {
      Held condition;
      if (const Flow flow = single(node->a, in.value_only(), frame, condition); flow != Flow::go || !condition.has())
        return flow;
      const Node* branch = truthy(*condition.p) ? node->b : node->c;
      if (branch) return single(branch, in, frame, out);
      if (in.movable)
        out.set(take(in));
      else
        out.borrow(in.v);
      return Flow::go;
    }
    case Op::alternative: {
      const Flow flow = single(node->a, in.value_only(), frame, out);
      if (flow != Flow::go || (out.has() && truthy(*out.p))) return flow;
      out = Held();
      return single(node->b, in, frame, out);
    }
    case Op::attempt: {
      const Flow flow = single(node->a, in.value_only(), frame, out);
      if (flow != Flow::error) return flow;
      out = Held();
      if (!node->b) return Flow::go;
      Value caught = std::move(error_);
      Held handled;
      const Flow handling = single(node->b, Val{&caught, nullptr, false}, frame, handled);
      if (handling == Flow::go && handled.has()) out.set(release(handled));
      return handling;
    }
    case Op::reduce:
      return reduce(*node, in, frame, out);
    case Op::bind:
      return single_bind(*node, in, frame, out);
    case Op::array:
      return single_array(*node, in, frame, out);
    case Op::object:
      return single_object(*node, in, frame, out);
    case Op::text:
    case Op::formatted:
      return single_text(*node, in, frame, out);
    case Op::define:
      return single(node->a, in, frame, out);
    case Op::native:
      if (node->native->value) return single_native(*node, in, frame, out);
      break;
    case Op::update:
      return update(*node, in, frame, out);
    case Op::leave:
      return leave_to(slot(frame, *node));
    default:
      break;
  }
  return capture(node, in, frame, out);
}

// Evaluates any node and keeps its last output.
Flow Run::capture(const Node* node, Val in, const Frame& frame, Held& out) {
  // Not through eval()'s shortcut where that would come straight back here.
  switch (node->op) {
    case Op::slice: {
      if (!node->single) break;
      return slice(*node, in, frame, [&](Val v) { return out.set(take(v)), Flow::go; });
    }
    case Op::negate: {
      if (!node->single) break;
      Held operand;
      if (const Flow flow = single(node->a, in, frame, operand); flow != Flow::go || !operand.has()) return flow;
      if (!operand.p->is_number()) return raise(*node, fault_about(*operand.p, "cannot be negated"));
      Value zero = 0;
      return compute(*node, zero, *operand.p, out);
    }
    case Op::function:
      if (node->single) return call(*node, in, frame, [&](Val v) { return out.set(take(v)), Flow::go; });
      break;
    case Op::native:
      if (node->single) return native(*node, in, frame, [&](Val v) { return out.set(take(v)), Flow::go; });
      break;
    case Op::assign:
    case Op::compute:
    case Op::supply:
      if (node->single) return assign(*node, in, frame, [&](Val v) { return out.set(take(v)), Flow::go; });
      break;
    case Op::label: {
      if (!node->single) break;
      const Value mark;
      const std::size_t at = frame.base + node->slot;
      const Value* saved = std::exchange(slots_[at], &mark);
      const Flow flow = single(node->a, in, frame, out);
      slots_[at] = saved;
      return flow == Flow::leave && target_ == &mark ? Flow::go : flow;
    }
    default:
      if (node->single) return single(node, in, frame, out);
  }
  return eval(node, in, frame, [&](Val v) { return out.set(take(v)), Flow::go; });
}

Flow Run::single_field(const Node& node, Val in, const Frame& frame, Held& out) {
  Held target;
  const Value* at = in.v;
  if (node.a) {
    if (const Flow flow = single(node.a, in, frame, target); flow != Flow::go || !target.has()) return flow;
    at = target.p;
  }
  for (const auto& key : node.keys) {
    std::optional<Fault> fault;
    at = member(*at, key.get_string(), fault);
    if (!at) return node.optional ? Flow::go : raise(node, std::move(*fault));
  }
  if (at == &kNullValue)
    out.borrow(at);
  else if (node.a ? target.owned() : in.movable)
    out.set(std::move(*const_cast<Value*>(at)));
  else
    out.borrow(at);
  return Flow::go;
}

Flow Run::single_index(const Node& node, Val in, const Frame& frame, Held& out) {
  Held key;
  if (const Flow flow = single(node.b, in.value_only(), frame, key); flow != Flow::go || !key.has()) return flow;
  Held target;
  const Value* container = in.v;
  if (node.a) {
    if (const Flow flow = single(node.a, in.value_only(), frame, target); flow != Flow::go || !target.has())
      return flow;
    container = target.p;
  }
  const bool lasting = !target.owned();
  return descend(node, Val{container, nullptr, target.owned()}, *key.p, [&](Val v) {
    if (lasting && !v.movable)
      out.borrow(v.v);
    else
      out.set(take(v));
    return Flow::go;
  });
}

Flow Run::compute(const Node& node, Value& a, const Value& b, Held& out) {
  if (a.is_structured() && b.is_structured()) {
    // Comparing, merging and subtracting walk their operands.
    const auto rows = node.oper == Operator::subtract && a.is_array() && b.is_array()
                          ? static_cast<std::int64_t>(a.get_array().size() * b.get_array().size() / 4)
                          : 0;
    const auto cost = copy_cost(b);
    if (!work(rows + cost / 64) || !charge(node.oper >= Operator::eq ? 0 : cost)) return Flow::fatal;
  } else if (b.is_string()) {
    if (!charge(static_cast<std::int64_t>(b.get_string().size()))) return Flow::fatal;
  }
  Value made;
  if (auto fault = apply(node.oper, a, b, made)) return raise(node, std::move(*fault));
  if (made.is_structured() && node.oper == Operator::divide) charge(copy_cost(made));
  if (made.is_string() && node.oper == Operator::multiply) charge(copy_cost(made));
  out.set(std::move(made));
  return spent_ ? Flow::fatal : Flow::go;
}

Flow Run::single_binary(const Node& node, Val in, const Frame& frame, Held& out) {
  Held right;
  if (const Flow flow = single(node.b, in.value_only(), frame, right); flow != Flow::go || !right.has()) return flow;
  Held left;
  // The right operand may point into the input, so that is only taken apart when it does not.
  const bool free = right.owned() || node.b->op == Op::literal || node.b->op == Op::variable;
  if (const Flow flow = single(node.a, free ? in : in.value_only(), frame, left); flow != Flow::go || !left.has())
    return flow;
  if (node.oper >= Operator::eq) return compute(node, const_cast<Value&>(*left.p), *right.p, out);
  Value a = release(left);
  return compute(node, a, *right.p, out);
}

Flow Run::single_pipe(const Node* a, const Node* b, Val in, const Frame& frame, Held& out) {
  Held middle;
  if (const Flow flow = single(a, in, frame, middle); flow != Flow::go || !middle.has()) return flow;
  Held last;
  if (const Flow flow = single(b, middle.val(), frame, last); flow != Flow::go || !last.has()) return flow;
  // What the last step borrowed may be inside the middle value, which ends here.
  if (middle.owned() || last.owned())
    out.set(release(last));
  else
    out.borrow(last.p);
  return Flow::go;
}

Flow Run::single_bind(const Node& node, Val in, const Frame& frame, Held& out) {
  Held source;
  if (const Flow flow = single(node.a, in.value_only(), frame, source); flow != Flow::go || !source.has()) return flow;
  return bind(*node.patterns[0], *source.p, node, frame, [&] {
    Held last;
    const Flow flow = single(node.b, in.value_only(), frame, last);
    if (flow == Flow::go && last.has()) out.set(release(last));
    return flow;
  });
}

Flow Run::single_array(const Node& node, Val in, const Frame& frame, Held& out) {
  json::array items;
  charge(32);
  if (node.a) {
    const Flow flow = eval(node.a, in.value_only(), frame, [&](Val v) {
      charge(16);
      items.push_back(take(v));
      return spent_ ? Flow::fatal : Flow::go;
    });
    if (flow != Flow::go) return flow;
  }
  out.set(std::move(items));
  return Flow::go;
}

Flow Run::single_object(const Node& node, Val in, const Frame& frame, Held& out) {
  json::object built;
  built.reserve(node.list.size() / 2);
  charge(64 * static_cast<std::int64_t>(node.list.size()));
  for (std::size_t i = 0; i < node.list.size(); i += 2) {
    Held key;
    if (const Flow flow = single(node.list[i], in.value_only(), frame, key); flow != Flow::go || !key.has())
      return flow;
    if (!key.p->is_string()) return raise(node, fault_about(*key.p, "cannot be an object key: keys are strings"));
    Held value;
    if (const Flow flow = single(node.list[i + 1], in.value_only(), frame, value); flow != Flow::go || !value.has())
      return flow;
    built.insert_or_assign(key.p->get_string(), release(value));
  }
  out.set(std::move(built));
  return spent_ ? Flow::fatal : Flow::go;
}

// The last part is evaluated first, as in jq: that decides which fault is seen where several would be.
Flow Run::single_text(const Node& node, Val in, const Frame& frame, Held& out) {
  std::string made;
  if (node.op == Op::formatted) {
    if (auto fault = format_value(node.format, *in.v, made)) return raise(node, std::move(*fault));
  }
  std::vector<std::string> pieces(node.list.size());
  for (std::size_t i = node.list.size(); i-- > 0;) {
    if (node.list[i]->op == Op::literal) continue;
    Held value;
    if (const Flow flow = single(node.list[i], in.value_only(), frame, value); flow != Flow::go || !value.has())
      return flow;
    if (auto fault = format_value(node.format, *value.p, pieces[i])) return raise(node, std::move(*fault));
  }
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (node.list[i]->op == Op::literal)
      made += node.list[i]->value.get_string();
    else
      made += pieces[i];
  }
  charge(static_cast<std::int64_t>(made.size()));
  out.set(json::string(made));
  return spent_ ? Flow::fatal : Flow::go;
}

Flow Run::single_native(const Node& node, Val in, const Frame& frame, Held& out) {
  constexpr std::size_t kMaxArguments = 4;
  Value arguments[kMaxArguments];
  SB_ASSERT(node.list.size() <= kMaxArguments);
  for (std::size_t i = node.list.size(); i-- > 0;) {
    Held held;
    if (const Flow flow = single(node.list[i], in.value_only(), frame, held); flow != Flow::go || !held.has())
      return flow;
    arguments[i] = release(held);
  }
  Value made;
  if (auto fault = node.native->value(*this, *in.v, {arguments, node.list.size()}, made))
    return raise(node, std::move(*fault));
  if (made.is_structured() || made.is_string()) charge(copy_cost(made));
  out.set(std::move(made));
  return spent_ ? Flow::fatal : Flow::go;
}

}  // namespace sb::jq
