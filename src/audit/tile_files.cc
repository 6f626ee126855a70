#include "audit/tile_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "audit/checkpoint_note.h"
#include "base/bytes.h"
#include "base/files.h"

namespace sb::audit {
namespace {

constexpr const char* kSynced = ".synced";
constexpr mode_t kFileMode = 0644;

struct Descriptor {
  explicit Descriptor(int d) : value(d) {}
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int value;
};

std::unexpected<Error> system_error(const char* action, const std::string& path) {
  const int error = errno;
  const Errc code = errc_of_errno(error);
  return fail(code, fmt::format("cannot {} {}: {}", action, path, std::strerror(error)));
}

Result<> write_all(int file, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error("write", path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<> move(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return system_error("create", to);
  return {};
}

}  // namespace

Result<std::string> read_whole_file(const std::string& path, std::size_t bytes_max) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.value < 0) return system_error("read", path);
  struct stat info{};
  if (::fstat(file.value, &info) != 0) return system_error("read", path);
  if (!S_ISREG(info.st_mode)) return fail(Errc::not_found, fmt::format("cannot read {}: not a file", path));
  if (static_cast<std::uint64_t>(info.st_size) > bytes_max)
    return fail(Errc::too_large, fmt::format("{} has more than {} bytes", path, bytes_max));
  std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = ::read(file.value, bytes.data() + have, bytes.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("read", path);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

std::vector<TileId> tiles_since(std::uint64_t since, std::uint64_t size) {
  std::vector<TileId> tiles;
  for (int level = TileId::kEntries; level <= 0 || hashes_at(size, static_cast<unsigned>(level)) > 0; ++level) {
    const auto height = static_cast<unsigned>(std::max(level, 0));
    const std::uint64_t hashes = hashes_at(size, height);
    for (std::uint64_t i = hashes_at(since, height) / kTileWidth; i * kTileWidth < hashes; ++i)
      tiles.push_back({level, i, static_cast<unsigned>(std::min(kTileWidth, hashes - i * kTileWidth))});
  }
  return tiles;
}

Result<TileFiles> TileFiles::open(std::string folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (::access(folder.c_str(), W_OK | X_OK) != 0) return system_error("write to", folder);
  return TileFiles(std::move(folder));
}

Result<> TileFiles::make_parent_of(const std::string& path) {
  std::string parent = path.substr(0, path.rfind('/'));
  if (parent == made_) return {};
  std::error_code error;
  const bool partial = parent.ends_with(".p");
  if (!partial || std::filesystem::exists(parent, error) || !spares_->place_folder(parent))
    std::filesystem::create_directories(parent, error);
  if (error) {
    errno = error.value();
    return system_error("create", parent);
  }
  made_ = std::move(parent);
  return {};
}

// Not synced one by one: sync() does that for all of them, and a start that does not find it done writes them again.
Result<> TileFiles::write_over(const std::string& scratch, std::string_view bytes) {
  const Descriptor file(::open(scratch.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kFileMode));
  if (file.value < 0) {
    auto failed = system_error("create", scratch);
    made_.clear();  // somebody may have taken the folder away
    return failed;
  }
  auto written = write_all(file.value, bytes, scratch);
  if (!written) ::unlink(scratch.c_str());
  return written;
}

// Where the file system has no room among its spares, or lost them, beside where it is wanted.
Result<std::string> TileFiles::write_spare(const std::string& path, std::string_view bytes, SpareFiles::Time now) {
  std::string scratch = spares_->take_file(now);
  if (write_over(scratch, bytes)) return scratch;
  scratch = path + ".new";
  SB_CHECK(write_over(scratch, bytes));
  return scratch;
}

Result<> TileFiles::write(const Tile& tile) {
  const auto now = std::chrono::steady_clock::now();
  const std::string path = folder_ + "/" + tile.id.path();
  SB_CHECK(make_parent_of(path));
  SB_TRY(const auto scratch, write_spare(path, tile.bytes, now));
  SB_CHECK(move(scratch, path));
  if (tile.id.width == kTileWidth) {
    spares_->take_in_folder(path + ".p", now);
    if (made_ == path + ".p") made_.clear();
  }
  return {};
}

Result<> TileFiles::show(std::string_view tree_head) {
  const auto now = std::chrono::steady_clock::now();
  const std::string path = folder_ + "/" + kCheckpoint;
  SB_CHECK(make_parent_of(path));
  SB_TRY(const auto scratch, write_spare(path, tree_head, now));
  if (::renameat2(AT_FDCWD, scratch.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) != 0) return move(scratch, path);
  spares_->take_in(scratch, now);  // the one before
  return {};
}

Result<> TileFiles::write_note(const std::string& name, std::string_view note) {
  const std::string path = folder_ + "/" + name;
  SB_CHECK(make_parent_of(path));
  SB_CHECK(write_over(path + ".new", note));
  return move(path + ".new", path);
}

Result<> TileFiles::sync(std::uint64_t size) {
  const Descriptor folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.value < 0 || ::syncfs(folder.value) != 0) return system_error("sync", folder_);
  return write_note(kSynced, std::to_string(size) + "\n");
}

Result<std::string> TileFiles::read(const TileId& id) const {
  return read_whole_file(folder_ + "/" + id.path(), kBundleBytesMax);
}

std::string TileFiles::read_note(const std::string& name) const {
  return read_whole_file(folder_ + "/" + name, kMaxNoteBytes).value_or("");
}

std::uint64_t TileFiles::synced() const {
  const std::string text = read_whole_file(folder_ + "/" + kSynced, 32).value_or("");
  std::uint64_t size = 0;
  const auto digits = trim(text);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size);
  return error == std::errc() && end == digits.data() + digits.size() && size % kTileWidth == 0 ? size : 0;
}

}  // namespace sb::audit
