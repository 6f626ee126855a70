/// Texts with names in them, made from the grammar and the lists of names, many of whose names are on no list.
#pragma once

#include <string>
#include <vector>

#include "policy/tagger/train/corpus.h"
#include "policy/tagger/train/grammar.h"
#include "policy/tagger/train/names.h"

namespace sb::policy::tagger {

/// Deterministic in its arguments. `grammar` needs the symbol "text".
std::vector<Document> generate(const Grammar& grammar, const NameLists& names, std::size_t count, std::uint64_t seed);

}  // namespace sb::policy::tagger
