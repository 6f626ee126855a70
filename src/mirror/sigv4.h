/// AWS Signature Version 4 for S3 requests with a whole body (pure).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace sb::mirror {

struct SignedRequest {
  std::string method;
  std::string host;                                          ///< as the Host header has it
  std::string path;                                          ///< encoded, begins with "/"
  std::vector<std::pair<std::string, std::string>> query;    ///< decoded
  std::vector<std::pair<std::string, std::string>> headers;  ///< lower-case names; all of them are signed
  std::string_view body;
};
struct Credentials {
  std::string_view access_key;
  std::string_view secret_key;
  std::string_view region;
};

/// The headers to add: x-amz-date, x-amz-content-sha256, authorization.
std::vector<std::pair<std::string, std::string>> sign(const SignedRequest& request, const Credentials& credentials,
                                                      Micros now_us);
/// The query as it is sent and signed.
std::string canonical_query(std::vector<std::pair<std::string, std::string>> query);
/// Percent-encoding as S3 has it; slashes stay where `keep_slash`.
std::string uri_encode(std::string_view text, bool keep_slash);

}  // namespace sb::mirror
