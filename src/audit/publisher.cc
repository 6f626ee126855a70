#include "audit/publisher.h"

#include <algorithm>

#include "base/log.h"
#include "store/sqlite/codec.h"

namespace sb::audit {
namespace {

using Steady = std::chrono::steady_clock;

// A tree head is as late as what is queued before it takes to be hashed and written: 1 MiB take some 25 ms where
// making a file takes 0.5 ms (ext4 at its worst, bench/audit). 32 MiB let heads be 1.1 s late under full load.
constexpr std::size_t kQueueBytesMax = 1 << 20;
// So much is hashed and fills tiles before a tree head is due, so that the head has little to wait for.
constexpr std::size_t kEnoughBytes = 256 << 10;
constexpr std::chrono::milliseconds kRetryFiles{250};
constexpr std::chrono::seconds kHeadPatience{5};

}  // namespace

Publisher::Publisher(const NoteSigner& signer, TileEdge edge, std::optional<TileFiles> files, Options options)
    : signer_(signer),
      options_(std::move(options)),
      edge_(std::move(edge)),
      files_(std::move(files)),
      synced_at_(Steady::now()) {
  // What the last process did not come to show, before the first new leaf; a file that cannot be written is told of,
  // and tried again, by the thread.
  hurry_ = !show().has_value();
  thread_ = std::thread([this] { run(); });
}

Publisher::~Publisher() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

Result<> Publisher::has_room() const {
  const std::lock_guard lock(mutex_);
  if (!failing_ || unwritten_bytes_ < options_.unwritten_bytes_max) return {};
  return fail(
      failing_->code == Errc::disk_full ? Errc::disk_full : Errc::unavailable,
      "the audit log's files cannot be written (the server's log says why); nothing new is taken before they can "
      "be");
}

void Publisher::add(std::string bundle) {
  std::unique_lock lock(mutex_);
  shown_.wait(lock, [&] { return queue_bytes_ < kQueueBytesMax; });
  const bool first = !due_;
  const bool was_enough = queue_bytes_ >= kEnoughBytes;
  if (first) due_ = Steady::now() + options_.delay;
  queue_bytes_ += bundle.size();
  queue_.push_back(std::move(bundle));
  if (first || (!was_enough && queue_bytes_ >= kEnoughBytes)) wake_.notify_one();
}

std::optional<Publisher::Head> Publisher::head(std::uint64_t wait_for) {
  std::unique_lock lock(mutex_);
  if (wait_for > (head_ ? head_->size : 0) && !failing_) {
    hurry_ = true;
    wake_.notify_one();
    shown_.wait_for(lock, kHeadPatience, [&] { return failing_.has_value() || (head_ && head_->size >= wait_for); });
  }
  return head_;
}

void Publisher::cosigned(Head head) {
  {
    const std::lock_guard lock(mutex_);
    cosigned_ = std::move(head);
  }
  wake_.notify_one();
}

std::uint64_t Publisher::shown() const {
  const std::lock_guard lock(mutex_);
  return head_ ? head_->size : 0;
}

void Publisher::run() {
  for (;;) {
    std::vector<std::string> bundles;
    bool ending, showing;
    {
      std::unique_lock lock(mutex_);
      const auto asked = [&] { return stopping_ || hurry_ || cosigned_ || queue_bytes_ >= kEnoughBytes; };
      wake_.wait(lock, [&] { return asked() || due_; });
      if (!asked()) wake_.wait_until(lock, *due_, asked);
      bundles.swap(queue_);
      queue_bytes_ = 0;
      ending = stopping_;
      // A head costs a signature and the files of its partial tiles, which the next one throws away: one each `delay`,
      // however many leaves come.
      showing = stopping_ || hurry_ || (due_ && *due_ <= Steady::now());
      if (showing) due_.reset();
      hurry_ = false;
    }
    consume(bundles);
    auto shown = write_full_tiles();
    if (shown && showing) shown = show();
    if (shown) shown = show_cosigned();
    {
      std::unique_lock lock(mutex_);
      if (!shown && !failing_)
        log_error("audit.not_published", {{"code", to_string(shown.error().code)}, {"detail", shown.error().detail}});
      failing_ = shown ? std::nullopt : std::optional(shown.error());
      unwritten_bytes_ = 0;
      for (const Tile& tile : unwritten_) unwritten_bytes_ += tile.bytes.size();
      if (failing_ && !ending) {
        hurry_ = true;  // again, soon: the leaves are in memory, only the files lag
        wake_.wait_for(lock, kRetryFiles, [&] { return stopping_ || queue_bytes_ >= kQueueBytesMax; });
      }
    }
    shown_.notify_all();
    const std::lock_guard lock(mutex_);
    if (ending && queue_.empty()) return;
  }
}

void Publisher::consume(const std::vector<std::string>& bundles) {
  for (const std::string& bundle : bundles) {
    std::string_view rest = bundle;
    while (!rest.empty()) edge_.append(*store::sqlite::take_leaf(rest));
  }
  shown_.notify_all();  // there is room in the queue again
}

Result<> Publisher::write_full_tiles() {
  auto full = edge_.take_full();
  if (!files_) return {};
  std::ranges::move(full, std::back_inserter(unwritten_));
  std::size_t done = 0;
  Result<> written;
  for (; done < unwritten_.size() && (written = files_->write(unwritten_[done])); ++done) {
  }
  unwritten_.erase(unwritten_.begin(), unwritten_.begin() + static_cast<std::ptrdiff_t>(done));
  return written;
}

// Those of upper levels stay as they are for many tree heads.
Result<> Publisher::write_partial_tiles() {
  std::vector<TileId> written;
  for (const Tile& tile : edge_.partial()) {
    if (std::ranges::find(partial_, tile.id) == partial_.end()) SB_CHECK(files_->write(tile));
    written.push_back(tile.id);
  }
  partial_ = std::move(written);
  return {};
}

// Tiles first, then the tree head that they prove.
Result<> Publisher::show() {
  const TreeHead head{signer_.verifier().name(), edge_.size(), edge_.root()};
  {
    const std::lock_guard lock(mutex_);
    if (head_ && head_->size == head.size) return {};
  }
  SB_CHECK(write_full_tiles());
  if (files_) SB_CHECK(write_partial_tiles());
  std::string note = signer_.sign(tree_head_text(head));
  if (files_) {
    SB_CHECK(files_->show(note));
    sync_files(head.size / kTileWidth * kTileWidth);
  }
  const std::lock_guard lock(mutex_);
  head_ = Head{head.size, std::move(note)};
  return {};
}

// On this thread, as every change of the file: cosignatures that come late must not take back a newer tree head.
Result<> Publisher::show_cosigned() {
  std::optional<Head> head;
  {
    const std::lock_guard lock(mutex_);
    head = std::exchange(cosigned_, std::nullopt);
    if (!head || !files_ || head->size != head_->size) return {};
  }
  const auto written = files_->show(head->note);
  if (!written) {
    const std::lock_guard lock(mutex_);
    if (!cosigned_) cosigned_ = std::move(head);
  }
  return written;
}

// On a thread of its own: it may take seconds on a busy disk, and the next tree head does not wait for it.
void Publisher::sync_files(std::uint64_t size) {
  using std::chrono::milliseconds;
  if (syncing_.valid()) {
    if (syncing_.wait_for(milliseconds(0)) != std::future_status::ready) return;
    if (const auto synced = syncing_.get(); !synced)
      log_warn("audit.not_synced", {{"code", to_string(synced.error().code)}, {"detail", synced.error().detail}});
  }
  if (size == synced_size_ || Steady::now() - synced_at_ <= options_.sync_every) return;
  syncing_ = std::async(std::launch::async, [files = *files_, size]() mutable { return files.sync(size); });
  synced_size_ = size;
  synced_at_ = Steady::now();
}

}  // namespace sb::audit
