#include "server/free_memory.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

namespace sb::server {
namespace {

long resident_file_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssFile:")) return std::stol(line.substr(8));
  }
  return 0;
}

TEST(FreeMemory, CodeThatIsNotNeededNowIsNotResident) {
  const long before = resident_file_kib();
  ASSERT_GT(before, 0);
  give_back_free_memory();
  EXPECT_LT(resident_file_kib(), before);
  give_back_free_memory();  // and what runs goes on
}

}  // namespace
}  // namespace sb::server
