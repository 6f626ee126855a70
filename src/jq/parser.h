/// Text to tree: jq 1.7's grammar by recursive descent, names left unresolved.
#pragma once

#include "jq/lexer.h"
#include "jq/node.h"

namespace sb::jq {

class Parser {
 public:
  /// Reads `code.source`, builds into `code`; both outlive the parser.
  explicit Parser(Code& code) : code_(code), lexer_(code.source) {}

  /// The whole source as one program. Errors: invalid_argument, unsupported (modules), too_large (nested too deeply).
  Result<Node*> program();
  /// Only definitions, as the prelude has them; the last node is the identity.
  Result<Node*> library() { return program(); }

 private:
  Result<void> advance();
  bool at_symbol(std::string_view text) const { return token_.kind == TokenKind::symbol && token_.text == text; }
  bool at_word(std::string_view text) const { return token_.kind == TokenKind::word && token_.text == text; }
  Result<void> expect_symbol(std::string_view text, std::string_view where);
  Result<void> expect_word(std::string_view text, std::string_view where);
  std::unexpected<Error> unexpected(std::string_view where) const;

  Result<Node*> pipe();
  Result<Node*> binary(int minimum);
  Result<Node*> unary();
  Result<Node*> postfix();
  Result<Node*> suffix(Node* term, bool& more);
  Result<Node*> bracket(Node* term, std::size_t column);
  Result<Node*> term();
  Result<Node*> symbol_term();
  Result<Node*> word_term();
  Result<Node*> string(Format format);
  Result<Node*> array();
  Result<Node*> object();
  Result<void> object_entry(Node& object);
  Result<Node*> object_value();
  Result<Node*> condition();
  Result<Node*> attempt();
  Result<Node*> fold(Op op);
  Result<Node*> definition();
  Result<Node*> label();
  Result<Node*> bind(Node* source);
  Result<std::vector<Pattern*>> alternatives();
  Result<Pattern*> pattern();
  Result<Pattern*> object_pattern();
  Result<Node*> call(Token name);
  Result<std::string_view> variable_name();

  Code& code_;
  Lexer lexer_;
  Token token_;
  int depth_ = 0;
  int pattern_depth_ = 0;
};

}  // namespace sb::jq
