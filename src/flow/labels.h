/// Labels as they are kept, opened: texts of which people say what they ask for.
#pragma once

#include <string>
#include <vector>

#include "base/errors.h"
#include "base/task.h"
#include "flow/sealer.h"
#include "store/store.h"
#include "triage/learn.h"

namespace sb::flow {

/// Who answers an intent that the classifier does not know, as a label has it.
triage::AnswerKind kind_of(const store::LabelRow& label);

/// The text. Errors: not_found (it was erased), corrupt.
Result<std::string> open_label(const Sealer& sealer, const store::LabelRow& label);

struct OpenLabel {
  std::string id;
  Micros created_us = 0;
  triage::LabelledText said;
};
/// All that open, oldest first: not those that are erased meanwhile, nor (the log names them) damaged ones. Errors: as
/// the store's.
Task<Result<std::vector<OpenLabel>>> open_labels(store::Store& store, const Sealer& sealer);

/// What is learnt from, and what is withheld to hold it against (triage/held_out.h).
struct SplitLabels {
  std::vector<triage::LabelledText> learnt;
  std::vector<triage::LabelledText> withheld;
};
SplitLabels split(std::vector<OpenLabel> labels);

}  // namespace sb::flow
