#include "store/data_dir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "store/file_lock.h"
#include "store/testing.h"

namespace sb::store {
namespace {

TEST(DataDir, IsMadeOnceAndThenStaysAsItIs) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.file("deep/data");
  EXPECT_EQ(DataDir::open(path).error().code, Errc::not_found);
  const auto first = DataDir::open_or_create(path, system_entropy());
  ASSERT_TRUE(first) << first.error().detail;
  EXPECT_EQ(first->audit_seed().size(), 32U);
  EXPECT_NE(first->audit_seed(), first->vault_key());
  EXPECT_NE(first->vault_key(), first->pepper());
  const auto again = DataDir::open_or_create(path, system_entropy());
  const auto opened = DataDir::open(path);
  ASSERT_TRUE(again && opened);
  EXPECT_EQ(again->audit_seed(), first->audit_seed());
  EXPECT_EQ(opened->vault_key(), first->vault_key());
  EXPECT_EQ(opened->pepper(), first->pepper());
  struct stat info{};
  ASSERT_EQ(::stat((path + "/keys/vault.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST(DataDir, RefusesKeysThatOthersCanReadOrThatAreCutShort) {
  const testing::TemporaryFolder folder;
  ASSERT_TRUE(DataDir::open_or_create(folder.path(), system_entropy()));
  const std::string pepper = folder.file("keys/pepper");
  ASSERT_EQ(::chmod(pepper.c_str(), 0644), 0);
  EXPECT_EQ(DataDir::open(folder.path()).error().code, Errc::permission_denied);
  ASSERT_EQ(::chmod(pepper.c_str(), 0600), 0);
  ASSERT_EQ(::truncate(pepper.c_str(), 31), 0);
  EXPECT_EQ(DataDir::open(folder.path()).error().code, Errc::corrupt);
}

TEST(DataDir, DoesNotInventKeysForADatabaseThatHasLostThem) {
  const testing::TemporaryFolder folder;
  ASSERT_TRUE(DataDir::open_or_create(folder.path(), system_entropy()));
  std::ofstream(folder.file(DataDir::kDatabase)) << "x";
  ASSERT_EQ(::unlink(folder.file("keys/audit.seed").c_str()), 0);
  EXPECT_EQ(DataDir::open_or_create(folder.path(), system_entropy()).error().code, Errc::corrupt);
}

TEST(DataDir, SaysWhereItCannotBe) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder.file("file")) << "x";
  EXPECT_FALSE(DataDir::open_or_create(folder.file("file/data"), system_entropy()));
  EXPECT_FALSE(DataDir::open_or_create(folder.file("file"), system_entropy()));
}

TEST(FileLock, NamesTheProcessThatHoldsIt) {
  const testing::TemporaryFolder folder;
  {
    const auto held = FileLock::acquire(folder.file("lock"));
    ASSERT_TRUE(held);
    const auto second = FileLock::acquire(folder.file("lock"));
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::conflict);
    EXPECT_NE(second.error().detail.find(std::to_string(::getpid())), std::string::npos);
  }
  EXPECT_TRUE(FileLock::acquire(folder.file("lock")));
}

}  // namespace
}  // namespace sb::store
