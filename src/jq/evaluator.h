/// One evaluation of a program: a tree walk in which a generator calls its consumer for every output.
///
/// Outputs are borrowed: they live in the producer's frame until the consumer returns, so paths into the input are
/// followed without copying. `Val::movable` tells that the consumer may take the value apart instead of copying it.
/// Nodes with at most one output (Node::single) are evaluated to a value, without a consumer.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "jq/node.h"
#include "jq/program.h"

namespace sb::jq {

/// Why a consumer or producer came back: to go on, or to unwind.
enum class Flow : std::uint8_t { go, error, leave, fatal };

/// A path being followed, leaf first; null key is the root. Lives on the stack beside the values.
struct PathNode {
  const PathNode* parent = nullptr;
  const Value* key = nullptr;
};

struct Val {
  const Value* v = nullptr;
  const PathNode* path = nullptr;  ///< set where paths are being collected and this value has one
  bool movable = false;

  Val borrowed() const { return {v, path, false}; }
  Val value_only() const { return {v, nullptr, false}; }
};

/// A borrowed callable taking one output.
class Sink {
 public:
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, Sink>)
  Sink(F&& f)
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, Val v) { return (*static_cast<std::remove_reference_t<F>*>(object))(v); }) {}
  Flow operator()(Val v) const { return call_(object_, v); }

 private:
  void* object_;
  Flow (*call_)(void*, Val);
};

/// The result of a single node: borrowed, or its own.
struct Held {
  Value own;
  const Value* p = nullptr;

  bool has() const { return p != nullptr; }
  bool owned() const { return p == &own; }
  void borrow(const Value* value) { p = value; }
  void set(Value&& value) {
    own = std::move(value);
    p = &own;
  }
  Val val() const { return {p, nullptr, owned()}; }
};

struct Frame;
struct Closure {
  const Node* body = nullptr;
  const Frame* frame = nullptr;
};

/// One activation of a function. `base`: its first variable in Run's slots.
struct Frame {
  const Frame* outer = nullptr;
  const Closure* arguments = nullptr;
  std::size_t base = 0;
};

/// What to do once a pattern's variables are set.
class Body {
 public:
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, Body>)
  Body(F&& f)
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object) { return (*static_cast<std::remove_reference_t<F>*>(object))(); }) {}
  Flow operator()() const { return call_(object_); }

 private:
  void* object_;
  Flow (*call_)(void*);
};

class Run;

/// Variables of the activations begun in one C++ frame; given back when it ends.
class SlotGuard {
 public:
  explicit SlotGuard(Run& run);
  ~SlotGuard();
  SlotGuard(const SlotGuard&) = delete;
  SlotGuard& operator=(const SlotGuard&) = delete;
  /// Room for `count` variables, in place of what was reserved before.
  std::size_t reserve(std::size_t count);

 private:
  Run& run_;
  std::size_t base_;
};

class Run {
 public:
  Run(const Code& code, Budget budget);

  Flow start(const Value& input, std::span<const Value* const> variables, Sink out);
  /// After start() returned error or fatal.
  Error failure() const;

  Flow eval(const Node* node, Val in, const Frame& frame, Sink out);
  Flow single(const Node* node, Val in, const Frame& frame, Held& out);

  Flow raise(const Node& node, Fault fault);
  Flow raise_value(const Node& node, Value value);
  /// Counts work; false when the budget is spent.
  bool work(std::int64_t steps) { return (steps_ -= steps) >= 0 || !spend("steps"); }
  bool charge(std::int64_t bytes) { return (bytes_ -= bytes) >= 0 || !spend("bytes"); }
  Value take(Val v) { return v.movable ? std::move(*const_cast<Value*>(v.v)) : copy(*v.v); }
  Value copy(const Value& value);
  Value release(Held& held) { return held.owned() ? std::move(held.own) : copy(*held.p); }
  json::array path_of(const PathNode* path);

  /// The value that `catch` sees.
  const Value& error() const { return error_; }
  Flow iterate(const Node& node, Val in, Sink out);
  Flow recurse(const Node& node, Val in, Sink out);
  /// Runs `node` for its paths. Faults where an output is not a path.
  Flow paths(const Node* node, Val in, const Frame& frame, Sink out);
  Flow collect_paths(const Node* node, Val in, const Frame& frame, std::vector<json::array>& out);
  /// Follows `key` from `in` and hands the place on, with its path where one is followed.
  Flow descend(const Node& node, Val in, const Value& key, Sink out);
  /// Ends the producers up to the one that holds `mark`.
  Flow leave_to(const void* mark) {
    target_ = mark;
    return Flow::leave;
  }
  bool left_to(const void* mark) const { return target_ == mark; }

