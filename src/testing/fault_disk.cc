#include "testing/fault_disk.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/errors.h"

namespace sb::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSectorBytes = 512;
FaultDisk* g_disk = nullptr;  // SQLite's and the linker's calls come without a place for it

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  std::string bytes(file ? static_cast<std::size_t>(file.tellg()) : 0, '\0');
  file.seekg(0).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

bool is_shared_memory(const std::string& path) {
  return path.ends_with("-shm");
}

void put(std::string& file, std::uint64_t offset, std::string_view bytes) {
  if (file.size() < offset + bytes.size()) file.resize(offset + bytes.size());
  file.replace(offset, bytes.size(), bytes);
}

}  // namespace

FaultDisk::FaultDisk(std::string root, std::uint64_t seed) : root_(std::move(root)), entropy_(seed) {
  SB_ASSERT(g_disk == nullptr);
  g_disk = this;
  sync_all();
}

FaultDisk::~FaultDisk() {
  g_disk = nullptr;
}

void FaultDisk::die_after(std::uint64_t operations) {
  const auto held = lock();
  dies_at_ = operations_ + operations + 1;
}

void FaultDisk::fill_after(std::uint64_t operations, std::uint64_t count) {
  const auto held = lock();
  full_from_ = operations_ + operations + 1;
  full_until_ = full_from_ + count;
}

bool FaultDisk::dead() const {
  const auto held = lock();
  return dead_;
}

std::uint64_t FaultDisk::operations() const {
  const auto held = lock();
  return operations_;
}

FaultDisk::Verdict FaultDisk::next(const std::string& path, bool writes) {
  if (dead_) return Verdict::dead;
  // The mirror's copy of the published log follows the clock: it would make every count one of its own.
  if (path.find("/mirror/audit/") != std::string::npos) return Verdict::go;
  ++operations_;
  if (operations_ >= dies_at_) {
    dead_ = true;
    return Verdict::crash;
  }
  return writes && operations_ >= full_from_ && operations_ < full_until_ ? Verdict::full : Verdict::go;
}

FaultDisk::Journaled& FaultDisk::journaled(const std::string& path) {
  const auto [file, is_new] = journaled_.try_emplace(path);
  if (is_new && fs::exists(path)) file->second.synced = contents(path);
  return file->second;
}

void FaultDisk::sync(Journaled& file) {
  if (!file.synced) file.synced.emplace();
  for (const Write& write : file.since) {
    if (write.is_truncate)
      file.synced->resize(write.offset);
    else
      put(*file.synced, write.offset, write.bytes);
  }
  file.since.clear();
}

void FaultDisk::sync_content(const std::string& path) {
  synced_contents_.insert(contents(path));
}

void FaultDisk::sync_names(const std::string& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file() && !journaled_.contains(entry.path())) names_[entry.path()] = contents(entry.path());
  }
}

void FaultDisk::sync_all() {
  if (!fs::exists(root_)) return;
  for (const auto& entry : fs::recursive_directory_iterator(root_)) {
    if (!entry.is_regular_file() || journaled_.contains(entry.path())) continue;
    names_[entry.path()] = contents(entry.path());
    synced_contents_.insert(names_[entry.path()]);
  }
}

void FaultDisk::renamed(const std::string& path) {
  if (!fs::is_directory(path)) renamed_.emplace_back(path, contents(path));
}

std::vector<std::string> FaultDisk::contents_of(const std::string& name) const {
  const auto held = lock();
  std::vector<std::string> found;
  for (const auto& [path, bytes] : renamed_) {
    if (path == root_ + "/" + name) found.push_back(bytes);
  }
  return found;
}

std::optional<std::string> FaultDisk::after_power_loss(const Journaled& file) {
  std::optional<std::string> left = file.synced;
  const std::uint64_t likely = draw(5);  // of four sectors, so many arrived
  const auto arrives = [&] { return draw(4) < likely; };
  for (const Write& write : file.since) {
    if (write.is_truncate) {
      if (left && arrives()) left->resize(write.offset);
      continue;
    }
    for (std::uint64_t at = 0; at < write.bytes.size();) {
      const std::uint64_t end = (write.offset + at) / kSectorBytes * kSectorBytes + kSectorBytes - write.offset;
      const auto piece = std::string_view(write.bytes).substr(at, end - at);
      if (arrives()) put(left ? *left : left.emplace(), write.offset + at, piece);
      at += piece.size();
    }
  }
  return left;
}

