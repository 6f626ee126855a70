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

// Not synced one by one: sync() does that for all of them, and a start that does not find it done writes them again.
Result<> TileFiles::replace(const std::string& path, std::string_view bytes) {
  std::string parent = path.substr(0, path.rfind('/'));
  if (parent != made_) {
    std::error_code error;
    std::filesystem::create_directories(parent, error);
    if (error) {
      errno = error.value();
      return system_error("create", parent);
    }
    made_ = std::move(parent);
  }
  const std::string scratch = path + ".new";
  {
    const Descriptor file(::open(scratch.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kFileMode));
    if (file.value < 0) {
      auto failed = system_error("create", scratch);
      made_.clear();  // somebody may have taken the folder away
      return failed;
    }
    if (auto written = write_all(file.value, bytes, scratch); !written) {
      ::unlink(scratch.c_str());
      return written;
    }
  }
  if (::rename(scratch.c_str(), path.c_str()) != 0) return system_error("create", path);
  return {};
}

Result<> TileFiles::write(const Tile& tile) {
  const std::string path = folder_ + "/" + tile.id.path();
  SB_CHECK(replace(path, tile.bytes));
  if (tile.id.width == kTileWidth) {
    std::error_code ignored;
    std::filesystem::remove_all(path + ".p", ignored);
    if (made_ == path + ".p") made_.clear();
  }
  return {};
}

Result<> TileFiles::write_note(const std::string& name, std::string_view note) {
  return replace(folder_ + "/" + name, note);
}

Result<> TileFiles::sync(std::uint64_t size) {
  const Descriptor folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.value < 0 || ::syncfs(folder.value) != 0) return system_error("sync", folder_);
  return replace(folder_ + "/" + kSynced, std::to_string(size) + "\n");
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
