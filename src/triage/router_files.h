/// A router from a document's text and the files that it names, wherever these lie.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "triage/learnt.h"
#include "triage/router.h"

namespace sb::triage {

/// `path_of`: where a file lies that the document calls so. `learnt`: beside the document's model (learnt.h).
/// Errors: as Router::load, and conflict (it was learnt beside another model).
Result<std::shared_ptr<const Router>> load_router(std::string_view yaml, const std::string& name,
                                                  const std::function<std::string(const std::string&)>& path_of,
                                                  std::optional<Learnt> learnt = std::nullopt);

/// Where a document's files lie that says nothing else: from its own folder on.
std::string beside(const std::string& document_path, const std::string& name);

}  // namespace sb::triage
