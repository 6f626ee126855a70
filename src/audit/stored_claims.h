/// What a leaf must say of what is stored (pure).
#pragma once

#include <string>

#include "audit/leaf.h"
#include "store/sqlite/record_reader.h"

namespace sb::audit {

/// Whether the leaf says of the step what is stored: task, kind, decision, cost, whether it failed, when it ended.
bool tells(const LeafFields& leaf, const store::StepRow& step);
/// Whether the leaf, a `run.end`, says of the run what is stored: status, cost, model, route.
bool tells(const LeafFields& leaf, const store::sqlite::StoredRun& run);
/// Of an `erasure`: how many runs.
std::uint64_t runs_erased(const LeafFields& leaf);

}  // namespace sb::audit
