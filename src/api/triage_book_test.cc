#include "api/triage_book.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <filesystem>
#include <fstream>

#include "store/sqlite/sqlite_store.h"
#include "store/testing.h"

namespace sb::api {
namespace {

/// A book over a real store and a real folder; each `start` is a server's.
class TriageBookTest : public ::testing::Test {
 protected:
  TriageBookTest() { open(); }

  void open() {
    store::SqliteOptions options;
    options.path = folder_.file("store.db");
    options.free_disk_bytes = [this] { return is_full_ ? std::uint64_t{0} : std::uint64_t{1} << 40; };
    options.disk_check_every = std::chrono::milliseconds(0);
    store_ = std::move(*store::open_sqlite_store(std::move(options), log_));
  }
  template <class T>
  T wait(Task<T> task) {
    return store::testing::wait_for(std::move(task));
  }

  /// With a configuration whose document sends everything to `route`.
  Result<> start(std::string_view route, bool two_people = false, std::string_view remark = "") {
    const auto file = folder_.file("triage.yaml");
    std::ofstream(file) << fmt::format("version: 1\ngenerative: {{otherwise: {}}}\n{}", route, remark);
    book_ = std::make_unique<TriageBook>(*store_, system_clock(), changes_, Pseudonyms("secret"),
                                         triage::KeptVersions(folder_.file("triage")), two_people,
                                         [this](std::shared_ptr<const triage::Router> router) { return live(router); });
    SB_TRY(auto router, wait(book_->open(file)));
    live_ = std::make_unique<triage::LiveRouter>(std::move(router));
    return wait(book_->begin(*live_));
  }
  Result<std::unique_ptr<triage::LiveRouter>> live(std::shared_ptr<const triage::Router> router) const {
    if (refuses_) return fail(Errc::invalid_argument, "it cannot promise");
    return std::make_unique<triage::LiveRouter>(std::move(router));
  }
  std::string decides() const { return std::string(triage::to_string(live_->current()->route({.text = "hi"}).route)); }
  std::string id_at(std::size_t i) const { return book_->versions().at(i).id; }
  std::string add_key(Micros created_us) {
    KeyRecord record;
    record.id = KeyId::generate(system_clock(), system_entropy());
    record.created_us = created_us;
    people_.push_back(record);
    return record.id.to_string();
  }
  std::vector<std::string> leaves() {
    book_.reset();
    store_.reset();
    open();
    return log_.read;
  }

