/// `signalbox triage outcomes`: what the large model would gain, query by query.
#pragma once

#include <iosfwd>
#include <optional>

#include "triage/command_support.h"
#include "triage/encoder/encoder.h"

namespace sb::triage {

extern const std::string_view kOutcomesHelp;

Result<> run_outcomes(const Options& options, const std::optional<Encoder>& encoder, std::istream& in,
                      std::ostream& out, std::ostream& err);

}  // namespace sb::triage