std::optional<std::string> FaultDisk::after_power_loss(const std::string& path, const std::string& now) {
  const auto before = names_.find(path);
  const bool is_whole = synced_contents_.contains(now);
  if (is_whole && before != names_.end() && before->second == now) return now;
  switch (draw(is_whole ? 2 : 4)) {
    case 0:
      return now;
    case 1:
      return before == names_.end() ? std::nullopt : std::optional(before->second);
    case 2:
      return std::string();
    default: {
      std::string torn = now.substr(0, draw(now.size()) / kSectorBytes * kSectorBytes);
      torn.resize(now.size());
      return torn;
    }
  }
}

void FaultDisk::leave(const std::string& folder, bool power_loss) {
  const auto held = lock();
  std::vector<std::string> paths;
  for (const auto& entry : fs::recursive_directory_iterator(root_)) {
    const std::string path = entry.path();
    if (entry.is_directory()) fs::create_directories(folder + path.substr(root_.size()));
    if (entry.is_regular_file() && !is_shared_memory(path)) paths.push_back(path);
  }
  std::ranges::sort(paths);
  for (const std::string& path : paths) {
    std::optional<std::string> left = contents(path);
    const auto database = journaled_.find(path);
    if (power_loss)
      left = database != journaled_.end() ? after_power_loss(database->second) : after_power_loss(path, *left);
    if (!left) continue;
    const std::string to = folder + path.substr(root_.size());
    std::ofstream(to, std::ios::binary) << *left;
    fs::permissions(to, fs::status(path).permissions());
  }
}

