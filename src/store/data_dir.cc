#include "store/data_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/files.h"

namespace sb::store {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::array<const char*, 3> kKeyFiles{"audit.seed", "vault.key", "pepper"};

class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

std::unexpected<Error> system_error(const char* action, const std::string& path) {
  const int error = errno;
  const Errc code = errc_of_errno(error);
  const char* const advice = code == Errc::permission_denied ? "; the server's user must own the data directory" : "";
  return fail(code, fmt::format("cannot {} {}: {}{}", action, path, std::strerror(error), advice));
}

std::string key_path(const std::string& folder, const char* name) {
  return folder + "/keys/" + name;
}
bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

Result<> make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return system_error("create", path);
}

Result<> sync_folder(const std::string& path) {
  const Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0 || ::fsync(folder.get()) != 0) return system_error("sync", path);
  return {};
}

// Written under another name first: a key file is whole or absent, whenever the power goes.
Result<> create_key(const std::string& path, Entropy& entropy) {
  std::array<std::uint8_t, kKeyBytes> key;
  entropy.fill(key);
  const std::string scratch = path + ".new";
  ::unlink(scratch.c_str());
  const Descriptor file(::open(scratch.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file.get() < 0) return system_error("create", scratch);
  if (::write(file.get(), key.data(), key.size()) != static_cast<ssize_t>(key.size()) || ::fsync(file.get()) != 0) {
    return system_error("write", scratch);
  }
  // link() and not rename(): of two processes that begin at once, the second must not replace the first one's key.
  if (::link(scratch.c_str(), path.c_str()) != 0 && errno != EEXIST) return system_error("create", path);
  ::unlink(scratch.c_str());
  return {};
}

Result<std::string> read_key(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return system_error("read", path);
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) return system_error("read", path);
  if ((info.st_mode & 077) != 0) {
    return fail(Errc::permission_denied, fmt::format("{} can be read by others (mode {:03o}); run: chmod 600 {}", path,
                                                     info.st_mode & 0777U, path));
  }
  std::string key(kKeyBytes + 1, '\0');
  const ssize_t size = ::read(file.get(), key.data(), key.size());
  if (size < 0) return system_error("read", path);
  if (size != static_cast<ssize_t>(kKeyBytes)) {
    return fail(Errc::corrupt, fmt::format("{} must hold {} bytes; restore it from a backup", path, kKeyBytes));
  }
  key.resize(kKeyBytes);
  return key;
}

}  // namespace

std::string DataDir::database() const {
  return path_ + "/" + kDatabase;
}

Result<DataDir> DataDir::load(const std::string& path) {
  DataDir data;
  data.path_ = path;
  SB_TRY(data.audit_seed_, read_key(key_path(path, kKeyFiles[0])));
  SB_TRY(data.vault_key_, read_key(key_path(path, kKeyFiles[1])));
  SB_TRY(data.pepper_, read_key(key_path(path, kKeyFiles[2])));
  return data;
}

Result<DataDir> DataDir::open_or_create(const std::string& path, Entropy& entropy) {
  std::error_code error;
  const auto parent = std::filesystem::absolute(path, error).lexically_normal().parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  SB_CHECK(make_folder(path));
  const std::string keys = path + "/keys";
  SB_CHECK(make_folder(keys));
  if (::access(path.c_str(), W_OK | X_OK) != 0) return system_error("write to", path);
  const bool has_database = exists(path + "/" + kDatabase);
  for (const char* name : kKeyFiles) {
    const std::string file = key_path(path, name);
    if (exists(file)) continue;
    // A new key beside an old database would make its secrets unreadable and its record look forged.
    if (has_database)
      return fail(Errc::corrupt, fmt::format("{} has a database but no {}; restore it from a backup", path, file));
    SB_CHECK(create_key(file, entropy));
  }
  SB_CHECK(sync_folder(keys));
  SB_CHECK(sync_folder(path));
  if (!parent.empty()) SB_CHECK(sync_folder(parent.string()));
  return load(path);
}

Result<DataDir> DataDir::open(const std::string& path) {
  if (!exists(path))
    return fail(Errc::not_found, fmt::format("no data directory at {}; run: signalbox init --data {}", path, path));
  if (!exists(key_path(path, kKeyFiles[0]))) {
    return fail(Errc::not_found, fmt::format("{} holds no Signalbox data; run: signalbox init --data {}", path, path));
  }
  return load(path);
}

}  // namespace sb::store
