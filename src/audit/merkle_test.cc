#include "audit/merkle.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace sb::audit {
namespace {

// The eight leaves and the roots after each of them that Certificate Transparency's reference implementation tests
// with.
const std::vector<std::string>& leaves() {
  static const std::vector<std::string> values = [] {
    std::vector<std::string> bytes;
    for (const char* hex :
         {"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}) {
      bytes.push_back(*from_hex(hex));
    }
    return bytes;
  }();
  return values;
}
constexpr const char* kRoots[] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

MerkleTree tree_of(std::uint64_t size) {
  MerkleTree tree;
  for (std::uint64_t i = 0; i < size; ++i) tree.append(leaf_hash("leaf " + std::to_string(i)));
  return tree;
}

TEST(Merkle, HasTheRootsOfTheReferenceImplementation) {
  CompactRange range;
  MerkleTree tree;
  EXPECT_EQ(to_hex(range.root()), kRoots[0]);
  for (std::size_t i = 0; i < leaves().size(); ++i) {
    range.append(leaf_hash(leaves()[i]));
    tree.append(leaf_hash(leaves()[i]));
    EXPECT_EQ(to_hex(range.root()), kRoots[i + 1]);
    EXPECT_EQ(to_hex(tree.root(i + 1)), kRoots[i + 1]);
  }
}

TEST(Merkle, HasTheProofsOfTheReferenceImplementation) {
  MerkleTree tree;
  for (const std::string& leaf : leaves()) tree.append(leaf_hash(leaf));
  const auto hex = [](const std::vector<Digest>& proof) {
    std::vector<std::string> text;
    for (const Digest& hash : proof) text.push_back(to_hex(hash));
    return text;
  };
  EXPECT_EQ(hex(tree.inclusion_proof(0, 8)),
            (std::vector<std::string>{"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                                      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                                      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}));
  EXPECT_EQ(hex(tree.consistency_proof(6, 8)),
            (std::vector<std::string>{"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                                      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                                      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}));
}

TEST(Merkle, CompactRangeAndTreeAgreeAndARangeGoesOnFromItsBytes) {
  const MerkleTree tree = tree_of(300);
  CompactRange range;
  for (std::uint64_t i = 0; i < 300; ++i) {
    ASSERT_EQ(range.root(), tree.root(i));
    const auto again = CompactRange::parse(i, range.serialize());
    ASSERT_TRUE(again);
    ASSERT_EQ(again->root(), range.root());
    range = *again;
    range.append(leaf_hash("leaf " + std::to_string(i)));
  }
  EXPECT_FALSE(CompactRange::parse(3, std::string(32, 'x')));
}

TEST(Merkle, EveryInclusionProofHoldsAndNoOtherDoes) {
  const MerkleTree tree = tree_of(70);
  for (std::uint64_t size = 1; size <= 70; ++size) {
    const Digest root = tree.root(size);
    for (std::uint64_t index = 0; index < size; ++index) {
      const Digest leaf = leaf_hash("leaf " + std::to_string(index));
      auto proof = tree.inclusion_proof(index, size);
      ASSERT_TRUE(verify_inclusion(index, size, leaf, proof, root)) << index << " of " << size;
      ASSERT_FALSE(verify_inclusion(index + 1, size, leaf, proof, root));
      ASSERT_FALSE(verify_inclusion(index, size, leaf_hash("other"), proof, root));
      ASSERT_FALSE(verify_inclusion(size, size, leaf, proof, root));
      proof.push_back(root);
      ASSERT_FALSE(verify_inclusion(index, size, leaf, proof, root));
      proof.pop_back();
      if (proof.empty()) continue;
      proof[proof.size() / 2][3] ^= 1;
      ASSERT_FALSE(verify_inclusion(index, size, leaf, proof, root));
      proof.pop_back();
      ASSERT_FALSE(verify_inclusion(index, size, leaf, proof, root));
    }
  }
}

TEST(Merkle, EveryConsistencyProofHoldsAndNoOtherDoes) {
  const MerkleTree tree = tree_of(70);
  for (std::uint64_t size = 1; size <= 70; ++size) {
    for (std::uint64_t old_size = 1; old_size <= size; ++old_size) {
      auto proof = tree.consistency_proof(old_size, size);
      const Digest old_root = tree.root(old_size);
      const Digest root = tree.root(size);
      ASSERT_TRUE(verify_consistency(old_size, size, old_root, root, proof)) << old_size << " to " << size;
      ASSERT_FALSE(verify_consistency(old_size, size, leaf_hash("other"), root, proof));
      ASSERT_FALSE(verify_consistency(old_size, size, old_root, leaf_hash("other"), proof));
      ASSERT_FALSE(verify_consistency(size + 1, size, old_root, root, proof));
      if (proof.empty()) continue;
      proof.back()[5] ^= 1;
      ASSERT_FALSE(verify_consistency(old_size, size, old_root, root, proof));
      proof.pop_back();
      ASSERT_FALSE(verify_consistency(old_size, size, old_root, root, proof));
    }
  }
  EXPECT_TRUE(verify_consistency(0, 5, empty_root(), tree.root(5), {}));
}

}  // namespace
}  // namespace sb::audit
