/// `signalbox triage likeness`: how alike questions must be, from labelled texts.
#pragma once

#include <iosfwd>
#include <string_view>

#include "triage/command_support.h"

namespace sb::triage {

extern const std::string_view kLikenessHelp;

/// Errors: as the files'; invalid_argument (the texts support no threshold: how many it takes; no encoder).
Result<> run_likeness(const Options& options, std::ostream& out);

}  // namespace sb::triage
