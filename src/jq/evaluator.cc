#include "jq/evaluator.h"

#include <fmt/format.h>

#include "jq/builtins.h"

namespace sb::jq {
namespace {

// Threads have 8 MiB by default; the rest is for whoever called us.
constexpr std::ptrdiff_t kMaxStackBytes = 2 * 1024 * 1024;

const char* stack_now() {
  return static_cast<const char*>(__builtin_frame_address(0));
}

}  // namespace

Run::Run(const Code& code, Budget budget)
    : code_(code), steps_(budget.steps), bytes_(budget.bytes), budget_(budget), stack_(stack_now()) {}

bool Run::spend(const char* what) {
  if (!spent_) spent_ = what;
  return true;
}

bool Run::tick() {
  if (--steps_ < 0) spend("steps");
  if (stack_ - stack_now() > kMaxStackBytes) spend("stack");
  return spent_ == nullptr;
}

Value Run::copy(const Value& value) {
  if (value.is_structured() || value.is_string()) charge(copy_cost(value));
  return spent_ ? Value() : value;
}

Flow Run::start(const Value& input, std::span<const Value* const> variables, Sink out) {
  SB_ASSERT(variables.size() == code_.variables);
  slots_.resize(std::max<std::size_t>(16, code_.main.slots));
  slots_used_ = code_.main.slots;
  std::copy(variables.begin(), variables.end(), slots_.begin());
  const Frame frame;
  const Flow flow = eval(code_.main.body, Val{&input}, frame, out);
  return spent_ ? Flow::fatal : flow;
}

Error Run::failure() const {
  if (spent_ && std::string_view(spent_) == "steps")
    return {Errc::deadline_exceeded,
            fmt::format("jq: the program took more than {} steps; give it less data or a simpler expression",
                        budget_.steps)};
  if (spent_ && std::string_view(spent_) == "stack")
    return {Errc::too_large, "jq: the program recursed too deeply; use reduce, foreach or limit"};
  if (spent_) return {Errc::too_large, fmt::format("jq: the program made more than {} bytes of values", budget_.bytes)};
  return {Errc::invalid_argument, fmt::format("jq: column {}: {}", error_column_, error_safe_)};
}

Flow Run::raise(const Node& node, Fault fault) {
  error_ = json::string(fault.message);
  error_safe_ = std::move(fault.safe);
  error_column_ = node.column;
  return Flow::error;
}

Flow Run::raise_value(const Node& node, Value value) {
  error_ = std::move(value);
  error_safe_ = "the program raised an error of its own (the message is data, so it is not shown)";
  error_column_ = node.column;
  return Flow::error;
}

json::array Run::path_of(const PathNode* path) {
  json::array keys;
  for (; path && path->key; path = path->parent) keys.push_back(*path->key);
  std::reverse(keys.begin(), keys.end());
  charge(16 + 32 * static_cast<std::int64_t>(keys.size()));
  return keys;
}

Flow Run::eval(const Node* node, Val in, const Frame& caller, Sink out) {
  // `here` and `carry` let a function's last call and the right side of a pipe run in this C++ frame.
  const Frame* frame = &caller;
  Frame here;
  Held carry;
  SlotGuard region(*this);
  while (true) {
    if (!tick()) return Flow::fatal;
    if (node->quick && !in.path) {
      Held held;
      if (const Flow flow = single(node, in, *frame, held); flow != Flow::go || !held.has()) return flow;
      return out(held.val());
    }
    switch (node->op) {
      case Op::identity:
        return out(in);
      case Op::field:
        return field(*node, in, *frame, out);
      case Op::index:
        return index(*node, in, *frame, out);
      case Op::slice:
        return slice(*node, in, *frame, out);
      case Op::iterate: {
        if (!node->a) return iterate(*node, in, out);
        return eval(node->a, in.borrowed(), *frame, [&](Val v) { return iterate(*node, v, out); });
      }
      case Op::recurse:
        return recurse(*node, in, out);
      case Op::pipe: {
        if (in.path || !node->a->quick)
          return eval(node->a, in, *frame, [&](Val v) { return eval(node->b, v, *frame, out); });
        Held next;
        if (const Flow flow = single(node->a, in, *frame, next); flow != Flow::go || !next.has()) return flow;
        if (!next.owned() && in.v == &carry.own) next.set(copy(*next.p));
        const bool owned = next.owned();
        carry.borrow(next.p);
        if (owned) carry.set(std::move(next.own));
        in = carry.val();
        node = node->b;
        continue;
      }
      case Op::comma:
        if (const Flow flow = eval(node->a, in.borrowed(), *frame, out); flow != Flow::go) return flow;
        node = node->b;
        continue;
      case Op::choose: {
        if (node->a->single) {
          Held condition;
          if (const Flow flow = single(node->a, in.value_only(), *frame, condition);
              flow != Flow::go || !condition.has())
            return flow;
          node = truthy(*condition.p) ? node->b : node->c;
          if (!node) return out(in);
          continue;
        }
        return eval(node->a, in.value_only(), *frame, [&](Val v) {
          const Node* branch = truthy(*v.v) ? node->b : node->c;
          return branch ? eval(branch, in.borrowed(), *frame, out) : out(in.borrowed());
        });
      }
      case Op::negate:
        return eval(node->a, in.value_only(), *frame, [&](Val v) {
          Held made;
          Value zero = 0;
          if (!v.v->is_number()) return raise(*node, fault_about(*v.v, "cannot be negated"));
          if (const Flow flow = compute(*node, zero, *v.v, made); flow != Flow::go) return flow;
          return out(made.val());
        });
      case Op::binary:
        return binary(*node, in, *frame, out);
      case Op::both:
      case Op::either:
        return logic(*node, in, *frame, out);
      case Op::alternative:
        return alternative(*node, in, *frame, out);
      case Op::attempt:
        return attempt(*node, in, *frame, out);
      case Op::foreach:
        return foreach (*node, in, *frame, out);
      case Op::reduce:
        return reduce_path(*node, in, *frame, out);
      case Op::bind:
        return eval(node->a, in.value_only(), *frame,
                    [&](Val v) { return bind_alternatives(*node, in, *v.v, *frame, out); });
      case Op::label: {
        const Value mark;
        const Value*& place = slot(*frame, *node);
        const Value* saved = std::exchange(place, &mark);
        const std::size_t at = hop(*frame, node->hops)->base + node->slot;
        const Flow flow = eval(node->a, in, *frame, out);
        slots_[at] = saved;
        return flow == Flow::leave && target_ == &mark ? Flow::go : flow;
      }
      case Op::leave:
        return leave_to(slot(*frame, *node));
      case Op::object: {
        json::object built;
        return object(*node, 0, built, in, *frame, out);
      }
      case Op::text:
        return text(*node, node->list.size(), {}, in, *frame, out);
      case Op::define:
        node = node->a;
        continue;
      case Op::closure: {
        const Closure& closure = hop(*frame, node->hops)->arguments[node->slot];
        return eval(closure.body, in, *closure.frame, out);
      }
      case Op::function: {
        const Frame* outer = hop(*frame, node->hops);
        if (!node->list.empty() || outer == &here) return call(*node, in, *frame, out);
        here = {outer, nullptr, region.reserve(node->function->slots)};
        frame = &here;
        node = node->function->body;
        continue;
      }
      case Op::native:
        return native(*node, in, *frame, out);
      case Op::assign:
      case Op::compute:
      case Op::supply:
        return assign(*node, in, *frame, out);
      default: {
        // Makes a value: it has no path, which whoever collects paths will say.
        Held held;
        if (const Flow flow = single(node, in.value_only(), *frame, held); flow != Flow::go || !held.has()) return flow;
        return out(held.val());
      }
    }
  }
}

}  // namespace sb::jq
