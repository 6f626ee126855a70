#include "flow/expression.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/yaml.h"

namespace sb::flow {
namespace {

const std::vector<std::string>& variable_names() {
  static const std::vector<std::string> names = {"context", "input", "output", "workflow", "task", "runtime"};
  return names;
}

const json::value kNull = nullptr;

// `.` is used unless every path starts at a variable; a false "yes" only costs a parse.
bool may_use_self(std::string_view source) {
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '.') continue;
    const char before = i == 0 ? ' ' : source[i - 1];
    const bool member_of_path = std::isalnum(static_cast<unsigned char>(before)) || before == '_' || before == ')' ||
                                before == ']' || before == '"' || before == '?';
    if (!member_of_path) return true;
  }
  // Builtins such as `length` read `.` without naming it.
  return source.find('$') == std::string_view::npos || source.find('|') != std::string_view::npos;
}

}  // namespace

bool is_expression(std::string_view text) {
  text = trim(text);
  return text.starts_with("${") && text.ends_with('}');
}

Result<Expression> Expression::compile(std::string_view source) {
  source = trim(source);
  if (is_expression(source)) source = trim(source.substr(2, source.size() - 3));
  Expression expression;
  expression.source_ = std::string(source);
  if (source == ".") {
    expression.shape_ = Shape::self;
  } else if (source == "$input") {
    expression.shape_ = Shape::input;
  }
  expression.uses_self_ = may_use_self(source);
  expression.uses_input_ = source.find("$input") != std::string_view::npos;
  SB_TRY(auto program, jq::Program::compile(source, variable_names()));
  expression.program_ = std::make_shared<const jq::Program>(std::move(program));
  return expression;
}

Result<json::value> Expression::run(const Scope& scope) const {
  std::array<const json::value*, kVariableCount> variables;
  for (std::size_t i = 0; i < kVariableCount; ++i) variables[i] = scope.variables[i] ? scope.variables[i] : &kNull;
  if (uses_input_ && scope.input) variables[static_cast<std::size_t>(Variable::input)] = &scope.input->value();
  const json::value& self = uses_self_ && scope.self ? scope.self->value() : kNull;
  return program_->eval_one(self, variables);
}

Result<Data> Expression::evaluate(const Scope& scope) const {
  if (shape_ == Shape::self && scope.self) return *scope.self;
  if (shape_ == Shape::input && scope.input) return *scope.input;
  SB_TRY(auto value, run(scope));
  return Data(std::move(value));
}

Result<bool> Expression::test(const Scope& scope) const {
  SB_TRY(const auto value, run(scope));
  if (!value.is_bool()) return fail(Errc::invalid_argument, fmt::format("condition `{}` gave no boolean", source_));
  return value.get_bool();
}

Result<Template::Node> Template::compile_node(const json::value& definition, std::string_view pointer) {
  if (const auto* text = definition.if_string(); text && is_expression(*text)) {
    auto expression = Expression::compile(*text);
    if (!expression) return fail(Errc::invalid_argument, expression.error().detail, std::string(pointer));
    return Node{std::move(*expression)};
  }
  if (const auto* object = definition.if_object()) {
    Members members;
    for (const auto& [key, value] : *object) {
      SB_TRY(auto member, compile_node(value, pointer_append(pointer, key)));
      members.emplace_back(std::string(key), std::move(member));
    }
    return Node{std::move(members)};
  }
  if (const auto* array = definition.if_array()) {
    std::vector<Node> items;
    for (const auto& value : *array) {
      SB_TRY(auto item, compile_node(value, pointer_append(pointer, std::to_string(items.size()))));
      items.push_back(std::move(item));
    }
    return Node{std::move(items)};
  }
  return Node{definition};
}

Result<Template> Template::compile(const json::value& definition, std::string_view pointer) {
  SB_TRY(auto node, compile_node(definition, pointer));
  Template compiled;
  compiled.root_ = std::make_shared<const Node>(std::move(node));
  return compiled;
}

Result<json::value> Template::render_node(const Node& node, const Scope& scope) {
  if (const auto* literal = std::get_if<json::value>(&node.is)) return *literal;
  if (const auto* expression = std::get_if<Expression>(&node.is)) {
    SB_TRY(const auto data, expression->evaluate(scope));
    return data.value();
  }
  if (const auto* members = std::get_if<Members>(&node.is)) {
    json::object object;
    for (const auto& [key, member] : *members) {
      SB_TRY(auto value, render_node(member, scope));
      object.emplace(key, std::move(value));
    }
    return object;
  }
  json::array array;
  for (const auto& item : std::get<std::vector<Node>>(node.is)) {
    SB_TRY(auto value, render_node(item, scope));
    array.push_back(std::move(value));
  }
  return array;
}

Result<Data> Template::render(const Scope& scope) const {
  if (const auto* expression = std::get_if<Expression>(&root_->is)) return expression->evaluate(scope);
  SB_TRY(auto value, render_node(*root_, scope));
  return Data(std::move(value));
}

}  // namespace sb::flow
