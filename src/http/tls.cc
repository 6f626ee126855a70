#include "http/tls.h"

#include <fmt/format.h>

namespace sb::http {
namespace {

using asio::ssl::context;
using boost::system::error_code;

constexpr auto kOptions = context::default_workarounds | context::no_sslv2 | context::no_sslv3 | context::no_tlsv1 |
                          context::no_tlsv1_1 | context::no_compression;

}  // namespace

Result<context> server_tls(const std::string& certificate_file, const std::string& key_file) {
  context tls(context::tls_server);
  tls.set_options(kOptions);
  error_code error;
  if (tls.use_certificate_chain_file(certificate_file, error); error) {
    return fail(Errc::invalid_argument,
                fmt::format("TLS certificate {}: {}; a PEM file with the server's certificate first is needed",
                            certificate_file, error.message()),
                "tls_certificate_file");
  }
  if (tls.use_private_key_file(key_file, context::pem, error); error) {
    return fail(Errc::invalid_argument,
                fmt::format("TLS key {}: {}; the unencrypted PEM key of {} is needed", key_file, error.message(),
                            certificate_file),
                "tls_key_file");
  }
  // Session tickets of TLS 1.3 would cost two more writes a handshake; ours are kept short by keep-alive instead.
  SSL_CTX_set_num_tickets(tls.native_handle(), 1);
  return tls;
}

Result<context> client_tls(const std::string& ca_file) {
  context tls(context::tls_client);
  tls.set_options(kOptions);
  tls.set_verify_mode(asio::ssl::verify_peer);
  error_code error;
  if (ca_file.empty()) {
    tls.set_default_verify_paths(error);
  } else {
    tls.load_verify_file(ca_file, error);
  }
  if (error) {
    return fail(Errc::invalid_argument,
                fmt::format("CA file {}: {}; a PEM bundle is needed", ca_file.empty() ? "of the system" : ca_file,
                            error.message()),
                "ca_file");
  }
  return tls;
}

}  // namespace sb::http
