#include <gmock/gmock.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/openssl_ptr.h"
#include "http/test_support.h"

namespace sb::http {
namespace {

using namespace testing;
using ::testing::HasSubstr;

using Key = OpensslPtr<EVP_PKEY, EVP_PKEY_free>;
using Certificate = OpensslPtr<X509, X509_free>;
using Memory = OpensslPtr<BIO, BIO_free_all>;

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

/// A self-signed certificate for `names` ("IP:127.0.0.1,DNS:localhost") that is its own authority.
struct SelfSigned {
  explicit SelfSigned(const char* names) {
    const Key key(EVP_EC_gen("P-256"));
    const Certificate certificate(X509_new());
    X509_set_version(certificate.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    X509_set_pubkey(certificate.get(), key.get());
    auto* name = X509_get_subject_name(certificate.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
    X509_set_issuer_name(certificate.get(), name);
    auto* extension = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names);
    X509_add_ext(certificate.get(), extension, -1);
    X509_EXTENSION_free(extension);
    X509_sign(certificate.get(), key.get(), EVP_sha256());
    const Memory certificate_pem(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(certificate_pem.get(), certificate.get());
    certificate_file = write("certificate.pem", text_of(certificate_pem.get()));
    const Memory key_pem(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey(key_pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    key_file = write("key.pem", text_of(key_pem.get()));
  }
  ~SelfSigned() { std::filesystem::remove_all(folder); }
  SelfSigned(const SelfSigned&) = delete;
  SelfSigned& operator=(const SelfSigned&) = delete;

  std::string write(const std::string& name, const std::string& content) const {
    const auto path = folder / name;
    std::ofstream(path) << content;
    return path;
  }
  static std::filesystem::path make_folder() {
    auto pattern = (std::filesystem::temp_directory_path() / "sb_http_tls_XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    return pattern;
  }

  std::filesystem::path folder = make_folder();
  std::string certificate_file;
  std::string key_file;
};

class TlsTest : public ::testing::Test {
 protected:
  ServerOptions server_options() {
    ServerOptions options;
    options.tls_certificate_file = identity_.certificate_file;
    options.tls_key_file = identity_.key_file;
    options.header_timeout = milliseconds(2'000);
    return options;
  }
  Task<Result<std::string>> fetch(Client& client, std::string host, std::uint16_t port, std::string_view body = {}) {
    ClientRequest request;
    request.origin = local_url(port, true);
    request.origin.host = std::move(host);
    request.target = "/t";
    request.body = body;
    SB_CO_TRY(auto response, co_await client.send(std::move(request)));
    co_return co_await response->read_all(10 << 20);
  }

  asio::io_context io_{1};
  SelfSigned identity_{"IP:127.0.0.1,DNS:localhost"};
};

TEST_F(TlsTest, CarriesRequestsStreamsAndLargeBodies) {
  auto server = serve(
      io_,
      [](Exchange& exchange) -> Task<void> {
        EXPECT_TRUE(exchange.request().tls);
        if (!exchange.request().body.empty()) {
          co_await exchange.respond(text(exchange.take_body()));
          co_return;
        }
        co_await exchange.begin_stream(200, {});
        for (int i = 0; i < 10; ++i) co_await exchange.write(std::to_string(i));
        co_await exchange.end_stream();
      },
      server_options());
  auto client = Client::create(io_, {.ca_file = identity_.certificate_file});
  const std::string large(1'000'000, 'x');
  run(io_, [&]() -> Task<void> {
    EXPECT_EQ(co_await fetch(*client, "127.0.0.1", server->port()), "0123456789");
    EXPECT_EQ(co_await fetch(*client, "127.0.0.1", server->port(), large), large);
    EXPECT_EQ(server->connections(), 1u);
    EXPECT_EQ(co_await fetch(*client, "localhost", server->port()), "0123456789");
  });
}

TEST_F(TlsTest, AServerThatSpeaksNoHttp2IsNotAskedOverIt) {
  auto server = serve(io_, echo, server_options());
  auto client = Client::create(io_, {.ca_file = identity_.certificate_file});
  run(io_, [&]() -> Task<void> {
    ClientRequest request;
    request.origin = local_url(server->port(), true);
    request.target = "/t";
    request.http2 = true;
    const auto refused = co_await client->send(std::move(request));
    EXPECT_EQ(refused.error().code, Errc::unavailable);
    EXPECT_THAT(refused.error().detail, HasSubstr("no HTTP/2"));
  });
}

TEST_F(TlsTest, StrangersAreNotTrusted) {
  auto server = serve(io_, echo, server_options());
  SelfSigned other{"IP:127.0.0.1"};
  SelfSigned wrong_name{"DNS:example.com"};
  auto named_wrong_options = server_options();
  named_wrong_options.tls_certificate_file = wrong_name.certificate_file;
  named_wrong_options.tls_key_file = wrong_name.key_file;
  auto named_wrong = serve(io_, echo, named_wrong_options);
  run(io_, [&]() -> Task<void> {
    auto untrusting = Client::create(io_, {.ca_file = other.certificate_file});
    const auto unknown = co_await fetch(*untrusting, "127.0.0.1", server->port());
    EXPECT_EQ(unknown.error().code, Errc::unavailable);
    EXPECT_THAT(unknown.error().detail, HasSubstr("TLS"));
    auto trusting = Client::create(io_, {.ca_file = wrong_name.certificate_file});
    const auto misnamed = co_await fetch(*trusting, "127.0.0.1", named_wrong->port());
    EXPECT_EQ(misnamed.error().code, Errc::unavailable);
  });
}

TEST_F(TlsTest, ClientThatLeavesFiresDisconnect) {
  bool fired = false;
  auto server = serve(
      io_,
      [&](Exchange& exchange) -> Task<void> {
        co_await exchange.begin_stream(200, {});
        co_await exchange.write("first");
        Timer never(io_.get_executor(), SteadyTime::max());
        CancelRegistration registration(&exchange.disconnect(), [&] {
          fired = true;
          never.cancel();
        });
        co_await never.async_wait(use_tuple);
      },
      server_options());
  run(io_, [&]() -> Task<void> {
    auto client = Client::create(io_, {.ca_file = identity_.certificate_file});
    {
      ClientRequest request;
      request.origin = local_url(server->port(), true);
      request.target = "/";
      auto response = co_await client->send(std::move(request));
      EXPECT_EQ((co_await (*response)->read_some()).value(), "first");
    }
    while (!fired) co_await asio::post(io_.get_executor(), use_task);
  });
}

TEST_F(TlsTest, PlainTextAndSilenceAreClosed) {
  auto options = server_options();
  options.header_timeout = milliseconds(40);
  auto server = serve(io_, echo, options);
  run(io_, [&]() -> Task<void> {
    RawPeer plain(io_, server->port());
    co_await plain.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    EXPECT_EQ((co_await plain.read_to_end()).find("HTTP/1.1 200"), std::string::npos);
    RawPeer silent(io_, server->port());
    EXPECT_EQ(co_await silent.read_to_end(), "");
  });
}

TEST_F(TlsTest, UnusableFilesAreNamed) {
  const auto expect_named = [&](ServerOptions options, const std::string& file, std::string_view param) {
    const auto server = Server::create(io_, std::move(options), echo);
    ASSERT_FALSE(server);
    EXPECT_EQ(server.error().code, Errc::invalid_argument);
    EXPECT_THAT(server.error().detail, HasSubstr(file));
    EXPECT_EQ(server.error().param, param);
  };
  auto missing = server_options();
  missing.tls_certificate_file = "/nonexistent/c.pem";
  expect_named(missing, "/nonexistent/c.pem", "tls_certificate_file");
  auto garbage = server_options();
  garbage.tls_key_file = identity_.write("garbage.pem", "no key in here");
  expect_named(garbage, garbage.tls_key_file, "tls_key_file");
  SelfSigned other{"DNS:x"};
  auto mismatch = server_options();
  mismatch.tls_key_file = other.key_file;
  expect_named(mismatch, other.key_file, "tls_key_file");

  run(io_, [&]() -> Task<void> {
    auto client = Client::create(io_, {.ca_file = "/nonexistent/ca.pem"});
    const auto result = co_await fetch(*client, "127.0.0.1", 1);
    EXPECT_EQ(result.error().code, Errc::invalid_argument);
    EXPECT_THAT(result.error().detail, HasSubstr("/nonexistent/ca.pem"));
  });
}

}  // namespace
}  // namespace sb::http
