/// What a start or another rare effort leaves behind in memory.
#pragma once

namespace sb::server {

/// Gives memory that was freed back to the system (the allocator itself keeps it for the next effort as large), and
/// pages of code and constants that a file backs: those that are needed again come back from the page cache. Takes a
/// millisecond or two, and any thread may run meanwhile.
void give_back_free_memory();

}  // namespace sb::server
