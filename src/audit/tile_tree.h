/// Roots and proofs of a published log, read from its tiles.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "audit/log_source.h"
#include "audit/merkle.h"

namespace sb::audit {

/// The tree of the first `size` leaves. Reads each tile that it needs once. Borrows the source.
class TileTree {
 public:
  TileTree(LogSource& log, std::uint64_t size) : log_(log), size_(size) {}

  // Errors of all: as LogSource::tile(), corrupt (a tile's length).
  /// Of leaves [begin, end). REQUIRES begin < end <= size, begin a multiple of the largest power of two below or equal
  /// to the length (RFC 6962, 2.1).
  Result<Digest> root(std::uint64_t begin, std::uint64_t end);
  /// REQUIRES index < size.
  Result<std::vector<Digest>> inclusion_proof(std::uint64_t index);
  /// That this tree begins with that of `old_size` leaves; empty for 0. REQUIRES old_size <= size.
  Result<std::vector<Digest>> consistency_proof(std::uint64_t old_size);

 private:
  Result<Digest> perfect(std::uint64_t begin, unsigned height);

  LogSource& log_;
  const std::uint64_t size_;
  std::map<std::string, std::string> tiles_;
};

}  // namespace sb::audit
