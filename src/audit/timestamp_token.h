/// Time stamps of RFC 3161 over SHA-256, through OpenSSL (pure).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/errors.h"

namespace sb::audit {

/// A TimeStampReq for `stamped`, DER; asks for the authority's certificate to be in the answer.
std::string timestamp_request(std::string_view stamped, std::uint64_t nonce);

struct TimestampCheck {
  std::string stamped;
  std::optional<std::uint64_t> nonce;  ///< that the answer must have
  std::string ca_file;                 ///< PEM; empty: the signature is not verified
};
/// When a TimeStampResp (DER) says that `stamped` was there: seconds since the epoch. With a `ca_file`, its signature
/// leads to a certificate in there that is valid now. Errors: corrupt (another text, a false signature, not granted),
/// invalid_argument (`ca_file` cannot be read).
Result<std::int64_t> check_timestamp(std::string_view response, const TimestampCheck& check);

}  // namespace sb::audit
