/// The objects of a JSON file: one a line, those of a list, or those of `data` in an answer of an API.
#pragma once

#include <functional>
#include <string>

#include "base/errors.h"
#include "base/json.h"

namespace sb::replay {

/// Errors: not_found; too_large (a line over 16 MiB, a list over 256 MiB); invalid_argument (`FILE:LINE: ` what); those
/// of `visit`, with their place.
Result<> each_object(const std::string& file, const std::function<Result<>(const json::value&)>& visit);

}  // namespace sb::replay
