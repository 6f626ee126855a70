// Against a real S3 service, named by AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and SB_S3_BUCKET
// (tests/e2e starts one); without them nothing is tested here, and each test says so.
#include "mirror/s3_target.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdlib>
#include <future>

#include "base/clock.h"
#include "base/task.h"

namespace sb::mirror {
namespace {

constexpr std::size_t kPart = 5 << 20;

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value ? value : "";
}

std::string noise(std::size_t size) {
  std::string bytes(size, '\0');
  system_entropy().fill({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  return bytes;
}

class S3Target : public ::testing::Test {
 protected:
  void SetUp() override {
    access_.endpoint = variable("AWS_ENDPOINT_URL_S3");
    access_.access_key = variable("AWS_ACCESS_KEY_ID");
    access_.secret_key = variable("AWS_SECRET_ACCESS_KEY");
    access_.part_bytes = kPart;
    if (variable("SB_S3_BUCKET").empty()) GTEST_SKIP() << "no S3 service: see tests/e2e/s3.py";
    prefix_ = "t" + std::to_string(system_entropy().next_u64());
  }
  std::unique_ptr<Target> open() const { return *open_s3_target(variable("SB_S3_BUCKET"), prefix_, access_); }

  S3Access access_;
  std::string prefix_;
};

TEST_F(S3Target, ALargeObjectIsSentInPartsAndComesBackWhole) {
  const auto target = open();
  for (const std::size_t size : {kPart, kPart + 1, 3 * kPart, 2 * kPart + 12'345}) {
    const std::string bytes = noise(size);
    const std::string name = "snapshots/" + std::to_string(size);
    const auto put = target->put(name, bytes);
    ASSERT_TRUE(put) << put.error().detail;
    EXPECT_TRUE(*target->get(name) == bytes) << size;
    ASSERT_TRUE(target->put(name, "other")) << "and is replaced";
    EXPECT_EQ(*target->get(name), "other");
  }
}

TEST_F(S3Target, ALargeObjectThatIsThereAlreadyIsNotReplaced) {
  const auto target = open();
  const std::string first = noise(2 * kPart);
  ASSERT_TRUE(target->put_new("segments/1", first));
  EXPECT_EQ(target->put_new("segments/1", noise(2 * kPart)).error().code, Errc::already_exists);
  EXPECT_TRUE(*target->get("segments/1") == first);
  EXPECT_EQ(target->put_new("segments/1", "small").error().code, Errc::already_exists);
}

TEST_F(S3Target, AListBeginsAfterAName) {
  const auto target = open();
  std::vector<std::string> names;
  for (int i = 0; i < 30; ++i) names.push_back(fmt::format("segments/{:012}", i));
  std::vector<Object> objects;
  for (const std::string& name : names) objects.push_back({name, "x"});
  ASSERT_TRUE(target->put_all(objects));
  EXPECT_EQ(*target->list("segments/"), names);
  EXPECT_EQ(*target->list("segments/", names[27]), (std::vector{names[28], names[29]}));
  EXPECT_TRUE(target->list("segments/", names[29])->empty());
}

// The bucket SB_S3_VERSIONED keeps versions.
TEST_F(S3Target, WhatWasReplacedOrRemovedIsForgottenInABucketWithVersions) {
  const auto target = *open_s3_target(variable("SB_S3_VERSIONED"), prefix_, access_);
  for (const char* text : {"first", "second", "third"}) {
    ASSERT_TRUE(target->put("keys/1-1-2", text));
    ASSERT_TRUE(target->put("keys/1-1-20", text));
  }
  ASSERT_TRUE(target->remove("keys/1-1-20"));
  for (const char* name : {"keys/1-1-2", "keys/1-1-20"}) {
    const auto done = target->forget(name);
    ASSERT_TRUE(done) << done.error().detail;
  }
  EXPECT_EQ(*target->get("keys/1-1-2"), "third");
  EXPECT_EQ(*target->list(""), std::vector<std::string>{"keys/1-1-2"}) << "and no removed one is back";
}

// Parts that are too small are refused when the upload is completed: it fails at its very end.
TEST_F(S3Target, AnUploadThatFailsLeavesNothing) {
  access_.part_bytes = kPart / 5;
  const auto target = open();
  const auto put = target->put("snapshots/1", noise(2 * kPart));
  ASSERT_FALSE(put);
  EXPECT_NE(put.error().detail.find("EntityTooSmall"), std::string::npos) << put.error().detail;
  EXPECT_EQ(target->get("snapshots/1").error().code, Errc::not_found);
  EXPECT_TRUE(target->list("")->empty());
}

// No service is needed for these: they are about one that does not answer.
class SilentService : public ::testing::Test {
 protected:
  SilentService() : acceptor_(io_, {asio::ip::address_v4::loopback(), 0}) {
    access_.endpoint = fmt::format("http://127.0.0.1:{}", acceptor_.local_endpoint().port());
    access_.access_key = access_.secret_key = "x";
    target_ = *open_s3_target("bucket", "", access_);
  }
  asio::io_context io_;
  asio::ip::tcp::acceptor acceptor_;  // connections are made, and nobody reads
  S3Access access_;
  std::unique_ptr<Target> target_;
};

TEST_F(SilentService, ACallThatWaitsEndsWhenItIsInterruptedAndNoOtherBegins) {
  std::vector<Object> objects;
  for (int i = 0; i < 40; ++i) objects.push_back({fmt::format("object {}", i), std::string(100'000, 'x')});
  auto waiting = std::async(std::launch::async, [&] { return target_->put_all(objects); });
  EXPECT_EQ(waiting.wait_for(std::chrono::milliseconds(200)), std::future_status::timeout);
  target_->interrupt();
  const auto put = waiting.get();  // the client's own patience is 30 s a call
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code, Errc::unavailable);
  EXPECT_NE(put.error().detail.find("the server stops"), std::string::npos) << put.error().detail;
  const auto get = target_->get("other");
  ASSERT_FALSE(get);
  EXPECT_NE(get.error().detail.find("the server stops"), std::string::npos) << get.error().detail;
}

}  // namespace
}  // namespace sb::mirror
