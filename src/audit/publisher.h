/// The thread behind the store's writer: hashes leaves that are on disk, writes tiles, signs and shows tree heads.
///
/// A tree head is made over leaves whose transaction is durable, and after the tiles that prove it: whenever this
/// process is killed, the next one continues every tree head that anybody has seen.
#pragma once

#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "audit/checkpoint_note.h"
#include "audit/tile.h"
#include "audit/tile_files.h"
#include "base/errors.h"

namespace sb::audit {

class Publisher {
 public:
  struct Head {
    std::uint64_t size = 0;
    std::string note;
  };
  struct Options {
    std::chrono::milliseconds delay{
        40};  ///< a tree head is begun so long after its oldest leaf, unless it is asked for
    std::chrono::seconds sync_every{30};
    std::size_t unwritten_bytes_max = 64 << 20;  ///< of tiles that wait for files that cannot be written
  };

  /// `edge` holds the leaves so far, `files` is null for a log that is not published. Borrows `signer`.
  Publisher(const NoteSigner& signer, TileEdge edge, std::optional<TileFiles> files, Options options);
  /// Shows a tree head over everything, then ends.
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  /// Whether leaves may come. Errors: disk_full, unavailable (files could not be written for so long that memory
  /// would fill). Any thread.
  Result<> has_room() const;
  /// Leaves that are on disk, as an entry bundle. Waits while more than 1 MiB are behind, so that heads keep up.
  void add(std::string bundle);
  /// The newest tree head; `wait_for`: one over so many leaves, unless files cannot be written. Any thread.
  std::optional<Head> head(std::uint64_t wait_for = 0);

  /// Shows a newest head's note with cosignatures in place of the plain one; an older head is passed over. Any thread.
  void cosigned(Head head);

  std::uint64_t shown() const;  ///< leaves under the newest tree head

 private:
  void run();
  void consume(const std::vector<std::string>& bundles);
  Result<> show();
  Result<> show_cosigned();
  Result<> write_full_tiles();
  Result<> write_partial_tiles();
  void sync_files(std::uint64_t size);

  const NoteSigner& signer_;
  const Options options_;
  TileEdge edge_;
  std::optional<TileFiles> files_;
  std::vector<Tile> unwritten_;
  std::vector<TileId> partial_;  ///< written under the newest tree head
  std::chrono::steady_clock::time_point synced_at_;
  std::uint64_t synced_size_ = 0;  ///< asked for; a failed sync is made up for by the next one
  std::future<Result<>> syncing_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable shown_;
  // Under mutex_:
  std::vector<std::string> queue_;
  std::size_t queue_bytes_ = 0;
  std::optional<std::chrono::steady_clock::time_point> due_;  ///< the next tree head; none: all leaves have one
  bool hurry_ = false;
  std::optional<Error> failing_;
  std::size_t unwritten_bytes_ = 0;
  bool stopping_ = false;
  std::optional<Head> head_;
  std::optional<Head> cosigned_;  ///< to be shown
  std::thread thread_;
};

}  // namespace sb::audit
