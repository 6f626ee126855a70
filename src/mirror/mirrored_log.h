/// The published log as it lies in a mirror, for those who verify it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "audit/log_source.h"
#include "mirror/target.h"

namespace sb::mirror {

/// Of a signed tree head, whoever signed it; 0: it is none.
std::uint64_t leaves_under(std::string_view note);

/// Borrows the target.
std::unique_ptr<audit::LogSource> log_in(Target& target);

/// `where`: s3://BUCKET[/PREFIX], a mirror or the log in it; access as the environment says. Errors: invalid_argument,
/// not_found (no log there), as the target's.
Result<std::unique_ptr<audit::LogSource>> open_mirrored_log(const std::string& where);

}  // namespace sb::mirror
