#include "audit/tile_tree.h"

#include <gtest/gtest.h>

#include "audit/publisher.h"
#include "audit/witness_testing.h"
#include "store/sqlite/codec.h"
#include "store/testing.h"

namespace sb::audit {
namespace {

std::string plain_leaf(std::uint64_t index) {
  return "leaf " + std::to_string(index);
}

// Tiles of a log that was shown at `sizes`, so that partial tiles of earlier sizes lie there, or are gone.
class GrownLog : public ::testing::Test {
 protected:
  void grow(std::initializer_list<std::uint64_t> sizes) {
    const NoteSigner signer = testing::test_log();
    Publisher publisher(signer, TileEdge(), *TileFiles::open(folder_.path()), {});
    for (const std::uint64_t size : sizes) {
      std::string bundle;
      for (; tree_.size() < size; tree_.append(leaf_hash(plain_leaf(tree_.size()))))
        store::sqlite::append_leaf(bundle, plain_leaf(tree_.size()));
      publisher.add(std::move(bundle));
      ASSERT_EQ(publisher.head(size)->size, size);
    }
    source_ = open_log_folder(folder_.path());
  }
  store::testing::TemporaryFolder folder_;
  MerkleTree tree_;
  std::unique_ptr<LogSource> source_;
};

TEST_F(GrownLog, ProvesWhatTheWholeTreeInMemoryProves) {
  grow({1, 2, 3, 100, 255, 256, 257, 700});
  for (const std::uint64_t size : {1, 2, 3, 100, 255, 256, 257, 700}) {
    TileTree tiles(*source_, size);
    const auto root = tiles.root(0, size);
    ASSERT_TRUE(root) << root.error().detail;
    EXPECT_EQ(*root, tree_.root(size));
    for (std::uint64_t old = 1; old <= size; ++old) {
      const auto proof = tiles.consistency_proof(old);
      ASSERT_TRUE(proof) << proof.error().detail;
      ASSERT_EQ(*proof, tree_.consistency_proof(old, size)) << old << " to " << size;
      ASSERT_TRUE(verify_consistency(old, size, tree_.root(old), *root, *proof)) << old << " to " << size;
    }
    EXPECT_TRUE(tiles.consistency_proof(0)->empty());
    EXPECT_EQ(*tiles.inclusion_proof(size - 1), tree_.inclusion_proof(size - 1, size));
  }
}

TEST_F(GrownLog, ACutTileIsNoProof) {
  grow({700});
  std::filesystem::resize_file(folder_.file("tile/0/001"), 64);
  EXPECT_EQ(TileTree(*source_, 700).consistency_proof(300).error().code, Errc::corrupt);
  std::filesystem::remove(folder_.file("tile/0/001"));
  EXPECT_EQ(TileTree(*source_, 700).consistency_proof(300).error().code, Errc::not_found);
}

}  // namespace
}  // namespace sb::audit
