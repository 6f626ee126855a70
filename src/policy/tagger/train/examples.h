/// Documents as the learner reads them.
#pragma once

#include <span>

#include "policy/tagger/gazetteer.h"
#include "policy/tagger/train/corpus.h"
#include "policy/tagger/train/learn.h"

namespace sb::policy::tagger {

Example to_example(const Document& document, Gazetteer gazetteer);

/// The document with another case of letters; spans keep their places (folding never changes a letter's size).
Document with_case(const Document& document, std::string (*fold)(std::string_view));

}  // namespace sb::policy::tagger
