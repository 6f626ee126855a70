#include "mirror/sigv4.h"

#include <gtest/gtest.h>

namespace sb::mirror {
namespace {

// Examples of the Amazon S3 API reference, "Signature calculations for the Authorization header".
constexpr Credentials kCredentials{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1"};
constexpr Micros kTime = 1'369'353'600'000'000;  // 2013-05-24T00:00:00Z

std::string signature_of(const SignedRequest& request) {
  for (const auto& [name, value] : sign(request, kCredentials, kTime)) {
    if (name == "authorization") return value.substr(value.find("Signature=") + 10);
  }
  return {};
}

TEST(SigV4, GetsTheSignaturesOfTheReference) {
  SignedRequest get{"GET", "examplebucket.s3.amazonaws.com", "/test.txt", {}, {{"range", "bytes=0-9"}}, {}};
  EXPECT_EQ(signature_of(get), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  SignedRequest put{"PUT",
                    "examplebucket.s3.amazonaws.com",
                    "/" + uri_encode("test$file.text", true),
                    {},
                    {{"date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                    "Welcome to Amazon S3."};
  EXPECT_EQ(signature_of(put), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  SignedRequest list{"GET", "examplebucket.s3.amazonaws.com", "/", {{"max-keys", "2"}, {"prefix", "J"}}, {}, {}};
  EXPECT_EQ(signature_of(list), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(SigV4, EncodesAsS3Does) {
  EXPECT_EQ(uri_encode("a b/c~d", true), "a%20b/c~d");
  EXPECT_EQ(uri_encode("a b/c~d", false), "a%20b%2Fc~d");
  EXPECT_EQ(canonical_query({{"prefix", "x/y"}, {"list-type", "2"}}), "list-type=2&prefix=x%2Fy");
}

}  // namespace
}  // namespace sb::mirror
