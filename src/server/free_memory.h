/// What a start or another rare effort leaves behind in the allocator.
#pragma once

namespace sb::server {

/// Gives memory that was freed back to the system. The allocator itself keeps it for the next effort as large.
void give_back_free_memory();

}  // namespace sb::server
