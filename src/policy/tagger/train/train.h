/// From labelled texts and lists of names to a calibrated weights file.
///
/// Scores are calibrated on texts that the predicting weights had not seen: the texts are dealt into folds by template
/// (their values taken out), and each fold is read by weights learnt from the others and from all else.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/errors.h"
#include "policy/tagger/model.h"
#include "policy/tagger/tagger.h"
#include "policy/tagger/train/corpus.h"
#include "policy/tagger/train/learn.h"
#include "policy/tagger/train/names.h"

namespace sb::policy::tagger {

struct TrainOptions {
  std::vector<std::string> blank_separated;  ///< sets of news and tweets: persons, places, organisations only
  std::vector<std::string> texts;            ///< texts as they stand
  std::string names;                         ///< folder of the lists
  std::vector<std::string> grammar;
  std::size_t generated = 20'000;  ///< texts made from the grammar
  std::uint32_t folds = 5;         ///< 0: no cross-validation, no calibration
  LearnOptions learn;
  std::string command;  ///< for the provenance
};

/// What the folds say of one label: spans of unseen texts, counted where they overlap the truth.
struct LabelReport {
  std::size_t right = 0;
  std::size_t wrong = 0;
  std::size_t missed = 0;
};

struct Trained {
  ModelData data;
  std::map<std::string, LabelReport> by_type;  ///< at a score of 0.5
  std::size_t documents = 0;
  std::size_t tokens = 0;
};

/// Called with the weights that have not seen `document`, once for each text of `texts`.
using OnUnseen =
    std::function<void(const std::string& file, const Document& document, const std::shared_ptr<const Model>& model)>;
using OnProgress = std::function<void(const std::string& what)>;

/// Deterministic in the files and options.
Result<Trained> train(const TrainOptions& options, const OnUnseen& on_unseen, const OnProgress& progress);

}  // namespace sb::policy::tagger
