#include "jq/parser.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>
#include <optional>

namespace sb::jq {
namespace {

constexpr int kMaxDepth = 200;

struct Infix {
  std::string_view text;
  int level;
  bool chains;  ///< left-associative; the others do not repeat
  Op op;
  Operator oper;
};

// Levels of jq's grammar, loosest first; pipe and `as` are below all of them.
constexpr std::array kInfix{
    Infix{",", 1, true, Op::comma, {}},
    Infix{"//", 2, true, Op::alternative, {}},
    Infix{"=", 3, false, Op::assign, {}},
    Infix{"|=", 3, false, Op::update, {}},
    Infix{"+=", 3, false, Op::compute, Operator::add},
    Infix{"-=", 3, false, Op::compute, Operator::subtract},
    Infix{"*=", 3, false, Op::compute, Operator::multiply},
    Infix{"/=", 3, false, Op::compute, Operator::divide},
    Infix{"%=", 3, false, Op::compute, Operator::modulo},
    Infix{"//=", 3, false, Op::supply, {}},
    Infix{"or", 4, true, Op::either, {}},
    Infix{"and", 5, true, Op::both, {}},
    Infix{"==", 6, false, Op::binary, Operator::eq},
    Infix{"!=", 6, false, Op::binary, Operator::ne},
    Infix{"<", 6, false, Op::binary, Operator::lt},
    Infix{"<=", 6, false, Op::binary, Operator::le},
    Infix{">", 6, false, Op::binary, Operator::gt},
    Infix{">=", 6, false, Op::binary, Operator::ge},
    Infix{"+", 7, true, Op::binary, Operator::add},
    Infix{"-", 7, true, Op::binary, Operator::subtract},
    Infix{"*", 8, true, Op::binary, Operator::multiply},
    Infix{"/", 8, true, Op::binary, Operator::divide},
    Infix{"%", 8, true, Op::binary, Operator::modulo},
};
constexpr int kCommaLevel = 1;
constexpr int kAlternativeLevel = 2;  // `//` is the one that groups to the right
constexpr int kFactorLevel = 8;

const Infix* infix_of(const Token& token) {
  if (token.kind != TokenKind::symbol && token.kind != TokenKind::word) return nullptr;
  for (const auto& infix : kInfix)
    if (infix.text == token.text) return &infix;
  return nullptr;
}

bool is_keyword(std::string_view word) {
  for (const std::string_view keyword : {"def", "if", "then", "elif", "else", "end", "as", "reduce", "foreach", "try",
                                         "catch", "label", "import", "include", "and", "or", "__loc__"})
    if (word == keyword) return true;
  return false;
}

Value number_literal(std::string_view text) {
  std::int64_t integer = 0;
  if (const auto end = std::from_chars(text.data(), text.data() + text.size(), integer);
      end.ec == std::errc() && end.ptr == text.data() + text.size())
    return integer;
  std::string padded = text.starts_with('.') ? "0" + std::string(text) : std::string(text);
  double real = 0;
  const auto end = std::from_chars(padded.data(), padded.data() + padded.size(), real);
  if (end.ec == std::errc::result_out_of_range) {
    const auto e = text.find_first_of("eE");
    return e != std::string_view::npos && text.substr(e + 1).starts_with('-')
               ? Value(0)
               : Value(std::numeric_limits<double>::max());
  }
  return number(real);
}

struct DepthGuard {
  explicit DepthGuard(int& depth) : depth_(++depth) {}
  ~DepthGuard() { --depth_; }
  int& depth_;
};

}  // namespace

Result<void> Parser::advance() {
  SB_TRY(token_, lexer_.next());
  return {};
}

std::unexpected<Error> Parser::unexpected(std::string_view where) const {
  if (token_.kind == TokenKind::end) return syntax_error(token_.column, fmt::format("the program ends {}", where));
  if (token_.kind == TokenKind::quote) return syntax_error(token_.column, fmt::format("unexpected string {}", where));
  return syntax_error(token_.column, fmt::format("unexpected `{}` {}", token_.text.substr(0, 32), where));
}

Result<void> Parser::expect_symbol(std::string_view text, std::string_view where) {
  if (!at_symbol(text)) return unexpected(fmt::format("{}: expected `{}`", where, text));
  return advance();
}

Result<void> Parser::expect_word(std::string_view text, std::string_view where) {
  if (!at_word(text)) return unexpected(fmt::format("{}: expected `{}`", where, text));
  return advance();
}

Result<std::string_view> Parser::variable_name() {
  if (token_.kind != TokenKind::variable) return unexpected("where a variable such as $x belongs");
  const auto name = token_.text;
  SB_CHECK(advance());
  return name;
}

Result<Node*> Parser::program() {
  SB_CHECK(advance());
  if (token_.kind == TokenKind::end) return code_.make(Op::identity, 1);
  for (const std::string_view word : {"import", "include", "module"})
    if (at_word(word))
      return fail(Errc::unsupported,
                  fmt::format("jq: column {}: modules are not available (`{}`); define what you need with `def`",
                              token_.column, word));
  SB_TRY(Node * root, pipe());
  if (token_.kind != TokenKind::end) return unexpected("after the expression");
  return root;
}

Result<Node*> Parser::pipe() {
  DepthGuard guard(depth_);
  if (depth_ > kMaxDepth)
    return fail(Errc::too_large, fmt::format("jq: column {}: nested deeper than {} levels", token_.column, kMaxDepth));
  if (at_word("def")) return definition();
  if (at_word("label")) return label();
  SB_TRY(Node * left, binary(kCommaLevel));
  if (!at_symbol("|")) return left;
  Node* node = code_.make(Op::pipe, token_.column);
  SB_CHECK(advance());
  node->a = left;
  SB_TRY(node->b, pipe());
  return node;
}

Result<Node*> Parser::binary(int minimum) {
  DepthGuard guard(depth_);
  if (depth_ > kMaxDepth)
    return fail(Errc::too_large, fmt::format("jq: column {}: nested deeper than {} levels", token_.column, kMaxDepth));
  SB_TRY(Node * left, unary());
  int ceiling = std::numeric_limits<int>::max();
  while (const Infix* infix = infix_of(token_)) {
    if (infix->level < minimum) break;
    if (infix->level == ceiling) return unexpected("after an operator that does not chain; use parentheses");
    Node* node = code_.make(infix->op, token_.column);
    node->oper = infix->oper;
    SB_CHECK(advance());
    node->a = left;
    SB_TRY(node->b, binary(infix->level == kAlternativeLevel ? infix->level : infix->level + 1));
    ceiling = infix->chains ? std::numeric_limits<int>::max() : infix->level;
    left = node;
  }
  return left;
}

// "-" binds as loosely as binary minus: -1 * 2 is -(1 * 2).
Result<Node*> Parser::unary() {
  if (!at_symbol("-")) return postfix();
  Node* node = code_.make(Op::negate, token_.column);
  node->oper = Operator::subtract;
  SB_CHECK(advance());
  SB_TRY(node->a, binary(kFactorLevel));
  return node;
}

Result<Node*> Parser::postfix() {
  SB_TRY(Node * node, term());
  for (bool more = true; more;) {
    SB_TRY(node, suffix(node, more));
  }
  if (at_word("as")) return bind(node);
  return node;
}

Result<Node*> Parser::suffix(Node* term, bool& more) {
  const std::size_t column = token_.column;
  if (token_.kind == TokenKind::field) {
    Node* node = code_.make(Op::field, column);
    node->a = term;
    node->keys.emplace_back(token_.text);
    SB_CHECK(advance());
    return node;
  }
  if (at_symbol("?") || at_symbol("?//")) {
    Node* node = term;
    // Parenthesised terms are marked by `grouped`: (.a.b)? guards the whole of it.
    const bool step = !term->grouped && (term->op == Op::field || term->op == Op::index || term->op == Op::slice ||
                                         term->op == Op::iterate);
    if (step) {
      term->optional = true;
    } else {
      node = code_.make(Op::attempt, column);
      node->a = term;
    }
    if (at_symbol("?")) {
      SB_CHECK(advance());
    } else {
      token_ = {TokenKind::symbol, token_.text.substr(1), column + 1};
    }
    return node;
  }
  if (at_symbol("[")) return bracket(term, column);
  if (at_symbol(".")) {
    SB_CHECK(advance());
    if (at_symbol("[")) return bracket(term, column);
    if (token_.kind != TokenKind::quote) return unexpected("after `.`");
    Node* node = code_.make(Op::index, column);
    node->a = term;
    SB_TRY(node->b, string(Format::text));
    return node;
  }
  more = false;
  return term;
}

Result<Node*> Parser::bracket(Node* term, std::size_t column) {
  SB_CHECK(advance());
  if (at_symbol("]")) {
    Node* node = code_.make(Op::iterate, column);
    node->a = term;
    SB_CHECK(advance());
    return node;
  }
  Node* node = code_.make(Op::slice, column);
  node->a = term;
  if (!at_symbol(":")) {
    SB_TRY(node->b, pipe());
    if (!at_symbol(":")) {
      node->op = Op::index;
      SB_CHECK(expect_symbol("]", "in an index"));
      return node;
    }
  }
  SB_CHECK(advance());
  if (!at_symbol("]")) {
    SB_TRY(node->c, pipe());
  }
  if (!node->b && !node->c) return unexpected("in a slice: give a start or an end");
  SB_CHECK(expect_symbol("]", "in a slice"));
  return node;
}

Result<Node*> Parser::term() {
  const Token token = token_;
  switch (token.kind) {
    case TokenKind::number: {
      Node* node = code_.make(Op::literal, token.column);
      node->value = number_literal(token.text);
      SB_CHECK(advance());
      return node;
    }
    case TokenKind::quote:
      return string(Format::text);
    case TokenKind::format: {
      const auto format = format_named(token.text);
      if (!format)
        return syntax_error(
            token.column,
            fmt::format(
                "@{} is not a format; known: @text @json @csv @tsv @html @uri @sh @base64 @base64d @base32 @base32d",
                token.text));
      SB_CHECK(advance());
      if (token_.kind == TokenKind::quote) return string(*format);
      Node* node = code_.make(Op::formatted, token.column);
      node->format = *format;
      return node;
    }
    case TokenKind::field: {
      Node* node = code_.make(Op::field, token.column);
      node->keys.emplace_back(token.text);
      SB_CHECK(advance());
      return node;
    }
    case TokenKind::variable: {
      SB_CHECK(advance());
      Node* node = code_.make(Op::variable, token.column);
      node->name = token.text;
      return node;
    }
    case TokenKind::word:
      return word_term();
    case TokenKind::symbol:
      return symbol_term();
    case TokenKind::end:
      break;
  }
  return unexpected("where an expression belongs");
}

Result<Node*> Parser::symbol_term() {
  const std::size_t column = token_.column;
  if (at_symbol(".")) {
    SB_CHECK(advance());
    if (token_.kind != TokenKind::quote) return code_.make(Op::identity, column);
    Node* node = code_.make(Op::index, column);
    SB_TRY(node->b, string(Format::text));
    return node;
  }
  if (at_symbol("..")) {
    SB_CHECK(advance());
    return code_.make(Op::recurse, column);
  }
  if (at_symbol("(")) {
    SB_CHECK(advance());
    SB_TRY(Node * node, pipe());
    SB_CHECK(expect_symbol(")", "in parentheses"));
    node->grouped = true;
    return node;
  }
  if (at_symbol("[")) return array();
  if (at_symbol("{")) return object();
  return unexpected("where an expression belongs");
}

Result<Node*> Parser::array() {
  Node* node = code_.make(Op::array, token_.column);
  SB_CHECK(advance());
  if (!at_symbol("]")) {
    SB_TRY(node->a, pipe());
  }
  SB_CHECK(expect_symbol("]", "in an array"));
  return node;
}

Result<Node*> Parser::string(Format format) {
  Node* node = code_.make(Op::text, token_.column);
  node->format = format;
  bool more = true;
  while (more) {
    std::string literal;
    SB_TRY(more, lexer_.string_part(literal));
    if (!literal.empty() || (!more && node->list.empty())) {
      Node* part = code_.make(Op::literal, token_.column);
      part->value = literal;
      node->list.push_back(part);
    }
    if (!more) break;
    SB_CHECK(advance());
    SB_TRY(Node * inner, pipe());
    if (!at_symbol(")")) return unexpected("in an interpolation: expected `)`");
    // Wrapped, so that a literal inside \( ) is still formatted.
    Node* part = code_.make(Op::pipe, token_.column);
    part->a = inner;
    part->b = code_.make(Op::identity, token_.column);
    node->list.push_back(part);
  }
  SB_CHECK(advance());
  if (node->list.size() == 1 && node->list[0]->op == Op::literal) return node->list[0];
  return node;
}

Result<Node*> Parser::call(Token name) {
  Node* node = code_.make(Op::call, name.column);
  node->name = name.text;
  if (!at_symbol("(")) return node;
  do {
    SB_CHECK(advance());
    SB_TRY(Node * argument, pipe());
    node->list.push_back(argument);
  } while (at_symbol(";"));
  SB_CHECK(expect_symbol(")", "in a call"));
  return node;
}

Result<Node*> Parser::word_term() {
  const Token word = token_;
  if (word.text == "if") return condition();
  if (word.text == "try") return attempt();
  if (word.text == "reduce") return fold(Op::reduce);
  if (word.text == "foreach") return fold(Op::foreach);
  if (word.text == "def") return definition();
  if (word.text == "label") return label();
  if (is_keyword(word.text)) return unexpected("where an expression belongs");
  SB_CHECK(advance());
  if (word.text == "break" && token_.kind == TokenKind::variable) {
    Node* node = code_.make(Op::leave, word.column);
    SB_TRY(node->name, variable_name());
    return node;
  }
  const bool constant = word.text == "null" || word.text == "true" || word.text == "false";
  if (!constant || at_symbol("(")) return call(word);
  Node* node = code_.make(Op::literal, word.column);
  if (word.text != "null") node->value = word.text == "true";
  return node;
}

Result<Node*> Parser::condition() {
  Node* node = code_.make(Op::choose, token_.column);
  SB_CHECK(advance());
  SB_TRY(node->a, pipe());
  SB_CHECK(expect_word("then", "after an if's condition"));
  SB_TRY(node->b, pipe());
  if (at_word("elif")) {
    DepthGuard guard(depth_);
    if (depth_ > kMaxDepth)
      return fail(Errc::too_large, fmt::format("jq: column {}: more than {} elif", token_.column, kMaxDepth));
    SB_TRY(node->c, condition());
    return node;
  }
  if (at_word("else")) {
    SB_CHECK(advance());
    SB_TRY(node->c, pipe());
  }
  SB_CHECK(expect_word("end", "after an if"));
  return node;
}

Result<Node*> Parser::attempt() {
  Node* node = code_.make(Op::attempt, token_.column);
  SB_CHECK(advance());
  SB_TRY(node->a, at_symbol("-") ? unary() : postfix());
  if (!at_word("catch")) return node;
  SB_CHECK(advance());
  SB_TRY(node->b, at_symbol("-") ? unary() : postfix());
  return node;
}

Result<Node*> Parser::fold(Op op) {
  Node* node = code_.make(op, token_.column);
  SB_CHECK(advance());
  SB_TRY(node->a, term());
  for (bool more = true; more;) {
    SB_TRY(node->a, suffix(node->a, more));
  }
  SB_CHECK(expect_word("as", "after the source"));
  SB_TRY(node->patterns, alternatives());
  SB_CHECK(expect_symbol("(", "after the pattern"));
  SB_TRY(node->b, pipe());
  SB_CHECK(expect_symbol(";", "after the start value"));
  SB_TRY(node->c, pipe());
  if (op == Op::foreach && at_symbol(";")) {
    SB_CHECK(advance());
    SB_TRY(node->d, pipe());
  }
  SB_CHECK(expect_symbol(")", "after the update"));
  return node;
}

Result<Node*> Parser::definition() {
  DepthGuard guard(depth_);
  if (depth_ > kMaxDepth)
    return fail(Errc::too_large, fmt::format("jq: column {}: nested deeper than {} levels", token_.column, kMaxDepth));
  Node* node = code_.make(Op::define, token_.column);
  Function& function = code_.functions.emplace_back();
  function.column = static_cast<std::uint32_t>(token_.column);
  node->function = &function;
  SB_CHECK(advance());
  if (token_.kind != TokenKind::word) return unexpected("where a function's name belongs");
  function.name = token_.text;
  SB_CHECK(advance());
  if (at_symbol("(")) {
    do {
      SB_CHECK(advance());
      if (token_.kind != TokenKind::word && token_.kind != TokenKind::variable)
        return unexpected("in a parameter list");
      function.parameters.push_back({token_.text, token_.kind == TokenKind::variable});
      SB_CHECK(advance());
    } while (at_symbol(";"));
    SB_CHECK(expect_symbol(")", "in a parameter list"));
  }
  SB_CHECK(expect_symbol(":", "after a function's name"));
  SB_TRY(function.body, pipe());
  SB_CHECK(expect_symbol(";", "after a function's body"));
  if (token_.kind == TokenKind::end)
    node->a = code_.make(Op::identity, token_.column);
  else {
    SB_TRY(node->a, pipe());
  }
  return node;
}

Result<Node*> Parser::label() {
  Node* node = code_.make(Op::label, token_.column);
  SB_CHECK(advance());
  SB_TRY(node->name, variable_name());
  SB_CHECK(expect_symbol("|", "after a label"));
  SB_TRY(node->a, pipe());
  return node;
}

Result<Node*> Parser::bind(Node* source) {
  Node* node = code_.make(Op::bind, token_.column);
  SB_CHECK(advance());
  node->a = source;
  SB_TRY(node->patterns, alternatives());
  SB_CHECK(expect_symbol("|", "after a binding"));
  SB_TRY(node->b, pipe());
  return node;
}

}  // namespace sb::jq
