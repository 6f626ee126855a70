// The parts of the grammar in braces: object construction, and the patterns that take values apart.
#include "jq/parser.h"

namespace sb::jq {

Result<Node*> Parser::object() {
  Node* node = code_.make(Op::object, token_.column);
  SB_CHECK(advance());
  while (!at_symbol("}")) {
    SB_CHECK(object_entry(*node));
    if (at_symbol("}")) break;
    SB_CHECK(expect_symbol(",", "in an object"));
  }
  SB_CHECK(advance());
  return node;
}

Result<void> Parser::object_entry(Node& object) {
  const Token token = token_;
  Node* key = code_.make(Op::literal, token.column);
  Node* value = nullptr;
  key->value = token.text;
  switch (token.kind) {
    case TokenKind::variable:
      SB_CHECK(advance());
      value = code_.make(Op::variable, token.column);
      value->name = token.text;
      break;
    case TokenKind::word:
    case TokenKind::number:
      SB_CHECK(advance());
      value = code_.make(Op::field, token.column);
      value->keys.emplace_back(token.text);
      break;
    case TokenKind::quote:
    case TokenKind::format: {
      SB_TRY(key, term());
      value = code_.make(Op::index, token.column);
      value->b = key;
      break;
    }
    default:
      if (!at_symbol("(")) return unexpected("where an object's key belongs");
      SB_CHECK(advance());
      SB_TRY(key, pipe());
      SB_CHECK(expect_symbol(")", "after a computed key"));
      if (!at_symbol(":")) return unexpected("after a computed key: expected `:`");
  }
  if (at_symbol(":")) {
    SB_CHECK(advance());
    SB_TRY(value, object_value());
  } else if (token.kind == TokenKind::number) {
    return unexpected("after a number in an object: expected `:`");
  }
  object.list.push_back(key);
  object.list.push_back(value);
  return {};
}

// Everything but a bare comma; jq 1.7 asks for parentheses around operators here, newer versions do not.
Result<Node*> Parser::object_value() {
  constexpr int kAboveComma = 2;
  SB_TRY(Node * left, binary(kAboveComma));
  if (!at_symbol("|")) return left;
  Node* node = code_.make(Op::pipe, token_.column);
  SB_CHECK(advance());
  node->a = left;
  SB_TRY(node->b, object_value());
  return node;
}

Result<std::vector<Pattern*>> Parser::alternatives() {
  std::vector<Pattern*> patterns;
  while (true) {
    SB_TRY(Pattern * next, pattern());
    patterns.push_back(next);
    if (!at_symbol("?//")) return patterns;
    SB_CHECK(advance());
  }
}

Result<Pattern*> Parser::pattern() {
  if (++pattern_depth_ > 100) return fail(Errc::too_large, "jq: patterns nested deeper than 100 levels");
  Pattern* made = &code_.patterns.emplace_back();
  if (token_.kind == TokenKind::variable) {
    made->name = token_.text;
    SB_CHECK(advance());
  } else if (at_symbol("[")) {
    made->kind = Pattern::Kind::array;
    do {
      SB_CHECK(advance());
      SB_TRY(Pattern * item, pattern());
      made->entries.push_back({nullptr, nullptr, item});
    } while (at_symbol(","));
    SB_CHECK(expect_symbol("]", "in an array pattern"));
  } else if (at_symbol("{")) {
    SB_TRY(made, object_pattern());
  } else {
    return unexpected("where a pattern such as $x, [$x] or {a: $x} belongs");
  }
  --pattern_depth_;
  return made;
}

Result<Pattern*> Parser::object_pattern() {
  Pattern* made = &code_.patterns.emplace_back();
  made->kind = Pattern::Kind::object;
  do {
    SB_CHECK(advance());
    const Token token = token_;
    Pattern::Entry entry;
    entry.key = code_.make(Op::literal, token.column);
    entry.key->value = token.text;
    if (token.kind == TokenKind::variable) {
      entry.name = &code_.patterns.emplace_back();
      entry.name->name = token.text;
      SB_CHECK(advance());
    } else if (token.kind == TokenKind::word) {
      SB_CHECK(advance());
    } else if (token.kind == TokenKind::quote || token.kind == TokenKind::format) {
      SB_TRY(entry.key, term());
    } else if (at_symbol("(")) {
      SB_CHECK(advance());
      SB_TRY(entry.key, pipe());
      SB_CHECK(expect_symbol(")", "after a computed key"));
    } else {
      return unexpected("in an object pattern");
    }
    if (at_symbol(":")) {
      SB_CHECK(advance());
      SB_TRY(entry.value, pattern());
    } else if (!entry.name) {
      return unexpected("in an object pattern: expected `:`");
    }
    made->entries.push_back(entry);
  } while (at_symbol(","));
  SB_CHECK(expect_symbol("}", "in an object pattern"));
  return made;
}

}  // namespace sb::jq
