/// The tagger as a detector of policies: PERSON, LOCATION, ORGANIZATION, NRP (nationality, religion, party).
#pragma once

#include <memory>
#include <string_view>

#include "policy/detector.h"
#include "policy/tagger/model.h"

namespace sb::policy {

/// The weights file that is built into the program.
std::string_view shipped_tagger_weights();
/// The same as a model.
const std::shared_ptr<const tagger::Model>& shipped_tagger_model();

/// As its findings name it.
inline constexpr std::string_view kTaggerName = "tagger";

/// Sweeps. Scores are calibrated probabilities, 0.3 at least.
std::shared_ptr<const Detector> make_tagger_detector(std::shared_ptr<const tagger::Model> model);
std::shared_ptr<const Detector> make_tagger_detector();

}  // namespace sb::policy