namespace {

// SQLite's part.

struct ShimFile {
  sqlite3_file base;
  const std::string* path;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
ShimFile* shim(sqlite3_file* file) {
  return reinterpret_cast<ShimFile*>(file);
}
sqlite3_file* real(sqlite3_file* file) {
  return shim(file)->real();
}

sqlite3_vfs* below() {
  static sqlite3_vfs* const vfs = sqlite3_vfs_find("unix");
  return vfs;
}

int close_file(sqlite3_file* file) {
  delete shim(file)->path;
  return real(file)->pMethods->xClose(real(file));
}

int read_file(sqlite3_file* file, void* to, int size, sqlite3_int64 offset) {
  return real(file)->pMethods->xRead(real(file), to, size, offset);
}

int write_file(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
  if (g_disk == nullptr) return SQLITE_IOERR_WRITE;
  const auto held = g_disk->lock();
  const std::string& path = *shim(file)->path;
  const auto verdict = g_disk->next(path, true);
  if (verdict == FaultDisk::Verdict::full) return SQLITE_FULL;
  if (verdict == FaultDisk::Verdict::dead) return SQLITE_IOERR_WRITE;
  const bool torn = verdict == FaultDisk::Verdict::crash;
  auto bytes = static_cast<std::uint64_t>(size);
  if (torn) bytes = g_disk->draw(bytes / kSectorBytes + 1) * kSectorBytes;
  std::string written(static_cast<const char*>(from), std::min<std::size_t>(bytes, static_cast<std::size_t>(size)));
  const int length = static_cast<int>(written.size());
  if (length > 0) {
    const int result = real(file)->pMethods->xWrite(real(file), written.data(), length, offset);
    if (result != SQLITE_OK) return result;
    g_disk->journaled(path).since.push_back({static_cast<std::uint64_t>(offset), std::move(written)});
  }
  return torn ? SQLITE_IOERR_WRITE : SQLITE_OK;
}

int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  if (g_disk == nullptr) return SQLITE_IOERR_TRUNCATE;
  const auto held = g_disk->lock();
  const std::string& path = *shim(file)->path;
  if (g_disk->next(path, false) != FaultDisk::Verdict::go) return SQLITE_IOERR_TRUNCATE;
  g_disk->journaled(path).since.push_back({static_cast<std::uint64_t>(size), {}, true});
  return real(file)->pMethods->xTruncate(real(file), size);
}

int sync_file(sqlite3_file* file, int) {
  if (g_disk == nullptr) return SQLITE_IOERR_FSYNC;
  const auto held = g_disk->lock();
  const std::string& path = *shim(file)->path;
  if (g_disk->next(path, false) != FaultDisk::Verdict::go) return SQLITE_IOERR_FSYNC;
  FaultDisk::sync(g_disk->journaled(path));
  return SQLITE_OK;
}

int size_of_file(sqlite3_file* file, sqlite3_int64* size) {
  return real(file)->pMethods->xFileSize(real(file), size);
}
int lock_file(sqlite3_file* file, int level) {
  return real(file)->pMethods->xLock(real(file), level);
}
int unlock_file(sqlite3_file* file, int level) {
  return real(file)->pMethods->xUnlock(real(file), level);
}
int check_lock(sqlite3_file* file, int* is_reserved) {
  return real(file)->pMethods->xCheckReservedLock(real(file), is_reserved);
}
int control_file(sqlite3_file* file, int operation, void* argument) {
  return real(file)->pMethods->xFileControl(real(file), operation, argument);
}
int sector_size(sqlite3_file* file) {
  return real(file)->pMethods->xSectorSize(real(file));
}
int characteristics(sqlite3_file* file) {
  return real(file)->pMethods->xDeviceCharacteristics(real(file));
}
int map_shared(sqlite3_file* file, int region, int size, int extend, void volatile** to) {
  return real(file)->pMethods->xShmMap(real(file), region, size, extend, to);
}
int lock_shared(sqlite3_file* file, int offset, int count, int flags) {
  return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
}
void shared_barrier(sqlite3_file* file) {
  real(file)->pMethods->xShmBarrier(real(file));
}
int unmap_shared(sqlite3_file* file, int is_delete) {
  return real(file)->pMethods->xShmUnmap(real(file), is_delete);
}

constexpr sqlite3_io_methods kMethods{
    2,           close_file,     read_file,    write_file,   truncate_file, sync_file,       size_of_file,
    lock_file,   unlock_file,    check_lock,   control_file, sector_size,   characteristics, map_shared,
    lock_shared, shared_barrier, unmap_shared, nullptr,      nullptr};

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* flags_out) {
  if (name == nullptr || g_disk == nullptr || !g_disk->holds(name))
    return below()->xOpen(below(), name, file, flags, flags_out);
  const auto held = g_disk->lock();
  g_disk->journaled(name);
  const int result = below()->xOpen(below(), name, real(file), flags, flags_out);
  file->pMethods = nullptr;
  if (result != SQLITE_OK) return result;
  file->pMethods = &kMethods;
  shim(file)->path = new std::string(name);  // close_file frees it
  return SQLITE_OK;
}

int delete_file(sqlite3_vfs*, const char* name, int sync_folder) {
  if (g_disk == nullptr || !g_disk->holds(name)) return below()->xDelete(below(), name, sync_folder);
  const auto held = g_disk->lock();
  if (g_disk->next(name, false) != FaultDisk::Verdict::go) return SQLITE_IOERR_DELETE;
  g_disk->forget(name);
  return below()->xDelete(below(), name, 0);
}

sqlite3_vfs make_vfs() {
  sqlite3_vfs vfs = *below();
  vfs.iVersion = 2;
  vfs.szOsFile = static_cast<int>(sizeof(ShimFile)) + below()->szOsFile;
  vfs.zName = "fault";
  vfs.xOpen = open_file;
  vfs.xDelete = delete_file;
  return vfs;
}

[[maybe_unused]] const int g_registered = [] {
  static sqlite3_vfs vfs = make_vfs();
  return sqlite3_vfs_register(&vfs, 1);
}();

// The part of the files that the published log and a folder mirror write.

std::map<int, std::string> g_open;  // descriptors of files and folders below the disk's root; under its lock

