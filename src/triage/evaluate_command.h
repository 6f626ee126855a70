/// `signalbox triage eval`: how good a model or a whole triage document is on labelled texts.
#pragma once

#include <iosfwd>

#include "triage/command_support.h"
#include "triage/economics.h"

namespace sb::triage {

extern const std::string_view kEvalHelp;

Result<> run_evaluate(const Options& options, std::ostream& out);

/// The table of economics as lines for people.
void print(const Economics& economics, std::ostream& out);

}  // namespace sb::triage
