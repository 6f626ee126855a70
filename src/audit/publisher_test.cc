#include "audit/publisher.h"

#include <gtest/gtest.h>

#include "audit/witness_testing.h"
#include "store/sqlite/codec.h"
#include "store/testing.h"

namespace sb::audit {
namespace {

// Late ones must not take back a newer tree head.
TEST(Publisher, ShowsCosignaturesOnTheNewestTreeHeadOnly) {
  const store::testing::TemporaryFolder folder;
  const NoteSigner signer = testing::test_log();
  TileFiles files = *TileFiles::open(folder.path());
  const auto shown = [&] { return files.read_note(TileFiles::kCheckpoint); };
  const auto add = [](Publisher& publisher, const char* leaf) {
    std::string bundle;
    store::sqlite::append_leaf(bundle, leaf);
    publisher.add(std::move(bundle));
  };
  std::string second;
  {
    Publisher publisher(signer, TileEdge(), files, {});
    add(publisher, "one");
    const std::string first = publisher.head(1)->note;
    add(publisher, "two");
    second = publisher.head(2)->note;
    publisher.cosigned({1, first + "late\n"});
  }
  EXPECT_EQ(shown(), second);
  {
    Publisher publisher(signer, TileEdge(), files, {});
    add(publisher, "one");
    add(publisher, "two");
    ASSERT_EQ(publisher.head(2)->note, second);
    publisher.cosigned({2, second + "in time\n"});
  }
  EXPECT_EQ(shown(), second + "in time\n");
}

}  // namespace
}  // namespace sb::audit
