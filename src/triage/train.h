/// Training: labelled texts in, a calibrated model with its thresholds out.
///
/// Weights come from all texts. Calibration and thresholds come from texts the predicting weights had not seen: each
/// fifth in turn is predicted by weights learnt from the rest, and two quarters of the *labels* by weights that never
/// met them, which shows what an out-of-scope query looks like when none was collected.
#pragma once

#include <string>

#include "base/errors.h"
#include "triage/calibrate.h"
#include "triage/certainty.h"
#include "triage/classifier.h"
#include "triage/dataset.h"
#include "triage/trainer.h"

namespace sb::triage {

struct TrainOptions {
  FeatureConfig features = {.word_max = 2, .char_min = 3, .char_max = 4, .skip_pairs = true};
  LearnOptions learn;
  Target target;
  std::uint32_t text_folds = 5;   ///< parts of the texts predicted by weights learnt from the other parts
  std::uint32_t label_folds = 4;  ///< parts of the labels; two of them are withheld in turn
  std::uint64_t seed = 1;
  std::string out_of_scope_label = "oos";  ///< the label of texts that fit no other
  std::string command;                     ///< for the provenance
  const Encoder* encoder = nullptr;        ///< learns tier 1's heads for it, too
};

/// Of tier 1's heads; zeros where there are none.
struct HeadsReport {
  double accuracy = 0;
  ThresholdReport thresholds;
  CertaintyReport certainty;  ///< of what is answered without asking them
};

/// What training learnt about itself, from unseen texts only.
struct TrainReport {
  std::size_t samples = 0;
  std::size_t labels = 0;
  std::size_t rows = 0;
  double accuracy = 0;  ///< of the fifths, before thresholds
  double temperature = 1;
  ThresholdReport thresholds;  ///< zero for a model without routes
  HeadsReport early;
  HeadsReport sentence;
};

struct Trained {
  ModelData data;
  TrainReport report;
};

/// Deterministic in (dataset, routes, options). About five times the time of learning once.
/// `routes` may be null: then the "route" fields of the data decide, if there are any.
/// Errors: invalid_argument (no examples, one label only, too many labels, a route contradicts itself).
Result<Trained> train(const Dataset& dataset, const RouteMap* routes, const TrainOptions& options,
                      const Progress& progress);

}  // namespace sb::triage
