/// Names to slots: resolves variables and functions of a parsed program, finds what has at most one output.
#pragma once

#include <span>
#include <string>

#include "jq/node.h"

namespace sb::jq {

/// Errors: invalid_argument (unknown name, with the nearest known one), unsupported (refused by name).
Result<void> resolve(Code& code, Node* root, std::span<const std::string> variables);

/// A builtin written in jq itself, or null. Compiled once per process.
const Function* find_prelude(std::string_view name, std::size_t arity);

}  // namespace sb::jq
