/// Labelled texts as model and router treat them: what evaluation, tuning and reports count.
#pragma once

#include <span>
#include <vector>

#include "triage/dataset.h"
#include "triage/router.h"

namespace sb::triage {

struct Trial {
  const Example* example = nullptr;     ///< borrowed
  Prediction said;                      ///< lives as long as the model
  AnswerKind truth = AnswerKind::none;  ///< who should answer; none: out of scope, or a model without routes
  bool outside = false;                 ///< out of scope: labelled so, or with an intent the model has not
  bool right = false;                   ///< the intent is right, or means the same
  Route route = Route::large;           ///< the router's
  Route unscripted = Route::large;      ///< ... if the classifier could script nothing
  bool scriptable = false;              ///< ... it would be the classifier's script if every score were enough
  double latency_us = 0;                ///< of the model

  /// The script that ran, or would, is the right one.
  bool right_script() const { return right && !outside; }
  /// Its place among those that a threshold lets pass; 0: none does.
  double score() const { return scriptable ? said.script_score : 0; }
};

/// `routes` tells which intents mean the same. REQUIRES: the router has a model.
std::vector<Trial> try_texts(const Router& router, std::span<const Example> examples, const RouteMap& routes);

}  // namespace sb::triage
