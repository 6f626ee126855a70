/// The files that the `signalbox triage` commands name: encoder, model, document.
#pragma once

#include <memory>
#include <optional>

#include "triage/command_support.h"
#include "triage/dataset.h"
#include "triage/encoder/encoder.h"
#include "triage/router.h"

namespace sb::triage {

/// The encoder that is named, or lies where one is expected; "none" and nowhere: tier 0 alone.
Result<std::optional<Encoder>> find_encoder(const Options& options);

/// --model, with tier 1 where it has heads for it and the encoder is at hand.
Result<IntentModel> load_model(const Options& options);

/// --config, with --model in place of the document's own where both are given; --model alone: Router::of_model.
/// Errors: also invalid_argument (neither is given, or the document has no model).
Result<std::shared_ptr<const Router>> load_router(const Options& options);

/// --routes, and --price over the prices in it.
Result<RouteMap> load_routes(const Options& options);

}  // namespace sb::triage