 private:
  friend class SlotGuard;
  bool spend(const char* what);
  bool tick();

  const Frame* hop(const Frame& frame, std::uint32_t hops) const {
    const Frame* at = &frame;
    for (; hops > 0; --hops) at = at->outer;
    return at;
  }
  const Value*& slot(const Frame& frame, const Node& node) { return slots_[hop(frame, node.hops)->base + node.slot]; }

  Flow bind(const Pattern& pattern, const Value& value, const Node& node, const Frame& frame, Body body);
  Flow bind_entries(const Pattern& pattern, std::size_t at, const Value& value, const Node& node, const Frame& frame,
                    Body body);
  Flow bind_alternatives(const Node& node, Val in, const Value& value, const Frame& frame, Sink out);

  Flow field(const Node& node, Val in, const Frame& frame, Sink out);
  Flow follow(const Node& node, Val in, std::size_t at, Sink out);
  Flow index(const Node& node, Val in, const Frame& frame, Sink out);
  Flow slice(const Node& node, Val in, const Frame& frame, Sink out);
  Flow slice_at(const Node& node, Val in, const Frame& frame, const Value& from, const Value& to, Sink out);
  Flow binary(const Node& node, Val in, const Frame& frame, Sink out);
  Flow logic(const Node& node, Val in, const Frame& frame, Sink out);
  Flow alternative(const Node& node, Val in, const Frame& frame, Sink out);
  Flow attempt(const Node& node, Val in, const Frame& frame, Sink out);
  Flow foreach (const Node& node, Val in, const Frame& frame, Sink out);
  Flow reduce(const Node& node, Val in, const Frame& frame, Held& out);
  Flow reduce_path(const Node& node, Val in, const Frame& frame, Sink out);
  Flow object(const Node& node, std::size_t at, json::object& built, Val in, const Frame& frame, Sink out);
  Flow text(const Node& node, std::size_t left, std::string tail, Val in, const Frame& frame, Sink out);
  Flow call(const Node& node, Val in, const Frame& frame, Sink out);
  Flow native(const Node& node, Val in, const Frame& frame, Sink out);
  Flow native_arguments(const Node& node, std::size_t left, std::vector<Value>& arguments, Val in, const Frame& frame,
                        Sink out);

  Flow single_field(const Node& node, Val in, const Frame& frame, Held& out);
  Flow single_index(const Node& node, Val in, const Frame& frame, Held& out);
  Flow single_binary(const Node& node, Val in, const Frame& frame, Held& out);
  Flow single_pipe(const Node* a, const Node* b, Val in, const Frame& frame, Held& out);
  Flow single_bind(const Node& node, Val in, const Frame& frame, Held& out);
  Flow single_object(const Node& node, Val in, const Frame& frame, Held& out);
  Flow single_text(const Node& node, Val in, const Frame& frame, Held& out);
  Flow single_array(const Node& node, Val in, const Frame& frame, Held& out);
  Flow single_native(const Node& node, Val in, const Frame& frame, Held& out);
  Flow capture(const Node* node, Val in, const Frame& frame, Held& out);
  Flow compute(const Node& node, Value& a, const Value& b, Held& out);

  Flow assign(const Node& node, Val in, const Frame& frame, Sink out);
  Flow update(const Node& node, Val in, const Frame& frame, Held& out);
  Flow update_at(const Node& node, Value& root, const json::array& path, const Frame& frame, json::array& removed);
  Flow assign_value(const Node& node, Val in, const Value& value, const Frame& frame, Sink out);

  const Code& code_;
  std::int64_t steps_;
  std::int64_t bytes_;
  Budget budget_;
  const char* spent_ = nullptr;
  const char* stack_;
  std::vector<const Value*> slots_;
  std::size_t slots_used_ = 0;
  Value error_;
  std::string error_safe_;
  std::uint32_t error_column_ = 0;
  const void* target_ = nullptr;
};

}  // namespace sb::jq
