#include "audit/merkle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/errors.h"

namespace sb::audit {
namespace {

// The largest power of two below n; RFC 6962, 2.1. REQUIRES n > 1.
std::uint64_t split_of(std::uint64_t n) {
  return std::bit_floor(n - 1);
}

}  // namespace

Digest leaf_hash(std::string_view leaf) {
  return sha256(std::string_view("\0", 1), leaf);
}

Digest node_hash(const Digest& left, const Digest& right) {
  std::array<char, 1 + 2 * sizeof(Digest)> bytes;
  bytes[0] = 1;
  std::memcpy(bytes.data() + 1, left.data(), left.size());
  std::memcpy(bytes.data() + 1 + left.size(), right.data(), right.size());
  return sha256({bytes.data(), bytes.size()});
}

Digest empty_root() {
  return sha256(std::string_view());
}

Digest CompactRange::root() const {
  if (roots_.empty()) return empty_root();
  Digest root = roots_.back();
  for (std::size_t i = roots_.size() - 1; i-- > 0;) root = node_hash(roots_[i], root);
  return root;
}

std::string CompactRange::serialize() const {
  std::string bytes;
  bytes.reserve(roots_.size() * sizeof(Digest));
  for (const Digest& root : roots_) bytes.append(reinterpret_cast<const char*>(root.data()), root.size());
  return bytes;
}

std::optional<CompactRange> CompactRange::parse(std::uint64_t size, std::string_view bytes) {
  const auto count = static_cast<std::size_t>(std::popcount(size));
  if (bytes.size() != count * sizeof(Digest)) return std::nullopt;
  CompactRange range;
  range.size_ = size;
  range.roots_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::memcpy(range.roots_[i].data(), bytes.data() + i * sizeof(Digest), sizeof(Digest));
  }
  return range;
}

void MerkleTree::append(const Digest& leaf) {
  Digest root = leaf;
  for (std::size_t level = 0;; ++level) {
    if (level == levels_.size()) levels_.emplace_back();
    levels_[level].push_back(root);
    const std::size_t count = levels_[level].size();
    if (count % 2 != 0) return;
    root = node_hash(levels_[level][count - 2], root);
  }
}

// Of leaves [begin, end), begin a multiple of the largest power of two in the length.
Digest MerkleTree::range_root(std::uint64_t begin, std::uint64_t end) const {
  const std::uint64_t count = end - begin;
  if (std::has_single_bit(count)) {
    const auto level = static_cast<std::size_t>(std::countr_zero(count));
    return levels_[level][begin >> level];
  }
  const std::uint64_t middle = begin + split_of(count);
  return node_hash(range_root(begin, middle), range_root(middle, end));
}

Digest MerkleTree::root(std::uint64_t size) const {
  SB_ASSERT(size <= this->size());
  return size == 0 ? empty_root() : range_root(0, size);
}

std::vector<Digest> MerkleTree::inclusion_proof(std::uint64_t index, std::uint64_t size) const {
  SB_ASSERT(index < size && size <= this->size());
  std::vector<Digest> proof;
  std::uint64_t begin = 0;
  std::uint64_t end = size;
  while (end - begin > 1) {
    const std::uint64_t middle = begin + split_of(end - begin);
    if (index < middle) {
      proof.push_back(range_root(middle, end));
      end = middle;
    } else {
      proof.push_back(range_root(begin, middle));
      begin = middle;
    }
  }
  std::ranges::reverse(proof);
  return proof;
}

// RFC 6962, 2.1.2: SUBPROOF(m, D[n], b), with D[n] = leaves [begin, end).
void MerkleTree::subproof(std::uint64_t old_size, std::uint64_t begin, std::uint64_t end, bool whole,
                          std::vector<Digest>& proof) const {
  if (old_size == end - begin) {
    if (!whole) proof.push_back(range_root(begin, end));
    return;
  }
  const std::uint64_t split = split_of(end - begin);
  if (old_size <= split) {
    subproof(old_size, begin, begin + split, whole, proof);
    proof.push_back(range_root(begin + split, end));
  } else {
    subproof(old_size - split, begin + split, end, false, proof);
    proof.push_back(range_root(begin, begin + split));
  }
}

std::vector<Digest> MerkleTree::consistency_proof(std::uint64_t old_size, std::uint64_t size) const {
  SB_ASSERT(old_size <= size && size <= this->size());
  std::vector<Digest> proof;
  if (old_size > 0 && old_size < size) subproof(old_size, 0, size, true, proof);
  return proof;
}

// RFC 9162, 2.1.3.2.
bool verify_inclusion(std::uint64_t index, std::uint64_t size, const Digest& leaf, std::span<const Digest> proof,
                      const Digest& root) {
  if (index >= size) return false;
  std::uint64_t node = index;
  std::uint64_t last = size - 1;
  Digest hash = leaf;
  for (const Digest& sibling : proof) {
    if (last == 0) return false;
    if ((node & 1) != 0 || node == last) {
      hash = node_hash(sibling, hash);
      while ((node & 1) == 0 && node != 0) {
        node >>= 1;
        last >>= 1;
      }
    } else {
      hash = node_hash(hash, sibling);
    }
    node >>= 1;
    last >>= 1;
  }
  return last == 0 && hash == root;
}

// RFC 9162, 2.1.4.2.
bool verify_consistency(std::uint64_t old_size, std::uint64_t size, const Digest& old_root, const Digest& root,
                        std::span<const Digest> proof) {
  if (old_size > size) return false;
  if (old_size == size) return proof.empty() && old_root == root;
  if (old_size == 0) return proof.empty() && old_root == empty_root();
  if (proof.empty()) return false;
  const bool perfect = std::has_single_bit(old_size);
  Digest old_hash = perfect ? old_root : proof.front();
  Digest hash = old_hash;
  if (!perfect) proof = proof.subspan(1);
  std::uint64_t node = old_size - 1;
  std::uint64_t last = size - 1;
  while ((node & 1) != 0) {
    node >>= 1;
    last >>= 1;
  }
  for (const Digest& sibling : proof) {
    if (last == 0) return false;
    if ((node & 1) != 0 || node == last) {
      old_hash = node_hash(sibling, old_hash);
      hash = node_hash(sibling, hash);
      while ((node & 1) == 0 && node != 0) {
        node >>= 1;
        last >>= 1;
      }
    } else {
      hash = node_hash(hash, sibling);
    }
    node >>= 1;
    last >>= 1;
  }
  return last == 0 && old_hash == old_root && hash == root;
}

}  // namespace sb::audit
