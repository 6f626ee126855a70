/// Findings that are longer than the window they are decided by: keys, private key blocks, host names.
#pragma once

#include <cstdint>
#include <string_view>

#include "policy/finding.h"

namespace sb::policy {

/// Where the open-ended candidate that ends at `at` truly ends, and whether that is known yet.
struct TailEnd {
  std::size_t end = 0;
  bool closed = false;
};

/// Follows a finding's tail through `text` from `at`, one byte class or the private key grammar, incrementally: `state`
/// starts as 0 and carries what is needed between calls. Bytes behind `end` are not part of the finding.
TailEnd follow_tail(Tail tail, std::string_view text, std::size_t at, bool complete, std::uint32_t& state);

}  // namespace sb::policy
