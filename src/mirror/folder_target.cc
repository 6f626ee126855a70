#include "mirror/folder_target.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>

#include "audit/tile_files.h"
#include "base/clock.h"

namespace sb::mirror {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> failed(const char* action, const std::string& path, int error) {
  const Errc code = error == ENOSPC || error == EDQUOT                    ? Errc::disk_full
                    : error == EEXIST                                     ? Errc::already_exists
                    : error == ENOENT || error == ENOTDIR                 ? Errc::not_found
                    : error == EACCES || error == EPERM || error == EROFS ? Errc::permission_denied
                                                                          : Errc::unavailable;
  return fail(code, fmt::format("mirror: cannot {} {}: {}", action, path, std::strerror(error)));
}

class FolderTarget final : public Target {
 public:
  explicit FolderTarget(std::string folder) : folder_(std::move(folder)) {}

  Result<> put_new(const std::string& name, std::string_view bytes) override { return write(name, bytes, true); }
  Result<> put(const std::string& name, std::string_view bytes) override { return write(name, bytes, false); }
  // All are on their way to the disk before the first one is waited for: the file system writes its journal for many.
  Result<> put_all(std::span<const Object> objects) override {
    std::vector<Scratch> scratch;
    std::set<std::string> folders;
    for (const Object& object : objects) {
      SB_TRY(Scratch one, begin(object.name, object.bytes));
      scratch.push_back(std::move(one));
    }
    for (Scratch& one : scratch) SB_CHECK(one.sync());
    for (Scratch& one : scratch) {
      if (::rename(one.scratch.c_str(), one.path.c_str()) != 0) return failed("write", one.path, errno);
      one.scratch.clear();
      folders.insert(one.folder());
    }
    for (const std::string& folder : folders) SB_CHECK(sync_folder(folder));
    return {};
  }
  Result<std::string> get(const std::string& name) override {
    return audit::read_whole_file(folder_ + "/" + name, kMaxObjectBytes);
  }
  Result<std::vector<std::string>> list(const std::string& prefix, const std::string& after) override {
    std::vector<std::string> names;
    std::error_code error;
    const fs::path start = fs::path(folder_) / prefix.substr(0, prefix.rfind('/') + 1);
    for (fs::recursive_directory_iterator at(start, error), end; !error && at != end; at.increment(error)) {
      // What another server is just writing may be gone before it is looked at: nothing here asks for it by its path.
      if (std::error_code gone; !at->is_regular_file(gone)) continue;
      std::string name = at->path().lexically_relative(folder_).string();
      if (name.starts_with(prefix) && name > after && !name.ends_with(".new")) names.push_back(std::move(name));
    }
    if (error && error != std::errc::no_such_file_or_directory) return failed("list", start.string(), error.value());
    std::ranges::sort(names);
    return names;
  }
  Result<> remove(const std::string& name) override {
    const std::string path = folder_ + "/" + name;
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed("delete", path, errno);
    return {};
  }
  Result<> forget(const std::string&) override { return {}; }
  Result<> clean_up() override {
    std::error_code error;
    for (fs::recursive_directory_iterator at(folder_, error), end; !error && at != end; at.increment(error)) {
      if (at->path().extension() == ".new" && ::unlink(at->path().c_str()) != 0 && errno != ENOENT)
        return failed("delete", at->path().string(), errno);
    }
    return error ? failed("list", folder_, error.value()) : Result<>();
  }
  std::string name() const override { return folder_; }

 private:
  /// What is to be an object, beside its place.
  struct Scratch {
    std::string path;
    std::string scratch;  // nobody else's: two servers may be about to write the same object
    int file = -1;

    explicit Scratch(std::string where)
        : path(std::move(where)), scratch(fmt::format("{}.{:016x}.new", path, system_entropy().next_u64())) {}
    ~Scratch() {
      if (file >= 0) ::close(file);
      if (!scratch.empty()) ::unlink(scratch.c_str());
    }
    Scratch(Scratch&& other) noexcept
        : path(std::move(other.path)), scratch(std::exchange(other.scratch, {})), file(std::exchange(other.file, -1)) {}
    Scratch& operator=(Scratch&&) = delete;
    std::string folder() const { return path.substr(0, path.rfind('/')); }
    Result<> sync() {
      const int error = ::fdatasync(file) == 0 ? 0 : errno;
      ::close(std::exchange(file, -1));
      return error == 0 ? Result<>() : failed("write", path, error);
    }
  };

  Result<Scratch> begin(const std::string& name, std::string_view bytes) const {
    Scratch one(folder_ + "/" + name);
    std::error_code ignored;
    fs::create_directories(one.folder(), ignored);
    one.file = ::open(one.scratch.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (one.file < 0) return failed("create", one.scratch, errno);
    while (!bytes.empty()) {
      const ssize_t written = ::write(one.file, bytes.data(), bytes.size());
      if (written < 0 && errno != EINTR) return failed("write", one.path, errno);
      if (written > 0) bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return one;
  }

  static Result<> sync_folder(const std::string& path) {
    const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int error = folder >= 0 && ::fsync(folder) == 0 ? 0 : errno;
    if (folder >= 0) ::close(folder);
    return error == 0 ? Result<>() : failed("sync", path, error);
  }

  // Whole or not at all, and on disk when it returns: that is what an acknowledgement rests on.
  Result<> write(const std::string& name, std::string_view bytes, bool only_new) {
    SB_TRY(Scratch one, begin(name, bytes));
    SB_CHECK(one.sync());
    const int put =
        only_new ? ::link(one.scratch.c_str(), one.path.c_str()) : ::rename(one.scratch.c_str(), one.path.c_str());
    if (put != 0) return failed("write", one.path, errno);
    if (!only_new) one.scratch.clear();
    return sync_folder(one.folder());
  }

  std::string folder_;
};

}  // namespace

Result<std::unique_ptr<Target>> open_folder_target(const std::string& folder) {
  std::error_code ignored;
  fs::create_directories(folder, ignored);
  if (::access(folder.c_str(), R_OK | X_OK) != 0) return failed("open", folder, errno);
  return std::make_unique<FolderTarget>(folder);
}

}  // namespace sb::mirror
