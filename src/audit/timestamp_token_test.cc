#include "audit/timestamp_token.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/bytes.h"
#include "store/testing.h"

namespace sb::audit {
namespace {

constexpr const char* kStamped = "log.example/test\n7\nroot\n";
constexpr std::uint64_t kNonce = 0x0102030405060708;

// Made by `openssl ts -reply` from kRequest, under kAuthority; all certificates are good for a hundred years.
constexpr const char* kRequest =
    "MEMCAQEwMTANBglghkgBZQMEAgEFAAQg5L5MJsebf+2ctsU+1trDw/cOGJBMfxEz21iiVYMUOHwCCAECAwQFBgcIAQH/";
constexpr const char* kResponse =
    "MIIE6jADAgEAMIIE4QYJKoZIhvcNAQcCoIIE0jCCBM4CAQMxDzANBglghkgBZQMEAgEFADByBgsqhkiG9w0BCRABBKBjBGEwXwIB"
    "AQYEKgMEATAxMA0GCWCGSAFlAwQCAQUABCDkvkwmx5t/7Zy2xT7W2sPD9w4YkEx/ETPbWKJVgxQ4fAIBAhgPMjAyNjExMjUyMDAw"
    "MzlaMAMCAQECCAECAwQFBgcIoIIDEDCCAZcwggE9oAMCAQICFFgXHpKdykkQkjADZ0bw47TAqJaiMAoGCCqGSM49BAMCMA0xCzAJ"
    "BgNVBAMMAmNhMCAXDTI2MTEyNTIwMDAzOFoYDzIxMjYxMDMxMjAwMDM4WjAOMQwwCgYDVQQDDAN0c2EwWTATBgcqhkjOPQIBBggq"
    "hkjOPQMBBwNCAAQ90IsCATX0mZ64iXe4R3EFWYydNxEePWBjIQuQYDVQGC3Pv2m4pjGlf5ryYMI5w40DwUt6YUFCo0SrkZ/KRSdn"
    "o3gwdjAMBgNVHRMBAf8EAjAAMA4GA1UdDwEB/wQEAwIHgDAWBgNVHSUBAf8EDDAKBggrBgEFBQcDCDAdBgNVHQ4EFgQU783ENWcV"
    "D+uVdsozrGwveokfRKIwHwYDVR0jBBgwFoAUcK6Bby7eeSDND1AJ8HA1Bt9cxYUwCgYIKoZIzj0EAwIDSAAwRQIhAOiVBSC0hHRb"
    "5c5RS5HxT2dGH48pq7qkNWa2v92lK3NXAiA0cD2gmmA56X78Rn2b8BVJyPRSmQAl2ZTEaxuLy1KK4TCCAXEwggEXoAMCAQICFEBa"
    "AiE04onmUFXJpnyeWaPWwmgEMAoGCCqGSM49BAMCMA0xCzAJBgNVBAMMAmNhMCAXDTI2MTEyNTIwMDAzOFoYDzIxMjYxMTAxMjAw"
    "MDM4WjANMQswCQYDVQQDDAJjYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABD3Sz3B/G8qMDJpWfiYSR4NHeaWvGkn3yruOPc4G"
    "pBYTRcJNTYEJLmNgDmfUMcnbxSxItWxiFbDDUWPYqpI8l3ejUzBRMB0GA1UdDgQWBBRwroFvLt55IM0PUAnwcDUG31zFhTAfBgNV"
    "HSMEGDAWgBRwroFvLt55IM0PUAnwcDUG31zFhTAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIF0g6ZjIlJ3hEpMo"
    "kCnNpsiw1APS6agjIChabWTUynAmAiEAiF0eYe3gWlOqfOyrGhNTC5HgQ2TccDRtCCzosSwyGKcxggEuMIIBKgIBATAlMA0xCzAJ"
    "BgNVBAMMAmNhAhRYFx6SncpJEJIwA2dG8OO0wKiWojANBglghkgBZQMEAgEFAKCBmDAaBgkqhkiG9w0BCQMxDQYLKoZIhvcNAQkQ"
    "AQQwHAYJKoZIhvcNAQkFMQ8XDTI2MTEyNTIwMDAzOVowKwYLKoZIhvcNAQkQAgwxHDAaMBgwFgQUTFCW/axGuEZJGuj3nkc2XCHN"
    "UjAwLwYJKoZIhvcNAQkEMSIEIKZS647PwWi6ECNQfg9LqAV0tzEtzsNaRp/z4eyTgdqlMAoGCCqGSM49BAMCBEgwRgIhAJdLfQgv"
    "EqPwWsOVBcHm38fAkcvgkHqmbtNji7nhYNO4AiEAgme0T0CZsSUfA6XMuGcRjhVLEkZNABrbsNlvvqMYCn4=";
constexpr std::int64_t kTime = 1795636839;
constexpr const char* kAuthority =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBcTCCARegAwIBAgIUQFoCITTiieZQVcmmfJ5Zo9bCaAQwCgYIKoZIzj0EAwIw\n"
    "DTELMAkGA1UEAwwCY2EwIBcNMjYxMTI1MjAwMDM4WhgPMjEyNjExMDEyMDAwMzha\n"
    "MA0xCzAJBgNVBAMMAmNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEPdLPcH8b\n"
    "yowMmlZ+JhJHg0d5pa8aSffKu449zgakFhNFwk1NgQkuY2AOZ9QxydvFLEi1bGIV\n"
    "sMNRY9iqkjyXd6NTMFEwHQYDVR0OBBYEFHCugW8u3nkgzQ9QCfBwNQbfXMWFMB8G\n"
    "A1UdIwQYMBaAFHCugW8u3nkgzQ9QCfBwNQbfXMWFMA8GA1UdEwEB/wQFMAMBAf8w\n"
    "CgYIKoZIzj0EAwIDSAAwRQIgXSDpmMiUneESkyiQKc2myLDUA9LpqCMgKFptZNTK\n"
    "cCYCIQCIXR5h7eBaU6p87KsaE1MLkeBDZNxwNG0ILOixLDIYpw==\n"
    "-----END CERTIFICATE-----\n";
constexpr const char* kOtherAuthority =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBdjCCAR2gAwIBAgIUb66XQjC+MrrH+ANzzquVXtQc2jUwCgYIKoZIzj0EAwIw\n"
    "EDEOMAwGA1UEAwwFb3RoZXIwIBcNMjYxMTI1MjAwMDM4WhgPMjEyNjExMDEyMDAw\n"
    "MzhaMBAxDjAMBgNVBAMMBW90aGVyMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n"
    "iD6wXF9vDCsbSxtPVwVmX53ybGmiE73RvbkEUFe5XPO/vkXdtNFc5jRolwQAWiUg\n"
    "7vCJp8IUTKJ4QfxzA8/RzaNTMFEwHQYDVR0OBBYEFLkPx3CPko0w4WdCL0GURvlZ\n"
    "Ex5EMB8GA1UdIwQYMBaAFLkPx3CPko0w4WdCL0GURvlZEx5EMA8GA1UdEwEB/wQF\n"
    "MAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgPw5ersvERCa9I/oquOR2oog9DLQfLFdF\n"
    "v80UhPObEV4CIAZD/Iwk05i9kMnavvj01770wpTSq3ZZ2SAqPdty9mLW\n"
    "-----END CERTIFICATE-----\n";
// Of the same authority, which does not know SHA-512.
constexpr const char* kRefusal = "MDcwNQIBAjAsDCpNZXNzYWdlIGRpZ2VzdCBhbGdvcml0aG0gaXMgbm90IHN1cHBvcnRlZC4DAgeA";

class TimestampToken : public ::testing::Test {
 protected:
  std::string file(const char* pem) {
    const std::string path = folder_.file("ca.pem");
    std::ofstream(path) << pem;
    return path;
  }
  store::testing::TemporaryFolder folder_;
  const std::string response_ = *from_base64(kResponse);
};

TEST_F(TimestampToken, TheRequestIsThatOfRfc3161) {
  EXPECT_EQ(to_base64(timestamp_request(kStamped, kNonce)), kRequest);
}

TEST_F(TimestampToken, AnAnswerOfOpensslVerifies) {
  const auto time = check_timestamp(response_, {kStamped, kNonce, file(kAuthority)});
  ASSERT_TRUE(time) << time.error().detail;
  EXPECT_EQ(*time, kTime);
  EXPECT_TRUE(check_timestamp(response_, {kStamped, std::nullopt, ""}));
}

TEST_F(TimestampToken, OfAnotherTextRequestOrAuthorityIsRefused) {
  const auto code = [&](const TimestampCheck& check) {
    const auto time = check_timestamp(response_, check);
    return time ? Errc::internal : time.error().code;
  };
  EXPECT_EQ(code({"log.example/test\n8\nroot\n", std::nullopt, ""}), Errc::corrupt);
  EXPECT_EQ(code({kStamped, kNonce + 1, ""}), Errc::corrupt);
  EXPECT_EQ(code({kStamped, kNonce, file(kOtherAuthority)}), Errc::corrupt);
  EXPECT_EQ(code({kStamped, kNonce, folder_.file("nowhere.pem")}), Errc::invalid_argument);
}

TEST_F(TimestampToken, AChangedOrShortenedOneIsRefused) {
  const std::string ca = file(kAuthority);
  std::string changed = response_;
  changed.back() = static_cast<char>(changed.back() ^ 1);  // of the signature
  EXPECT_FALSE(check_timestamp(changed, {kStamped, kNonce, ca}));
  for (std::size_t size = 0; size < response_.size(); size += 7)
    EXPECT_FALSE(check_timestamp(response_.substr(0, size), {kStamped, kNonce, ca})) << size;
}

TEST_F(TimestampToken, ARefusalSaysWhy) {
  const auto time = check_timestamp(*from_base64(kRefusal), {kStamped, std::nullopt, ""});
  ASSERT_FALSE(time);
  EXPECT_NE(time.error().detail.find("digest algorithm is not supported"), std::string::npos) << time.error().detail;
}

}  // namespace
}  // namespace sb::audit
