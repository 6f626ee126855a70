#include "jq/compiler.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "base/bytes.h"
#include "jq/builtins.h"
#include "jq/lexer.h"
#include "jq/parser.h"
#include "jq/prelude.h"

namespace sb::jq {
namespace {

struct Scope {
  Function* function = nullptr;
  Scope* outer = nullptr;
  struct Variable {
    std::string_view name;
    bool label = false;
    std::uint32_t slot = 0;
  };
  struct Callable {
    std::string_view name;
    std::size_t arity = 0;
    const Function* function = nullptr;  ///< null: the parameter `slot`
    std::uint32_t slot = 0;
  };
  std::vector<Variable> variables;
  std::vector<Callable> callables;
};

class Compiler {
 public:
  Compiler(Code& code, bool prelude) : code_(code), prelude_(prelude) {}

  Result<void> run(Node* root, std::span<const std::string> variables) {
    Scope scope{&code_.main, nullptr, {}, {}};
    scope_ = &scope;
    for (const auto& name : variables) declare(name, false);
    code_.main.body = root;
    return resolve(root);
  }

 private:
  std::uint32_t declare(std::string_view name, bool label) {
    const auto slot = static_cast<std::uint32_t>(scope_->variables.size());
    scope_->variables.push_back({name, label, slot});
    scope_->function->slots = std::max(scope_->function->slots, slot + 1);
    return slot;
  }

  // Names declared while it lives are forgotten afterwards; their slots are used again.
  struct Block {
    explicit Block(Scope& s) : scope(s), variables(s.variables.size()), callables(s.callables.size()) {}
    ~Block() {
      scope.variables.resize(variables);
      scope.callables.resize(callables);
    }
    Scope& scope;
    std::size_t variables;
    std::size_t callables;
  };

  Result<void> resolve(Node* node);
  Result<void> resolve_all(Node& node);
  Result<void> resolve_fold(Node& node);
  Result<void> resolve_bind(Node& node);
  Result<void> resolve_define(Node& node);
  Result<void> resolve_call(Node& node);
  Result<void> resolve_name(Node& node, bool label);
  Result<void> declare_patterns(const std::vector<Pattern*>& patterns);
  Result<void> declare_pattern(Pattern& pattern);
  void collapse_fields(Node& node);
  bool use_callable(Node& node);
  static bool is_single(const Node& node);
  static bool is_quick(const Node& node);

