#include "flow/expression.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/yaml.h"
#include "http/message.h"

namespace sb::flow {
namespace {

constexpr std::array<std::string_view, kVariableCount> kVariables = {"context", "input",   "output",  "workflow",
                                                                     "task",    "runtime", "secrets", "authorization"};
const json::value kNull = nullptr;

bool word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// `.` is used unless every path starts at a variable; a false "yes" only costs a parse.
bool may_use_self(std::string_view source) {
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '.') continue;
    const char before = i == 0 ? ' ' : source[i - 1];
    const bool member_of_path = word(before) || before == ')' || before == ']' || before == '"' || before == '?';
    if (!member_of_path) return true;
  }
  // Builtins such as `length` read `.` without naming it.
  return source.find('$') == std::string_view::npos || source.find('|') != std::string_view::npos;
}

// A false "yes" costs little here too.
bool names(std::string_view source, std::string_view variable) {
  for (auto at = source.find('$'); at != std::string_view::npos; at = source.find('$', at + 1)) {
    const auto rest = source.substr(at + 1);
    if (rest.starts_with(variable) && (rest.size() == variable.size() || !word(rest[variable.size()]))) return true;
  }
  return source.find("$__") != std::string_view::npos;
}

/// NAME of each `$secrets.NAME`.
std::vector<std::string> secret_names(std::string_view source) {
  constexpr std::string_view kPrefix = "$secrets.";
  std::vector<std::string> found;
  for (auto at = source.find(kPrefix); at != std::string_view::npos; at = source.find(kPrefix, at + 1)) {
    auto rest = source.substr(at + kPrefix.size());
    if (rest.starts_with('"')) {
      rest.remove_prefix(1);
      found.emplace_back(rest.substr(0, rest.find('"')));
      continue;
    }
    const auto end = std::ranges::find_if_not(rest, word);
    found.emplace_back(rest.begin(), end);
  }
  return found;
}

}  // namespace

bool is_expression(std::string_view text) {
  text = trim(text);
  return text.starts_with("${") && text.ends_with('}');
}

Result<Expression> Expression::compile(std::string_view source, std::span<const std::string> locals) {
  source = trim(source);
  if (is_expression(source)) source = trim(source.substr(2, source.size() - 3));
  if (source.empty()) return fail(Errc::invalid_argument, "an expression is empty");
  Expression expression;
  expression.source_ = std::string(source);
  if (source == ".") {
    expression.shape_ = Shape::self;
  } else if (source == "$input") {
    expression.shape_ = Shape::input;
  }
  expression.uses_self_ = may_use_self(source);
  for (std::size_t i = 0; i < kVariableCount; ++i) {
    if (names(source, kVariables[i])) expression.uses_ |= 1U << i;
  }
  expression.secrets_ = secret_names(source);
  std::vector<std::string> variables(kVariables.begin(), kVariables.end());
  for (std::size_t i = 0; i < locals.size(); ++i) {
    const bool hidden = std::ranges::find(locals.subspan(i + 1), locals[i]) != locals.end();
    variables.push_back(hidden ? fmt::format("hidden{}", i) : locals[i]);
    expression.locals_ = locals.size();
  }
  SB_TRY(auto program, jq::Program::compile(source, variables));
  expression.program_ = std::make_shared<const jq::Program>(std::move(program));
  return expression;
}

