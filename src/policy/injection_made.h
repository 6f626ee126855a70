/// Texts to learn the classifier of injections from, made from a grammar: attacks by family, and work that uses their
/// words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/errors.h"

namespace sb::policy {

struct MadeText {
  std::string text;
  std::string_view family;  ///< lives for ever
  bool attack = false;
};

/// `count` different texts, as many of each family as there are to be had, attacks and others in turn. The same file,
/// count and seed give the same texts. `grammar`: a file whose scopes are the families (policies/injection.grammar.txt;
/// src/policy/tagger/corpus/README.md tells its form). Errors: not_found, invalid_argument.
Result<std::vector<MadeText>> make_injection_texts(const std::string& grammar, std::size_t count, std::uint64_t seed);

/// A line of training data for `signalbox triage train`.
std::string training_line(const MadeText& text);

}  // namespace sb::policy
