#include "mirror/folder_target.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "audit/tile_files.h"

namespace sb::mirror {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMaxObjectBytes = std::size_t{1} << 30;

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
  Result<std::string> get(const std::string& name) override {
    return audit::read_whole_file(folder_ + "/" + name, kMaxObjectBytes);
  }
  Result<std::vector<std::string>> list(const std::string& prefix) override {
    std::vector<std::string> names;
    std::error_code error;
    const fs::path start = fs::path(folder_) / prefix.substr(0, prefix.rfind('/') + 1);
    for (fs::recursive_directory_iterator at(start, error), end; !error && at != end; at.increment(error)) {
      if (!at->is_regular_file()) continue;
      std::string name = fs::relative(at->path(), folder_).string();
      if (name.starts_with(prefix) && !name.ends_with(".new")) names.push_back(std::move(name));
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
  // Whole or not at all, and on disk when it returns: that is what an acknowledgement rests on.
  Result<> write(const std::string& name, std::string_view bytes, bool only_new) {
    const std::string path = folder_ + "/" + name;
    const std::string parent = path.substr(0, path.rfind('/'));
    std::error_code ignored;
    fs::create_directories(parent, ignored);
    const std::string scratch = path + ".new";
    const int file = ::open(scratch.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) return failed("create", scratch, errno);
    int error = 0;
    while (error == 0 && !bytes.empty()) {
      const ssize_t written = ::write(file, bytes.data(), bytes.size());
      if (written < 0 && errno != EINTR) error = errno;
      if (written > 0) bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    if (error == 0 && ::fdatasync(file) != 0) error = errno;
    ::close(file);
    if (error == 0 && only_new && ::link(scratch.c_str(), path.c_str()) != 0) error = errno;
    if (error == 0 && !only_new && ::rename(scratch.c_str(), path.c_str()) != 0) error = errno;
    if (error != 0 || only_new) ::unlink(scratch.c_str());
    if (error != 0) return failed("write", path, error);
    const int folder = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || ::fsync(folder) != 0) error = errno;
    if (folder >= 0) ::close(folder);
    return error == 0 ? Result<>() : failed("sync", parent, error);
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
