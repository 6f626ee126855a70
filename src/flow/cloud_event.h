/// CloudEvents 1.0 as they come in; which attributes they need is EventHub::publish's to say.
#pragma once

#include <string>
#include <string_view>

#include "base/errors.h"
#include "base/json.h"

namespace sb::flow {

/// An event in binary mode, by its protocol's binding: the attributes apart, the body is the data. Data that
/// `content_type` calls JSON is read as such, all other is a text. Errors: invalid_argument (no JSON).
Result<json::value> event_of_parts(json::object attributes, std::string_view content_type, std::string_view body);

}  // namespace sb::flow