  store::testing::TemporaryFolder folder_;
  store::testing::PlainLog log_;
  ChangeGate changes_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<TriageBook> book_;
  std::unique_ptr<triage::LiveRouter> live_;
  std::vector<KeyRecord> people_;
  bool refuses_ = false;
  std::atomic<bool> is_full_ = false;
};

TEST_F(TriageBookTest, AVersionOfBeforeIsPutInForceLiveAndStaysSo) {
  ASSERT_TRUE(start("small"));
  EXPECT_EQ(decides(), "small");
  ASSERT_TRUE(start("large"));
  EXPECT_EQ(decides(), "large") << "the file was changed";
  ASSERT_EQ(book_->versions().size(), 2U);
  const auto small = id_at(1);
  const auto used = wait(book_->use(small, "anna"));
  ASSERT_TRUE(used) << used.error().detail;
  EXPECT_EQ(decides(), "small") << "without a restart";
  EXPECT_EQ(book_->in_force(), small);
  EXPECT_EQ(used->author, "anna");
  ASSERT_TRUE(start("large"));
  EXPECT_EQ(decides(), "small") << "the file is what it was: what was put in force since holds";
  ASSERT_TRUE(start("large", false, "# written anew\n"));
  EXPECT_EQ(decides(), "large") << "the file was changed again";
  EXPECT_EQ(book_->versions().size(), 3U);
}

TEST_F(TriageBookTest, OnRecordIsWhoPutWhatInForceInPlaceOfWhat) {
  ASSERT_TRUE(start("small"));
  ASSERT_TRUE(start("large"));
  const auto small = id_at(1), large = id_at(0);
  ASSERT_TRUE(wait(book_->use(small, "anna")));
  ASSERT_TRUE(wait(book_->use(small, "bob"))) << "the same again changes nothing";
  const auto all = leaves();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_NE(all[1].find("triage.version"), std::string::npos);
  EXPECT_NE(all[2].find("triage.use"), std::string::npos);
  EXPECT_NE(all[2].find(fmt::format(R"("before":"{}")", large)), std::string::npos) << all[2];
  EXPECT_NE(all[2].find(fmt::format(R"("version":"{}")", small)), std::string::npos) << all[2];
}

TEST_F(TriageBookTest, WhatAFullDiskKeptOffTheRecordAtTheStartIsOnItWithTheNextChange) {
  ASSERT_TRUE(start("small"));
  const auto small = id_at(0);
  is_full_ = true;
  ASSERT_TRUE(start("large")) << "a full disk keeps no server from starting";
  const auto large = id_at(0);
  EXPECT_EQ(wait(book_->use(small, "anna")).error().code, Errc::disk_full);
  is_full_ = false;
  ASSERT_TRUE(wait(book_->use(small, "anna")));
  ASSERT_TRUE(wait(book_->use(large, "anna")));
  const auto all = leaves();
  ASSERT_EQ(all.size(), 4U);
  EXPECT_NE(all[1].find("triage.version"), std::string::npos) << all[1];
  EXPECT_NE(all[1].find(fmt::format(R"("version":"{}")", large)), std::string::npos) << all[1];
  EXPECT_NE(all[2].find("triage.use"), std::string::npos) << all[2];
}

TEST_F(TriageBookTest, OfManyThatWaitTheRetiredOnesGo) {
  ASSERT_TRUE(start("small", true));
  const auto first = id_at(0);
  for (int i = 0; i < 105; ++i) ASSERT_TRUE(start("large", true, fmt::format("# {}\n", i)));
  EXPECT_EQ(book_->in_force(), first);
  const auto anna = add_key(1), bob = add_key(2);
  for (int i = 0; i < 3; ++i) {
    const auto id = id_at(50);
    ASSERT_TRUE(wait(book_->approve(id, bob, people_)));
  }
  EXPECT_LE(std::ranges::count(book_->versions(), TriageState::retired, &TriageVersion::state), 1)
      << "beyond the limit those that were in force are no longer listed";
}

TEST_F(TriageBookTest, WithTwoPeopleNothingIsInForceByOneAlone) {
  ASSERT_TRUE(start("small", true));
  ASSERT_TRUE(start("large", true));
  EXPECT_EQ(decides(), "small") << "a changed file waits";
  const auto large = id_at(0);
  const auto anna = add_key(1), bob = add_key(2);
  ASSERT_TRUE(wait(book_->approve(large, bob, people_)));
  EXPECT_EQ(decides(), "large");
  const auto small = book_->versions().at(1).id;
  const auto wanted = wait(book_->use(small, anna));
  ASSERT_TRUE(wanted);
  EXPECT_EQ(wanted->state, TriageState::pending);
  EXPECT_EQ(decides(), "large");
  EXPECT_EQ(wait(book_->approve(small, anna, people_)).error().code, Errc::permission_denied);
  const auto young = add_key(wanted->created_us + 1);
  EXPECT_EQ(wait(book_->approve(small, young, people_)).error().code, Errc::permission_denied);
  ASSERT_TRUE(start("large", true)) << "over a restart it waits still";
  EXPECT_EQ(decides(), "large");
  ASSERT_TRUE(wait(book_->approve(small, bob, people_)));
  EXPECT_EQ(decides(), "small");
  EXPECT_EQ(wait(book_->approve(small, bob, people_)).error().code, Errc::conflict);
}

TEST_F(TriageBookTest, WhatCannotBePutInForceLeavesWhatHolds) {
  ASSERT_TRUE(start("small"));
  ASSERT_TRUE(start("large"));
  const auto small = id_at(1);
  refuses_ = true;
  EXPECT_EQ(wait(book_->use(small, "anna")).error().code, Errc::invalid_argument);
  refuses_ = false;
  EXPECT_EQ(wait(book_->use("nonsense", "anna")).error().code, Errc::not_found);
  for (const auto& entry : std::filesystem::directory_iterator(folder_.file("triage") + "/files"))
    std::ofstream(entry.path(), std::ios::app) << " ";
  EXPECT_EQ(wait(book_->use(small, "anna")).error().code, Errc::corrupt);
  EXPECT_EQ(decides(), "large");
  EXPECT_NE(book_->in_force(), small);
  EXPECT_EQ(leaves().size(), 2U) << "nothing happened";
}

TEST_F(TriageBookTest, WhereNoClassifierIsInForceThereIsNothingToLearnBeside) {
  ASSERT_TRUE(start("small"));
  TriageBook::Lesson lesson{.author = "anna"};
  lesson.texts.resize(20, {"where can i park", "parking"});
  EXPECT_EQ(wait(book_->learn(std::move(lesson))).error().code, Errc::conflict);
  EXPECT_EQ(book_->versions().size(), 1U);
  EXPECT_EQ(leaves().size(), 1U) << "nothing happened";
}

TEST_F(TriageBookTest, WithoutTheKeptFilesTheServerSaysWhatToDo) {
  ASSERT_TRUE(start("small"));
  ASSERT_TRUE(start("large"));
  ASSERT_TRUE(wait(book_->use(id_at(1), "anna")));
  std::filesystem::remove_all(folder_.file("triage"));
  const auto refused = start("large");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().detail.find("start once with its files"), std::string::npos) << refused.error().detail;
  ASSERT_TRUE(start("small"));
  EXPECT_EQ(decides(), "small");
}

}  // namespace
}  // namespace sb::api