  Code& code_;
  bool prelude_;
  Scope* scope_ = nullptr;
  std::size_t pattern_base_ = 0;
};

bool single_or_absent(const Node* node) {
  return !node || node->single;
}

bool keys_single(const Pattern& pattern) {
  return std::ranges::all_of(pattern.entries, [](const Pattern::Entry& entry) {
    return single_or_absent(entry.key) && (!entry.value || keys_single(*entry.value));
  });
}

bool Compiler::is_single(const Node& node) {
  const bool children = single_or_absent(node.a) && single_or_absent(node.b) && single_or_absent(node.c) &&
                        std::ranges::all_of(node.list, [](const Node* child) { return child->single; });
  switch (node.op) {
    case Op::iterate:
    case Op::recurse:
    case Op::comma:
    case Op::foreach:
    case Op::closure:
    case Op::call:
      return false;
    case Op::reduce:
    case Op::array:
    case Op::update:
    case Op::leave:
      return true;
    case Op::assign:
    case Op::compute:
    case Op::supply:
      return node.b->single;
    case Op::bind:
      return children && node.patterns.size() == 1 && keys_single(*node.patterns[0]);
    case Op::function:
      return node.function->single;
    case Op::native:
      return node.native->singular == Singular::always || (node.native->singular == Singular::as_arguments && children);
    default:
      return children;
  }
}

// Builtins that hand on parts of their input would have to copy them into a value of their own.
bool Compiler::is_quick(const Node& node) {
  const auto quick = [](const Node* child) { return !child || child->quick; };
  switch (node.op) {
    case Op::reduce:
    case Op::array:
    case Op::update:
    case Op::leave:
    case Op::object:
    case Op::text:
    case Op::assign:
    case Op::compute:
    case Op::supply:
      return true;
    case Op::label:
      return false;
    case Op::function:
      return node.function->body->quick;
    case Op::native:
      return node.native->value || !node.native->hands_on;
    default:
      return quick(node.a) && quick(node.b) && quick(node.c);
  }
}

Result<void> Compiler::resolve(Node* node) {
  if (!node || node->resolved) return {};
  node->resolved = true;
  switch (node->op) {
    case Op::variable:
      SB_CHECK(resolve_name(*node, false));
      break;
    case Op::leave:
      SB_CHECK(resolve_name(*node, true));
      break;
    case Op::label: {
      Block block(*scope_);
      node->slot = declare(node->name, true);
      SB_CHECK(resolve(node->a));
      break;
    }
    case Op::reduce:
    case Op::foreach:
      SB_CHECK(resolve_fold(*node));
      break;
    case Op::bind:
      SB_CHECK(resolve_bind(*node));
      break;
    case Op::define:
      SB_CHECK(resolve_define(*node));
      break;
    case Op::call:
      SB_CHECK(resolve_call(*node));
      break;
    default:
      SB_CHECK(resolve_all(*node));
  }
  if (node->op == Op::field || node->op == Op::index) collapse_fields(*node);
  node->single = is_single(*node);
  node->quick = node->single && is_quick(*node);
  return {};
}

Result<void> Compiler::resolve_all(Node& node) {
  for (Node* child : {node.a, node.b, node.c, node.d}) SB_CHECK(resolve(child));
  for (Node* child : node.list) SB_CHECK(resolve(child));
  return {};
}

// .a.b.c and .["a"] become one node with several keys.
void Compiler::collapse_fields(Node& node) {
  if (node.op == Op::index) {
    if (node.b->op != Op::literal || !node.b->value.is_string()) return;
    node.op = Op::field;
    node.keys.assign(1, node.b->value);
    node.b = nullptr;
  }
  if (node.a && node.a->op == Op::identity) node.a = nullptr;
  if (!node.a || node.a->op != Op::field || node.optional || node.a->optional) return;
  node.keys.insert(node.keys.begin(), node.a->keys.begin(), node.a->keys.end());
  node.a = node.a->a;
}

Result<void> Compiler::resolve_name(Node& node, bool label) {
  if (!label && node.name == "__loc__") {
    const auto before = std::string_view(code_.source).substr(0, node.column - 1);
    node.op = Op::literal;
    node.value = {{"file", "<top-level>"}, {"line", 1 + std::count(before.begin(), before.end(), '\n')}};
    return {};
  }
  for (Scope* scope = scope_; scope; scope = scope->outer, ++node.hops) {
    for (auto it = scope->variables.rbegin(); it != scope->variables.rend(); ++it) {
      if (it->name != node.name || it->label != label) continue;
      node.slot = it->slot;
      return {};
    }
  }
  if (!label && node.name == "ENV")
    return fail(
        Errc::unsupported,
        fmt::format("jq: column {}: $ENV is not available: results must not depend on the machine", node.column));
  std::vector<std::string> known;
  for (Scope* scope = scope_; scope; scope = scope->outer)
    for (const auto& variable : scope->variables)
      if (variable.label == label) known.emplace_back(variable.name);
  const auto near = nearest(node.name, known);
  return syntax_error(node.column, fmt::format("${} is not defined{}", node.name,
                                               near ? fmt::format("; did you mean ${}?", *near) : ""));
}

Result<void> Compiler::declare_pattern(Pattern& pattern) {
  if (pattern.kind == Pattern::Kind::variable) {
    for (const auto& variable : scope_->variables)
      if (variable.name == pattern.name && !variable.label && variable.slot >= pattern_base_)
        return pattern.slot = variable.slot, Result<void>();
    pattern.slot = declare(pattern.name, false);
  }
  for (auto& entry : pattern.entries) {
    if (entry.name) SB_CHECK(declare_pattern(*entry.name));
    if (entry.key) SB_CHECK(resolve(entry.key));
    if (entry.value) SB_CHECK(declare_pattern(*entry.value));
  }
  return {};
}

Result<void> Compiler::declare_patterns(const std::vector<Pattern*>& patterns) {
  // One name in several alternatives is one variable.
  const auto outer = std::exchange(pattern_base_, scope_->variables.size());
  for (Pattern* pattern : patterns) SB_CHECK(declare_pattern(*pattern));
  pattern_base_ = outer;
  return {};
}

Result<void> Compiler::resolve_fold(Node& node) {
  SB_CHECK(resolve(node.a));
  SB_CHECK(resolve(node.b));
  Block block(*scope_);
  SB_CHECK(declare_patterns(node.patterns));
  SB_CHECK(resolve(node.c));
  return resolve(node.d);
}

Result<void> Compiler::resolve_bind(Node& node) {
  SB_CHECK(resolve(node.a));
  Block block(*scope_);
  SB_CHECK(declare_patterns(node.patterns));
  return resolve(node.b);
}

Result<void> Compiler::resolve_define(Node& node) {
  auto& function = const_cast<Function&>(*node.function);  // this compiler owns it until the program is done
  Block block(*scope_);
  scope_->callables.push_back({function.name, function.parameters.size(), &function, 0});
  Scope inner{&function, scope_, {}, {}};
  scope_ = &inner;
  std::uint32_t slot = 0;
  Node* body = function.body;
  std::vector<Node*> binds;
  for (const auto& parameter : function.parameters) {
    inner.callables.push_back({parameter.name, 0, nullptr, slot++});
    if (!parameter.value) continue;
    Node* bind = code_.make(Op::bind, function.column);
    bind->a = code_.make(Op::closure, function.column);
    bind->a->slot = slot - 1;
    bind->a->resolved = bind->resolved = true;
    bind->patterns.push_back(&code_.patterns.emplace_back());
    bind->patterns[0]->name = parameter.name;
    bind->patterns[0]->slot = declare(parameter.name, false);
    binds.push_back(bind);
  }
  const auto resolved = resolve(body);
  scope_ = inner.outer;
  SB_CHECK(resolved);
  for (auto bind = binds.rbegin(); bind != binds.rend(); ++bind) {
    (*bind)->b = body;
    body = *bind;
  }
  function.body = body;
  function.single = body->single;
  return resolve(node.a);
}

bool Compiler::use_callable(Node& node) {
  node.hops = 0;
  for (Scope* scope = scope_; scope; scope = scope->outer, ++node.hops) {
    for (auto it = scope->callables.rbegin(); it != scope->callables.rend(); ++it) {
      if (it->name != node.name || it->arity != node.list.size()) continue;
      node.op = it->function ? Op::function : Op::closure;
      node.function = it->function;
      node.slot = it->slot;
      return true;
    }
  }
  node.hops = 0;
  if ((node.native = find_native(node.name, node.list.size()))) {
    node.op = Op::native;
    return true;
  }
  if (prelude_) return false;
  if ((node.function = find_prelude(node.name, node.list.size()))) node.op = Op::function;
  return node.function != nullptr;
}

Result<void> Compiler::resolve_call(Node& node) {
  SB_CHECK(resolve_all(node));
  if (use_callable(node)) return {};
  if (const auto reason = refusal(node.name); !reason.empty())
    return fail(Errc::unsupported,
                fmt::format("jq: column {}: {} is not available: {}", node.column, node.name, reason));
  std::vector<std::string> known = native_names();
  for (Scope* scope = scope_; scope; scope = scope->outer)
    for (const auto& callable : scope->callables) known.emplace_back(callable.name);
  for (const auto& name : known)
    if (name == node.name)
      return syntax_error(node.column, fmt::format("{} does not take {} arguments", node.name, node.list.size()));
  const auto near = nearest(node.name, known);
  return syntax_error(node.column, fmt::format("{}/{} is not defined{}", node.name, node.list.size(),
                                               near ? fmt::format("; did you mean {}?", *near) : ""));
}

struct Prelude {
  Code code;
  std::unordered_map<std::string, const Function*> functions;

  explicit Prelude(std::string_view source) {
    code.source = source;
    const auto root = Parser(code).program();
    SB_ASSERT(root);
    SB_ASSERT(Compiler(code, true).run(*root, {}));
    for (const Node* node = *root; node->op == Op::define; node = node->a)
      functions.emplace(fmt::format("{}/{}", node->function->name, node->function->parameters.size()), node->function);
  }
};

}  // namespace

const Function* find_prelude(std::string_view name, std::size_t arity) {
  static const Prelude preludes[] = {Prelude(kPreludeSource), Prelude(kRegexPreludeSource)};
  const auto key = fmt::format("{}/{}", name, arity);
  for (const auto& prelude : preludes) {
    if (const auto found = prelude.functions.find(key); found != prelude.functions.end()) return found->second;
  }
  return nullptr;
}

Result<void> resolve(Code& code, Node* root, std::span<const std::string> variables) {
  return Compiler(code, false).run(root, variables);
}

}  // namespace sb::jq
