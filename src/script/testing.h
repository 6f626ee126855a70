/// For tests of scripts.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace sb::script {

/// A script directory that lives as long as the test.
class ScriptFolder {
 public:
  explicit ScriptFolder(std::string_view manifest) {
    char name[] = "/tmp/sb-scripts-XXXXXX";
    path_ = mkdtemp(name);
    write("scripts.yaml", manifest);
  }
  ~ScriptFolder() { std::filesystem::remove_all(path_); }
  void write(const std::string& file, std::string_view text) { std::ofstream(path_ / file) << text; }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace sb::script
