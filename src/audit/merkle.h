/// RFC 6962 Merkle trees with SHA-256 (pure): what makes the record tamper-evident.
///
/// Section 2.1 defines the hashes and proofs; the verification algorithms are those of RFC 9162, 2.1.3.2 and 2.1.4.2.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.h"

namespace sb::audit {

Digest leaf_hash(std::string_view leaf);
Digest node_hash(const Digest& left, const Digest& right);
/// Root of the tree without leaves: the hash of nothing.
Digest empty_root();

/// The roots of the perfect subtrees that the leaves so far form, largest first: all that appending needs. At most 64
/// hashes.
class CompactRange {
 public:
  void append(const Digest& leaf) {
    append(leaf, [](unsigned, const Digest&) {});
  }
  /// Also tells of every perfect subtree that the leaf completes, itself (height 0) first: on_node(height, root).
  template <class OnNode>
  void append(const Digest& leaf, OnNode on_node);
  std::uint64_t size() const { return size_; }
  Digest root() const;

  std::string serialize() const;  ///< the hashes, one after the other
  /// Nothing where `bytes` does not have the length that `size` leaves give.
  static std::optional<CompactRange> parse(std::uint64_t size, std::string_view bytes);

 private:
  std::uint64_t size_ = 0;
  std::vector<Digest> roots_;
};

// As in binary addition: a new leaf merges with each subtree of its own height in turn.
template <class OnNode>
void CompactRange::append(const Digest& leaf, OnNode on_node) {
  Digest root = leaf;
  unsigned height = 0;
  on_node(height, root);
  for (std::uint64_t rest = size_; rest & 1; rest >>= 1) {
    root = node_hash(roots_.back(), root);
    roots_.pop_back();
    on_node(++height, root);
  }
  roots_.push_back(root);
  ++size_;
}

/// A whole tree in memory (64 bytes a leaf), for proofs.
class MerkleTree {
 public:
  void append(const Digest& leaf);
  std::uint64_t size() const { return levels_.empty() ? 0 : levels_.front().size(); }
  /// REQUIRES size <= size().
  Digest root(std::uint64_t size) const;
  /// That leaf `index` is in the tree of `size` leaves. REQUIRES index < size <= size().
  std::vector<Digest> inclusion_proof(std::uint64_t index, std::uint64_t size) const;
  /// That the tree of `size` leaves begins with that of `old_size`. REQUIRES old_size <= size <= size().
  std::vector<Digest> consistency_proof(std::uint64_t old_size, std::uint64_t size) const;

 private:
  Digest range_root(std::uint64_t begin, std::uint64_t end) const;
  void subproof(std::uint64_t old_size, std::uint64_t begin, std::uint64_t end, bool whole,
                std::vector<Digest>& proof) const;

  std::vector<std::vector<Digest>> levels_;  ///< [level][i]: root of leaves [i << level, (i + 1) << level)
};

bool verify_inclusion(std::uint64_t index, std::uint64_t size, const Digest& leaf, std::span<const Digest> proof,
                      const Digest& root);
bool verify_consistency(std::uint64_t old_size, std::uint64_t size, const Digest& old_root, const Digest& root,
                        std::span<const Digest> proof);

}  // namespace sb::audit
