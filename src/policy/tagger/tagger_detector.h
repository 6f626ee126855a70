/// The tagger as a detector of policies: PERSON, LOCATION, ORGANIZATION, NRP (nationality, religion, party).
#pragma once

#include <memory>
#include <string_view>

#include "base/errors.h"
#include "policy/detector.h"
#include "policy/tagger/model.h"

namespace sb::policy {

/// The weights that are built into the program; read at the first call.
const std::shared_ptr<const tagger::Model>& shipped_tagger_model();

/// From the bytes of a weights file. Errors: corrupt, naming `origin`.
Result<std::shared_ptr<const tagger::Model>> load_tagger_model(std::string_view bytes, std::string_view origin);

/// As its findings name it.
inline constexpr std::string_view kTaggerName = "tagger";

/// Sweeps. Scores are calibrated probabilities, 0.3 at least.
std::shared_ptr<const Detector> make_tagger_detector(std::shared_ptr<const tagger::Model> model);
std::shared_ptr<const Detector> make_tagger_detector();

}  // namespace sb::policy
