#include "audit/spare_files.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <utility>

namespace sb::audit {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostFiles = 512;
constexpr std::size_t kMostFolders = 16;

}  // namespace

SpareFiles::~SpareFiles() {
  std::error_code ignored;
  if (open_) fs::remove_all(folder_, ignored);
}

std::string SpareFiles::take_file(Time now) {
  if (files_.empty() || now - files_.front().since < rest_) return next_name();
  std::string oldest = std::move(files_.front().path);
  files_.pop_front();
  return oldest;
}

void SpareFiles::take_in(const std::string& path, Time now) {
  std::string spare = next_name();
  if (files_.size() < kMostFiles && std::rename(path.c_str(), spare.c_str()) == 0)
    files_.push_back({std::move(spare), now});
  else
    ::unlink(path.c_str());
}

void SpareFiles::take_in_folder(const std::string& path, Time now) {
  std::error_code ignored;
  for (fs::directory_iterator at(path, ignored), end; at != end; at.increment(ignored)) take_in(at->path(), now);
  std::string spare = next_name();
  if (folders_.size() < kMostFolders && fs::is_empty(path, ignored) && std::rename(path.c_str(), spare.c_str()) == 0)
    folders_.push_back(std::move(spare));
  else
    fs::remove_all(path, ignored);
}

bool SpareFiles::place_folder(const std::string& path) {
  if (folders_.empty()) return false;
  const std::string spare = std::move(folders_.back());
  folders_.pop_back();
  return std::rename(spare.c_str(), path.c_str()) == 0;
}

std::string SpareFiles::next_name() {
  if (!std::exchange(open_, true)) {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);  // of a process before
    fs::create_directories(folder_, ignored);
  }
  return fmt::format("{}/{}", folder_, names_++);
}

}  // namespace sb::audit
