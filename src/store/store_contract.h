/// What every Store promises, as tests: instantiate StoreContract with a factory for each implementation.
#pragma once

#include "store/contract/checkpoints.h"
#include "store/contract/erasure.h"
#include "store/contract/labels.h"
#include "store/contract/lists.h"
#include "store/contract/notes.h"
#include "store/contract/rest.h"
#include "store/contract/reviews.h"
#include "store/contract/runs.h"
