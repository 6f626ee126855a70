/// A mirror in a bucket of S3 or of a service that speaks its protocol.
#pragma once

#include "mirror/target.h"

namespace sb::mirror {

/// Errors: invalid_argument (bucket, endpoint, no credentials). The bucket is not asked for.
Result<std::unique_ptr<Target>> open_s3_target(const std::string& bucket, const std::string& prefix,
                                               const S3Access& access);

}  // namespace sb::mirror