int fails_with(int error) {
  errno = error;
  return -1;
}

std::optional<std::string> path_of(int file) {
  const auto found = g_open.find(file);
  return found == g_open.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

extern "C" {

int __real_open(const char* path, int flags, ...);
ssize_t __real_write(int file, const void* bytes, size_t size);
int __real_close(int file);
int __real_rename(const char* from, const char* to);
int __real_link(const char* from, const char* to);
int __real_unlink(const char* path);
int __real_fsync(int file);
int __real_fdatasync(int file);
int __real_syncfs(int file);

int __wrap_open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & O_CREAT) != 0) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
  }
  if (g_disk == nullptr || !g_disk->holds(path)) return __real_open(path, flags, mode);
  const auto held = g_disk->lock();
  if ((flags & O_CREAT) != 0 && !std::string_view(path).ends_with(".lock")) {
    const auto verdict = g_disk->next(path, true);
    if (verdict == FaultDisk::Verdict::full) return fails_with(ENOSPC);
    if (verdict != FaultDisk::Verdict::go) return fails_with(EIO);
  }
  const int file = __real_open(path, flags, mode);
  if (file >= 0) g_open[file] = path;
  return file;
}

int __wrap_close(int file) {
  if (g_disk == nullptr) return __real_close(file);
  const auto held = g_disk->lock();
  g_open.erase(file);
  return __real_close(file);
}

// A torn or refused write has written half of its bytes.
ssize_t __wrap_write(int file, const void* bytes, size_t size) {
  if (g_disk == nullptr) return __real_write(file, bytes, size);
  const auto held = g_disk->lock();
  const auto path = path_of(file);
  if (!path) return __real_write(file, bytes, size);
  const auto verdict = g_disk->next(*path, true);
  if (verdict == FaultDisk::Verdict::go) return __real_write(file, bytes, size);
  if (verdict != FaultDisk::Verdict::dead) (void)!__real_write(file, bytes, size / 2);
  return fails_with(verdict == FaultDisk::Verdict::full ? ENOSPC : EIO);
}

int __wrap_rename(const char* from, const char* to) {
  if (g_disk == nullptr || !g_disk->holds(to)) return __real_rename(from, to);
  const auto held = g_disk->lock();
  if (g_disk->next(to, false) != FaultDisk::Verdict::go) return fails_with(EIO);
  const int result = __real_rename(from, to);
  if (result == 0) g_disk->renamed(to);
  return result;
}

int __wrap_link(const char* from, const char* to) {
  if (g_disk == nullptr || !g_disk->holds(to)) return __real_link(from, to);
  const auto held = g_disk->lock();
  if (g_disk->next(to, false) != FaultDisk::Verdict::go) return fails_with(EIO);
  return __real_link(from, to);
}

int __wrap_unlink(const char* path) {
  if (g_disk == nullptr || !g_disk->holds(path)) return __real_unlink(path);
  const auto held = g_disk->lock();
  if (g_disk->next(path, false) != FaultDisk::Verdict::go) return fails_with(EIO);
  return __real_unlink(path);
}

int __wrap_fsync(int file) {
  if (g_disk == nullptr) return __real_fsync(file);
  const auto held = g_disk->lock();
  const auto path = path_of(file);
  if (!path) return __real_fsync(file);
  if (g_disk->next(*path, false) != FaultDisk::Verdict::go) return fails_with(EIO);
  if (std::filesystem::is_directory(*path))
    g_disk->sync_names(*path);
  else
    g_disk->sync_content(*path);
  return 0;
}

int __wrap_fdatasync(int file) {
  return __wrap_fsync(file);
}

int __wrap_syncfs(int file) {
  if (g_disk == nullptr) return __real_syncfs(file);
  const auto held = g_disk->lock();
  const auto path = path_of(file);
  if (!path) return __real_syncfs(file);
  if (g_disk->next(*path, false) != FaultDisk::Verdict::go) return fails_with(EIO);
  g_disk->sync_all();
  return 0;
}

}  // extern "C"

}  // namespace sb::testing
