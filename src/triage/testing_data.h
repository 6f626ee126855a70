/// A small labelled set of our own words, and a model of it, shared by this module's tests.
#pragma once

#include "triage/classifier.h"
#include "triage/dataset.h"
#include "triage/train.h"

namespace sb::triage {

const Dataset& test_dataset();
/// Small and quick: a fraction of a second, in debug builds too.
TrainOptions test_options();
/// Learnt once, from all of test_dataset().
const IntentModel& test_model();

}  // namespace sb::triage
