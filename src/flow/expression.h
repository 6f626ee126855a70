/// Runtime expressions (DSL 1.0.3, "Runtime Expressions"): jq programs and the JSON templates that hold them.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/errors.h"
#include "base/json.h"
#include "flow/data.h"
#include "jq/program.h"

namespace sb::flow {

/// Arguments that every expression may name, in the order of their slots.
enum class Variable : std::size_t { context, input, output, workflow, task, runtime, secrets, authorization };
inline constexpr std::size_t kVariableCount = 8;

/// The value of one local variable (`for.each`, `catch.as` ...) and those around it.
struct Binding {
  std::shared_ptr<const Binding> outer;
  Data value;
};

struct Scope;

/// Where the arguments come from that few expressions name: asked only for those.
class VariableSource {
 public:
  virtual ~VariableSource() = default;
  /// Null reads as null. Valid until the next call for the same variable.
  virtual const json::value* variable(Variable which, const Scope& scope) const = 0;
  /// Errors: permission_denied (the flow may not have this secret, or there is none).
  virtual Result<> check_secret(std::string_view name) const = 0;
};

/// What `.` and the variables stand for while one expression is evaluated. Borrowed values; absent ones read as null.
struct Scope {
  const Data* self = nullptr;
  const Data* input = nullptr;   ///< `$input`
  const Data* output = nullptr;  ///< `$output`
  const Binding* locals = nullptr;
  const VariableSource* source = nullptr;
};

/// One compiled expression. Immutable, thread-safe.
class Expression {
 public:
  /// `source` with or without "${ }". `locals`: names in scope beside the arguments, outermost first; an inner one
  /// hides an outer one. Errors: invalid_argument with the column.
  static Result<Expression> compile(std::string_view source, std::span<const std::string> locals = {});

  Result<Data> evaluate(const Scope& scope) const;
  /// Errors: invalid_argument (not a boolean).
  Result<bool> test(const Scope& scope) const;
  const std::string& source() const { return source_; }

 private:
  enum class Shape { self, input, program };  // `.` and `$input` pass the document on without parsing it
  Shape shape_ = Shape::program;
  bool uses_self_ = true;
  std::size_t locals_ = 0;
  std::uint32_t uses_ = 0;  ///< bit per Variable
  std::vector<std::string> secrets_;
  std::string source_;
  std::shared_ptr<const jq::Program> program_;

  Result<json::value> run(const Scope& scope) const;
};

/// True for a string that is an expression: "${ ... }".
bool is_expression(std::string_view text);

/// JSON with expressions in it, as `with`, `set`, `input.from`, `output.as` and `export.as` have. Only strings of the
/// definition are expressions; what they evaluate to is data and never evaluated again.
class Template {
 public:
  /// Which literal strings are URI templates ("{name}" takes top-level members of the input, percent-encoded).
  enum class Uris {
    none,
    arguments,  ///< of `call`: the members `endpoint` and `uri`, but not inside body, query, headers, parameters,
                ///< message and variables
  };

  /// `pointer` is the place in the document, for errors. Errors: invalid_argument, `param` = pointer at fault.
  static Result<Template> compile(const json::value& definition, std::string_view pointer,
                                  std::span<const std::string> locals = {}, Uris uris = Uris::none);
  Result<Data> render(const Scope& scope) const;
  /// The member `name` where the definition itself has it as text; empty where it is computed or something else.
  std::string_view literal(std::string_view name) const;

 private:
  struct Node;
  struct UriTemplate;
  struct Context;
  using Members = std::vector<std::pair<std::string, Node>>;
  static Result<Node> compile_node(const json::value& definition, std::string_view pointer, const Context& context);
  static Result<json::value> render_node(const Node& node, const Scope& scope);
  std::shared_ptr<const Node> root_;
};

}  // namespace sb::flow
