/// The published log as files, in the layout of C2SP tlog-tiles: any web server can serve the folder as it is.
///
///     DIR/checkpoint            the newest signed tree head
///     DIR/checkpoint.witnessed  the newest one with cosignatures of a quorum (witnesses.h)
///     DIR/timestamp/...         time stamps of tree heads (timestamps.h)
///     DIR/tile/...              see tile.h
///     DIR/.synced               so many leaves' full tiles are known to survive power loss
///     DIR/.witness/...          the tree head that each witness cosigned last (witnesses.h)
///     DIR/.spare/...            of no meaning (spare_files.h)
///
/// The database is the truth, these files are made from it: nothing here is waited for by a commit, and what power loss
/// takes is written again at the next start.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "audit/spare_files.h"
#include "audit/tile.h"
#include "base/errors.h"

namespace sb::audit {

class TileFiles {
 public:
  static constexpr const char* kCheckpoint = "checkpoint";
  static constexpr const char* kWitnessed = "checkpoint.witnessed";

  /// Errors: permission_denied, disk_full.
  static Result<TileFiles> open(std::string folder);

  /// Each file is there as a whole or not at all. A full tile takes the place of its partial ones.
  Result<> write(const Tile& tile);
  /// As kCheckpoint. From the thread that writes tiles.
  Result<> show(std::string_view tree_head);
  /// `name`: another below the folder that is not a tile's.
  Result<> write_note(const std::string& name, std::string_view note);
  /// Makes what was written so far durable, and notes that it is. `size`: leaves, a multiple of 256.
  Result<> sync(std::uint64_t size);

  Result<std::string> read(const TileId& id) const;
  /// Empty: none.
  std::string read_note(const std::string& name) const;
  /// The note of sync(); 0 where there is none.
  std::uint64_t synced() const;

 private:
  explicit TileFiles(std::string folder)
      : folder_(std::move(folder)), spares_(std::make_shared<SpareFiles>(folder_ + "/.spare")) {}
  Result<> make_parent_of(const std::string& path);
  Result<> write_over(const std::string& scratch, std::string_view bytes);
  Result<std::string> write_spare(const std::string& path, std::string_view bytes, SpareFiles::Time now);
  std::string folder_;
  std::shared_ptr<SpareFiles> spares_;  ///< of tiles, which one thread writes
  std::string made_;                    ///< the folder made last: most files go where the one before went
};

/// The tiles that a tree of `size` leaves has and one of `since` leaves (a multiple of 256) had not, lower ones first.
std::vector<TileId> tiles_since(std::uint64_t since, std::uint64_t size);

/// A whole file. Errors: not_found, permission_denied, too_large.
Result<std::string> read_whole_file(const std::string& path, std::size_t bytes_max);

}  // namespace sb::audit
