/// A blocking client of a running server's control API, for commands.
#pragma once

#include <string>
#include <string_view>

#include "base/errors.h"
#include "base/json.h"
#include "cli/args.h"

namespace sb::cli {

/// Adds `--url URL` and `--key-file FILE`; the key itself comes from SIGNALBOX_API_KEY or that file, never from the
/// command line, where every user of the machine could read it.
Command& add_api_flags(Command& command);

/// One call. Errors: unavailable (no server there), or what the server's problem details say.
Result<json::value> call_api(const Invocation& invocation, std::string_view method, std::string_view path,
                             std::string body = {});

}  // namespace sb::cli
