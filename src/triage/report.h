/// Evaluation and tuning as one HTML page to look at: no script in it, nothing loaded from anywhere.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "triage/economics.h"
#include "triage/evaluate.h"
#include "triage/tune.h"

namespace sb::triage {

/// What `tune` adds to the page.
struct TuneReport {
  TuneTarget target = {};
  std::optional<Tuned> tuned = {};  ///< none: refused
  std::string refusal = {};
  std::vector<TuneStep> steps = {};
  std::vector<Rehearsals> rehearsals = {};
};

/// `subject`: what was judged, for the heading. `economics` and `tune` may be null.
std::string html_report(const std::string& subject, std::span<const Trial> trials, const Evaluation& evaluation,
                        const Economics* economics, const TuneReport* tune);

}  // namespace sb::triage
