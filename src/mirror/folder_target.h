/// A mirror in a folder: on another disk, or on a file system of another machine.
#pragma once

#include "mirror/target.h"

namespace sb::mirror {

/// Errors: permission_denied.
Result<std::unique_ptr<Target>> open_folder_target(const std::string& folder);

}  // namespace sb::mirror
