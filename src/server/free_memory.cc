#include "server/free_memory.h"

#include <sys/mman.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>

// tcmalloc's own, from its C interface (gperftools/malloc_extension_c.h, a header of a package that nothing else
// needs). Absent where another allocator is linked: tests, sanitizers.
extern "C" [[gnu::weak]] void MallocExtension_ReleaseFreeMemory();

namespace sb::server {
namespace {

/// A part of this process's memory that a file backs, as /proc/self/smaps tells it.
struct Mapping {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  bool untouched = false;  ///< nothing of it is our own: the file has it all
};

// Pages that were written to are anonymous then, and not in the file: what the loader relocated, a debugger's
// breakpoints.
template <class Use>
void each_file_mapping(Use use) {
  std::ifstream maps("/proc/self/smaps");
  Mapping mapping;
  bool read_only = false;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0, end = 0;
    char rights[5] = {};
    unsigned long inode = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %lu", &begin, &end, rights, &inode) == 4) {
      mapping = {begin, end, true};
      read_only = inode != 0 && rights[1] == '-' && rights[3] == 'p';
    } else if (line.starts_with("Anonymous:") || line.starts_with("Swap:") || line.starts_with("Locked:")) {
      mapping.untouched = mapping.untouched && line.find(" 0 kB") != std::string::npos;
    } else if (line.starts_with("VmFlags:") && read_only && mapping.untouched) {
      use(mapping);
    }
  }
}

}  // namespace

void give_back_free_memory() {
  if (MallocExtension_ReleaseFreeMemory) MallocExtension_ReleaseFreeMemory();
  // Code that only a start needs. What is needed again comes from the page cache, 64 KiB at a time.
  each_file_mapping([](const Mapping& mapping) {
    ::madvise(reinterpret_cast<void*>(mapping.begin), mapping.end - mapping.begin, MADV_DONTNEED);
  });
}

}  // namespace sb::server
