/// What several modules do with files, once.
#pragma once

#include <string>
#include <string_view>

#include "base/errors.h"

namespace sb {

/// What a caller can do about a failed system call: disk_full, not_found, permission_denied, else internal.
Errc errc_of_errno(int error);

/// `path` holds `bytes` afterwards, or what it held before: written beside it, then renamed. Not synced: for results
/// that a command can make again. Errors: internal (the file, and why).
Result<> replace_file(const std::string& path, std::string_view bytes);

/// The same, and on disk when it returns: for what a server keeps. Errors: disk_full, permission_denied, not_found (the
/// folder), internal.
Result<> store_file(const std::string& path, std::string_view bytes);

}  // namespace sb
