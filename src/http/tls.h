/// OpenSSL contexts for both sides: TLS 1.2 and newer. Private to src/http.
#pragma once

#include <boost/asio/ssl.hpp>
#include <string>

#include "base/errors.h"
#include "base/task.h"

namespace sb::http {

/// Errors: invalid_argument (names the file and what is wrong with it).
Result<asio::ssl::context> server_tls(const std::string& certificate_file, const std::string& key_file);
/// Verifies servers against `ca_file`, or against the system's store where it is empty. Errors: invalid_argument.
Result<asio::ssl::context> client_tls(const std::string& ca_file);

}  // namespace sb::http
