/// What the record says of a call of a model: who was tried, what each cost, who answered.
#pragma once

#include <string_view>
#include <vector>

#include "base/record_writer.h"
#include "model/gateway.h"

namespace sb::flow {

enum class Asked { chat, streamed_chat, embedding };

/// `deployment`: that answered; empty: none did. `target`: of the catalog.
RecordJson call_decision(Asked asked, std::string_view deployment, const model::Catalog& catalog,
                         const model::Target& target, const std::vector<model::Attempt>& attempts);

}  // namespace sb::flow
