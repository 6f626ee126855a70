/// `signalbox triage tune`: a target in, thresholds that keep it out.
#pragma once

#include <iosfwd>

#include "triage/command_support.h"

namespace sb::triage {

extern const std::string_view kTuneHelp;

Result<> run_tune(const Options& options, std::ostream& out);

}  // namespace sb::triage