Result<json::value> Expression::run(const Scope& scope) const {
  constexpr std::size_t kFew = 24;
  std::array<const json::value*, kFew> few;
  std::vector<const json::value*> many;
  const std::size_t count = kVariableCount + locals_;
  if (count > kFew) many.resize(count);
  const std::span<const json::value*> values = count > kFew ? std::span(many) : std::span(few).first(count);
  std::ranges::fill(values, &kNull);
  for (std::size_t i = 0; uses_ >> i != 0; ++i) {
    if ((uses_ >> i & 1U) == 0) continue;
    const auto which = static_cast<Variable>(i);
    const json::value* value = nullptr;
    if (which == Variable::input) {
      value = scope.input ? &scope.input->value() : nullptr;
    } else if (which == Variable::output) {
      value = scope.output ? &scope.output->value() : nullptr;
    } else if (scope.source) {
      value = scope.source->variable(which, scope);
    }
    if (value) values[i] = value;
  }
  for (const auto& secret : secrets_) {
    if (scope.source) SB_CHECK(scope.source->check_secret(secret));
  }
  const Binding* local = scope.locals;
  for (std::size_t i = count; i > kVariableCount && local; local = local->outer.get())
    values[--i] = &local->value.value();
  const json::value& self = uses_self_ && scope.self ? scope.self->value() : kNull;
  return program_->eval_one(self, values);
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

/// RFC 6570 level 1: literal text and "{name}".
struct Template::UriTemplate {
  struct Part {
    std::string text;
    bool variable = false;
  };
  std::vector<Part> parts;

  static Result<UriTemplate> compile(std::string_view source) {
    UriTemplate compiled;
    while (!source.empty()) {
      const auto open = source.find('{');
      if (open != 0) compiled.parts.push_back({std::string(source.substr(0, open)), false});
      if (open == std::string_view::npos) break;
      const auto close = source.find('}', open);
      if (close == std::string_view::npos) return fail(Errc::invalid_argument, "the URI template lacks a `}`");
      const auto name = source.substr(open + 1, close - open - 1);
      if (name.empty() || !std::ranges::all_of(name, word)) {
        return fail(Errc::invalid_argument,
                    fmt::format("`{{{}}}`: a URI template takes the name of a top-level member of the input, and no "
                                "operators; write an expression for more",
                                name));
      }
      compiled.parts.push_back({std::string(name), true});
      source.remove_prefix(close + 1);
    }
    return compiled;
  }

  Result<json::value> expand(const Scope& scope) const {
    std::string out;
    for (const auto& part : parts) {
      if (!part.variable) {
        out += part.text;
        continue;
      }
      const json::value* value = scope.input ? find_member(scope.input->value(), part.text) : nullptr;
      if (!value || value->is_null()) continue;  // RFC 6570, 3.2.1: an undefined variable expands to nothing
      if (value->is_structured())
        return fail(Errc::invalid_argument, fmt::format("`{{{}}}` in a URI stands for text or a number", part.text));
      out += http::percent_encode(value->is_string() ? std::string(value->get_string()) : to_text(*value));
    }
    return json::value(json::string(out));
  }
};

struct Template::Node {
  std::variant<json::value, Expression, Members, std::vector<Node>, UriTemplate> is;
};

struct Template::Context {
  std::span<const std::string> locals;
  bool uris = false;  // inside arguments that may hold an endpoint
  bool uri = false;   // this very value is one
};

Result<Template::Node> Template::compile_node(const json::value& definition, std::string_view pointer,
                                              const Context& context) {
  if (const auto* text = definition.if_string()) {
    const auto refuse = [&](const Error& error) { return fail(error.code, error.detail, std::string(pointer)); };
    if (is_expression(*text)) {
      auto expression = Expression::compile(*text, context.locals);
      return expression ? Result<Node>(Node{std::move(*expression)}) : refuse(expression.error());
    }
    if (context.uri && text->find('{') != std::string_view::npos) {
      auto uri = UriTemplate::compile(*text);
      return uri ? Result<Node>(Node{std::move(*uri)}) : refuse(uri.error());
    }
    return Node{definition};
  }
  if (const auto* object = definition.if_object()) {
    Members members;
    for (const auto& [key, value] : *object) {
      const std::string_view name = key;
      const bool data = name == "body" || name == "query" || name == "headers" || name == "parameters" ||
                        name == "message" || name == "variables";
      const Context inner{context.locals, context.uris && !data,
                          context.uris && (name == "endpoint" || name == "uri" || name == "authority")};
      SB_TRY(auto member, compile_node(value, pointer_append(pointer, key), inner));
      members.emplace_back(std::string(key), std::move(member));
    }
    return Node{std::move(members)};
  }
  if (const auto* array = definition.if_array()) {
    std::vector<Node> items;
    for (const auto& value : *array) {
      SB_TRY(auto item, compile_node(value, pointer_append(pointer, std::to_string(items.size())), context));
      items.push_back(std::move(item));
    }
    return Node{std::move(items)};
  }
  return Node{definition};
}

Result<Template> Template::compile(const json::value& definition, std::string_view pointer,
                                   std::span<const std::string> locals, Uris uris) {
  SB_TRY(auto node, compile_node(definition, pointer, {locals, uris == Uris::arguments, false}));
  Template compiled;
  compiled.root_ = std::make_shared<const Node>(std::move(node));
  return compiled;
}

Result<json::value> Template::render_node(const Node& node, const Scope& scope) {
  if (const auto* literal = std::get_if<json::value>(&node.is)) return *literal;
  if (const auto* uri = std::get_if<UriTemplate>(&node.is)) return uri->expand(scope);
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

std::string_view Template::literal(std::string_view name) const {
  const auto* members = std::get_if<Members>(&root_->is);
  if (!members) return {};
  const auto found = std::ranges::find(*members, name, &Members::value_type::first);
  if (found == members->end()) return {};
  const auto* value = std::get_if<json::value>(&found->second.is);
  const auto* text = value ? value->if_string() : nullptr;
  return text ? std::string_view(*text) : std::string_view();
}

Result<Data> Template::render(const Scope& scope) const {
  if (const auto* expression = std::get_if<Expression>(&root_->is)) return expression->evaluate(scope);
  SB_TRY(auto value, render_node(*root_, scope));
  return Data(std::move(value));
}

}  // namespace sb::flow
