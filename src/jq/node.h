/// The program as a tree: what the parser builds, the compiler resolves in place, and the evaluator walks.
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jq/text.h"
#include "jq/values.h"

namespace sb::jq {

enum class Op : std::uint8_t {
  identity,
  literal,      ///< value
  variable,     ///< slot, hops
  field,        ///< a (null: identity), keys
  index,        ///< a[b]
  slice,        ///< a[b:c], b and c may be null
  iterate,      ///< a[]
  recurse,      ///< ..
  pipe,         ///< a | b
  comma,        ///< a , b
  negate,       ///< -a
  binary,       ///< a oper b
  both,         ///< a and b
  either,       ///< a or b
  alternative,  ///< a // b
  choose,       ///< if a then b else c; c may be null
  attempt,      ///< try a catch b; b may be null
  reduce,       ///< reduce a as patterns (b; c)
  foreach,      ///< foreach a as patterns (b; c; d); d may be null
  bind,         ///< a as patterns | b
  label,        ///< label slot | a
  leave,        ///< break slot
  array,        ///< [a], a may be null
  object,       ///< list: key, value, key, value ...
  text,         ///< list of parts: literals stand as they are, the others go through format
  formatted,    ///< @format of the input
  define,       ///< function, then a
  call,         ///< unresolved: name, list
  closure,      ///< the parameter `slot` of the function `hops` out
  function,     ///< a defined function, list of arguments
  native,       ///< a builtin, list of arguments
  assign,       ///< a = b
  update,       ///< a |= b
  compute,      ///< a oper= b
  supply,       ///< a //= b
};

struct Node;
struct Function;
struct Native;

/// What stands after `as`: a variable, or containers of patterns. Key expressions see the value being taken apart.
struct Pattern {
  enum class Kind : std::uint8_t { variable, array, object } kind = Kind::variable;
  std::string_view name;
  std::uint32_t slot = 0;
  struct Entry {
    Node* key = nullptr;      ///< objects only
    Pattern* name = nullptr;  ///< `{$x: ...}` binds $x too
    Pattern* value = nullptr;
  };
  std::vector<Entry> entries;
};

struct Node {
  Op op = Op::identity;
  Operator oper = Operator::add;
  Format format = Format::text;
  bool resolved = false;
  bool grouped = false;   ///< stood in parentheses
  bool optional = false;  ///< `?` right behind an index: only that step's own faults are dropped
  bool single = false;    ///< at most one output, so it can be evaluated to a value instead of into a sink
  bool quick = false;     ///< single, and evaluating it to a value copies nothing large
  std::uint32_t column = 1;
  std::uint32_t slot = 0;
  std::uint32_t hops = 0;
  Node* a = nullptr;
  Node* b = nullptr;
  Node* c = nullptr;
  Node* d = nullptr;
  Value value;
  std::string_view name;
  std::vector<Value> keys;  ///< strings
  std::vector<Node*> list;
  std::vector<Pattern*> patterns;
  const Function* function = nullptr;
  const Native* native = nullptr;
};

struct Function {
  std::string_view name;
  struct Parameter {
    std::string_view name;
    bool value = false;  ///< `$a`: bound once per output of the argument
  };
  std::vector<Parameter> parameters;
  Node* body = nullptr;
  std::uint32_t slots = 0;  ///< variables of one activation
  bool single = false;      ///< its body is, and it does not call itself
  std::uint32_t column = 1;
};

/// A compiled program's memory. Never changes once compiled.
struct Code {
  std::string source;
  std::deque<Node> nodes;
  std::deque<Pattern> patterns;
  std::deque<Function> functions;
  Function main;
  std::size_t variables = 0;

  Node* make(Op op, std::size_t column) {
    Node& node = nodes.emplace_back();
    node.op = op;
    node.column = static_cast<std::uint32_t>(column);
    return &node;
  }
};

}  // namespace sb::jq
