/// Runtime expressions (DSL 1.0.3, "Runtime Expressions"): jq programs and the JSON templates that hold them.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/errors.h"
#include "base/json.h"
#include "flow/data.h"
#include "jq/program.h"

namespace sb::flow {

/// Variables an expression may name, in the order of their slots.
enum class Variable : std::size_t { context, input, output, workflow, task, runtime };
inline constexpr std::size_t kVariableCount = 6;

/// What `.` and the variables stand for while one expression is evaluated. Borrowed values; absent ones read as null.
struct Scope {
  const Data* self = nullptr;
  std::array<const json::value*, kVariableCount> variables{};
  const Data* input = nullptr;  ///< `$input`, parsed only if an expression looks inside

  const json::value*& operator[](Variable v) { return variables[static_cast<std::size_t>(v)]; }
};

/// One compiled expression. Immutable, thread-safe.
class Expression {
 public:
  /// `source` with or without "${ }". Errors: invalid_argument with the column.
  static Result<Expression> compile(std::string_view source);

  Result<Data> evaluate(const Scope& scope) const;
  /// Errors: invalid_argument (not a boolean).
  Result<bool> test(const Scope& scope) const;
  const std::string& source() const { return source_; }

 private:
  enum class Shape { self, input, program };  // `.` and `$input` pass the document on without parsing it
  Shape shape_ = Shape::program;
  bool uses_self_ = true;
  bool uses_input_ = true;
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
  /// `pointer` is the place in the document, for errors. Errors: invalid_argument, `param` = pointer at fault.
  static Result<Template> compile(const json::value& definition, std::string_view pointer);
  Result<Data> render(const Scope& scope) const;

 private:
  struct Node;
  using Members = std::vector<std::pair<std::string, Node>>;
  struct Node {
    std::variant<json::value, Expression, Members, std::vector<Node>> is;
  };
  static Result<Node> compile_node(const json::value& definition, std::string_view pointer);
  static Result<json::value> render_node(const Node& node, const Scope& scope);
  std::shared_ptr<const Node> root_;
};

}  // namespace sb::flow
