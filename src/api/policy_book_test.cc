#include "api/policy_book.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>

#include "store/sqlite/sqlite_store.h"
#include "store/testing.h"

namespace sb::api {
namespace {

std::string document(int version) {
  return fmt::format("{{name: own, version: {}, rules: [{{types: [EMAIL], direction: inbound, action: mask}}]}}",
                     version);
}

/// A book over a real store; each `start` is a server's.
class PolicyBookTest : public ::testing::Test {
 protected:
  PolicyBookTest() {
    keys_.add_server_key(system_entropy());
    open();
  }

  void open() {
    store::SqliteOptions options;
    options.path = folder_.file("store.db");
    store_ = std::move(*store::open_sqlite_store(std::move(options), log_));
  }

  template <class T>
  T wait(Task<T> task) {
    return store::testing::wait_for(std::move(task));
  }
  Result<> start(int file_version, bool two_people) {
    book_ = std::make_unique<PolicyBook>(*store_, sealer_, system_clock(), changes_, Pseudonyms("secret"),
                                         PublishRules{two_people, {"guard.example", "10.0.0.7:8443"}});
    return wait(book_->open(document(file_version), "policy.yaml"));
  }
  std::string add_key(Micros created_us, std::optional<std::string> maker = {}) {
    KeyRecord record;
    record.id = KeyId::generate(system_clock(), system_entropy());
    record.created_us = created_us;
    if (maker) record.made_by = KeyId::parse(*maker);
    people_.push_back(record);
    return record.id.to_string();
  }
  Result<PolicyVersion> approve(int version, const std::string& who) {
    return wait(book_->approve(hash_of(version), who, people_));
  }
  std::int64_t in_force() const { return book_->current()->version(); }
  std::string hash_of(std::int64_t version) const {
    for (const auto& known : book_->versions()) {
      if (known.version == version) return known.hash;
    }
    return {};
  }
  std::vector<std::string> leaves() {
    book_.reset();
    store_.reset();
    open();  // reads them
    return log_.read;
  }

  store::testing::TemporaryFolder folder_;
  store::testing::PlainLog log_;
  ChangeGate changes_;
  TenantKeys keys_{std::string(32, 'm')};
  const flow::Sealer sealer_{keys_, std::string(32, 'v'), system_entropy()};
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<PolicyBook> book_;
  std::vector<KeyRecord> people_;
};

TEST_F(PolicyBookTest, AFileThatWasChangedWhileTheServerWasDownWaitsForASecondPerson) {
  ASSERT_TRUE(start(1, true));
  EXPECT_EQ(in_force(), 1) << "there was nobody to ask";
  ASSERT_TRUE(start(2, true));
  EXPECT_EQ(in_force(), 1);
  ASSERT_TRUE(start(2, true)) << "nor does a second start let it in";
  EXPECT_EQ(in_force(), 1);
  ASSERT_TRUE(approve(2, add_key(1)));
  EXPECT_EQ(in_force(), 2);
  ASSERT_TRUE(start(2, true));
  EXPECT_EQ(in_force(), 2);
}

TEST_F(PolicyBookTest, NobodyApprovesHisOwnVersionNorWithAKeyMadeForIt) {
  ASSERT_TRUE(start(1, true));
  const auto root = add_key(1), anna = add_key(2, root), bob = add_key(3, root), annas = add_key(4, anna);
  const auto published = wait(book_->publish(document(2), annas));
  ASSERT_TRUE(published);
  const auto now = add_key(published->created_us, root), later = add_key(published->created_us + 1, root);
  for (const auto& who : {annas, now, later, anna, root, add_key(5, anna)}) {
    const auto refused = approve(2, who);
    ASSERT_FALSE(refused) << who;
    EXPECT_EQ(refused.error().code, Errc::permission_denied);
  }
  EXPECT_EQ(in_force(), 1);
  EXPECT_TRUE(approve(2, bob));
  EXPECT_EQ(in_force(), 2);
}

TEST_F(PolicyBookTest, AFileThatIsPutBackLeavesWhatHolds) {
  ASSERT_TRUE(start(1, true));
  ASSERT_TRUE(start(2, true));
  ASSERT_TRUE(start(1, true));
  EXPECT_EQ(in_force(), 1);
  ASSERT_TRUE(start(3, true)) << "there is still a version in force";
  EXPECT_EQ(in_force(), 1);
}

TEST_F(PolicyBookTest, AVersionThatIsNotKeptIsNoReasonToTakeTheFile) {
  ASSERT_TRUE(start(1, true));
  store::Commit gone;  // as a version before left it: without the text
  gone.documents.emplace_back("policies", R"({"file":"other","versions":[{"hash":"abc","state":"active"}]})");
  ASSERT_TRUE(wait(store_->commit(std::move(gone))));
  const auto refused = start(2, true);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::not_found);
  EXPECT_NE(refused.error().detail.find("policy.yaml was changed and waits for a second person"), std::string::npos);
}

TEST_F(PolicyBookTest, AChangedFileIsOnRecord) {
  ASSERT_TRUE(start(1, false));
  ASSERT_TRUE(start(1, false));
  const auto first = book_->current()->hash();
  ASSERT_EQ(leaves().size(), 1U);
  ASSERT_TRUE(start(2, false));
  EXPECT_EQ(in_force(), 2);
  const auto second = book_->current()->hash();
  ASSERT_EQ(leaves().size(), 2U);
  const auto leaf = leaves().back();
  EXPECT_NE(leaf.find("policy.publish"), std::string::npos) << leaf;
  EXPECT_NE(leaf.find(fmt::format(R"("before":"{}","hash":"{}")", first, second)), std::string::npos) << leaf;
}

TEST_F(PolicyBookTest, WhoPublishesDoesNotChooseWhereTextsGo) {
  ASSERT_TRUE(start(1, false));
  const auto publish = [&](const std::string& url) {
    return wait(book_->publish(
        fmt::format(
            "{{name: asks, version: 1, rules: [], checks: [{{name: g, kind: http, action: block, url: '{}'}}]}}", url),
        "key"));
  };
  for (const char* url : {"http://169.254.169.254/", "https://guard.example.evil.example/", "http://10.0.0.7:8444/"}) {
    const auto refused = publish(url);
    ASSERT_FALSE(refused) << url;
    EXPECT_EQ(refused.error().code, Errc::permission_denied) << url;
  }
  EXPECT_EQ(in_force(), 1);
  EXPECT_TRUE(publish("https://guard.example/look"));
  EXPECT_TRUE(publish("http://10.0.0.7:8443/look"));
}

}  // namespace
}  // namespace sb::api
