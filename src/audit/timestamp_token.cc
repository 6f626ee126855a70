#include "audit/timestamp_token.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ts.h>

#include <ctime>

#include "base/crypto.h"
#include "base/openssl_ptr.h"

namespace sb::audit {
namespace {

using Request = OpensslPtr<TS_REQ, TS_REQ_free>;
using Response = OpensslPtr<TS_RESP, TS_RESP_free>;
using Imprint = OpensslPtr<TS_MSG_IMPRINT, TS_MSG_IMPRINT_free>;
using Algorithm = OpensslPtr<X509_ALGOR, X509_ALGOR_free>;
using Integer = OpensslPtr<ASN1_INTEGER, ASN1_INTEGER_free>;
using VerifyContext = OpensslPtr<TS_VERIFY_CTX, TS_VERIFY_CTX_free>;
using Store = OpensslPtr<X509_STORE, X509_STORE_free>;

// OpenSSL's own words for what it refused last.
std::string openssl_reason() {
  const char* data = nullptr;
  int flags = 0;
  const unsigned long code = ERR_peek_last_error_all(nullptr, nullptr, nullptr, &data, &flags);
  const char* const reason = ERR_reason_error_string(code);
  std::string text = reason ? reason : "not understood";
  if (data && *data && (flags & ERR_TXT_STRING) != 0) text += fmt::format(" ({})", data);
  ERR_clear_error();
  return text;
}

std::unexpected<Error> bad_timestamp(const std::string& why) {
  return fail(Errc::corrupt, "time stamp: " + why);
}

Result<> trust(TS_VERIFY_CTX* verification, const std::string& ca_file) {
  Store store(X509_STORE_new());
  SB_ASSERT(store);
  if (X509_STORE_load_file(store.get(), ca_file.c_str()) != 1)
    return fail(Errc::invalid_argument, fmt::format("cannot read certificates from {}: {}", ca_file, openssl_reason()));
  TS_VERIFY_CTX_set_store(verification, store.release());
  TS_VERIFY_CTX_add_flags(verification, TS_VFY_SIGNATURE);
  return {};
}

}  // namespace

std::string timestamp_request(std::string_view stamped, std::uint64_t nonce) {
  const Digest digest = sha256(stamped);
  const Request request(TS_REQ_new());
  const Imprint imprint(TS_MSG_IMPRINT_new());
  const Algorithm algorithm(X509_ALGOR_new());
  const Integer number(ASN1_INTEGER_new());
  SB_ASSERT(request && imprint && algorithm && number);
  // With NULL as parameters, as `openssl ts` has it: older authorities know no other form.
  X509_ALGOR_set0(algorithm.get(), OBJ_nid2obj(NID_sha256), V_ASN1_NULL, nullptr);
  std::string bytes(digest.begin(), digest.end());
  unsigned char* der = nullptr;
  const bool made = TS_MSG_IMPRINT_set_algo(imprint.get(), algorithm.get()) == 1 &&
                    TS_MSG_IMPRINT_set_msg(imprint.get(), reinterpret_cast<unsigned char*>(bytes.data()),
                                           static_cast<int>(bytes.size())) == 1 &&
                    ASN1_INTEGER_set_uint64(number.get(), nonce) == 1 && TS_REQ_set_version(request.get(), 1) == 1 &&
                    TS_REQ_set_msg_imprint(request.get(), imprint.get()) == 1 &&
                    TS_REQ_set_nonce(request.get(), number.get()) == 1 && TS_REQ_set_cert_req(request.get(), 1) == 1;
  SB_ASSERT(made);
  const int size = i2d_TS_REQ(request.get(), &der);
  SB_ASSERT(size > 0);
  std::string text(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return text;
}

Result<std::int64_t> check_timestamp(std::string_view response, const TimestampCheck& check) {
  const auto* der = reinterpret_cast<const unsigned char*>(response.data());
  const Response parsed(d2i_TS_RESP(nullptr, &der, static_cast<long>(response.size())));
  if (!parsed) return bad_timestamp("not a TimeStampResp of RFC 3161: " + openssl_reason());
  const VerifyContext verification(TS_VERIFY_CTX_new());
  SB_ASSERT(verification);
  TS_VERIFY_CTX_set_flags(verification.get(), TS_VFY_VERSION | TS_VFY_DATA);
  TS_VERIFY_CTX_set_data(verification.get(),
                         BIO_new_mem_buf(check.stamped.data(), static_cast<int>(check.stamped.size())));
  if (!check.ca_file.empty()) SB_CHECK(trust(verification.get(), check.ca_file));
  if (TS_RESP_verify_response(verification.get(), parsed.get()) != 1) return bad_timestamp(openssl_reason());
  const TS_TST_INFO* const info = TS_RESP_get_tst_info(parsed.get());
  if (check.nonce) {
    std::uint64_t nonce = 0;
    const ASN1_INTEGER* const given = TS_TST_INFO_get_nonce(info);
    if (!given || ASN1_INTEGER_get_uint64(&nonce, given) != 1 || nonce != *check.nonce)
      return bad_timestamp("it is not the answer to this request: another nonce");
  }
  std::tm time{};
  if (ASN1_TIME_to_tm(TS_TST_INFO_get_time(info), &time) != 1) return bad_timestamp("its time cannot be read");
  return static_cast<std::int64_t>(::timegm(&time));
}

}  // namespace sb::audit
