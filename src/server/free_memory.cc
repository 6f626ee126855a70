#include "server/free_memory.h"

// tcmalloc's own, from its C interface (gperftools/malloc_extension_c.h, a header of a package that nothing else
// needs). Absent where another allocator is linked: tests, sanitizers.
extern "C" [[gnu::weak]] void MallocExtension_ReleaseFreeMemory();

namespace sb::server {

void give_back_free_memory() {
  if (MallocExtension_ReleaseFreeMemory) MallocExtension_ReleaseFreeMemory();
}

}  // namespace sb::server
